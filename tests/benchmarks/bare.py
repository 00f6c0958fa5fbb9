"""Entry point of the bare Celery workers: `celery -A tests.benchmarks.bare worker`."""

from tests.benchmarks.noop import bare_app

app = bare_app()
