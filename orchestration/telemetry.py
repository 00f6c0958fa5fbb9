"""Logs: one line an event on standard error, with time, level, process and module."""

import logging
import sys


def configure_logging(level: str, role: str) -> None:
    """Log to standard error from this level on; `role` says which of the stack's processes speaks."""
    line = f"%(asctime)s %(levelname)-7s {role} %(name)s: %(message)s"
    logging.basicConfig(level=level.upper(), format=line, stream=sys.stderr, force=True)
    # Celery tells of every task that it was received and succeeded; the record says it better.
    for chatty in ("celery.app.trace", "celery.worker.strategy", "kombu", "alembic", "httpx", "httpcore", "openai"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
