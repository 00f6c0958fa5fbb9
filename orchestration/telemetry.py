"""Logs: one line an event on standard error, with time, level and where it came from."""

import logging
import sys

FORMAT = "%(asctime)s %(levelname)-7s %(processName)s %(name)s: %(message)s"


def configure_logging(level: str) -> None:
    """Log to standard error from this level on."""
    logging.basicConfig(level=level.upper(), format=FORMAT, stream=sys.stderr, force=True)
    # Celery tells of every task that it was received and succeeded; the record says it better.
    for chatty in ("celery.app.trace", "celery.worker.strategy", "kombu", "alembic", "httpx", "httpcore", "openai"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
