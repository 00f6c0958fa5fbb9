"""`penstock up`: the whole stack in the foreground."""

import logging
from functools import partial

from api.cli.report import note
from api.serve import listen, require_keys, serve, url_of
from orchestration.embedded.children import Program
from orchestration.embedded.stack import Stack
from orchestration.settings import Settings
from orchestration.telemetry import configure_logging

log = logging.getLogger(__name__)


def run_up(settings: Settings) -> None:
    """Run until Ctrl-C or SIGTERM.

    Raises `OSError` when the port is taken, `DataDirInUse`, `MachineryFailed`, `NoKeys`.
    """
    configure_logging(settings.log_level, "supervisor")
    listener = listen(settings)
    url = url_of(listener)
    stack = Stack(settings, extra=[Program("api", partial(serve, settings, listener))], api_url=url)
    stack.run(check=partial(require_keys, settings, "up"), on_ready=lambda: _greet(url, settings))


def _greet(url: str, settings: Settings) -> None:
    note(f"Penstock listens on {url}  (documentation: {url}/docs)")
    note(f"Data is kept in {settings.data_dir}. Ctrl-C stops; what is running is finished first.")
