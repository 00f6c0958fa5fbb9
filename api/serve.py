"""Serving the HTTP application."""

import logging
import resource
import socket
from contextlib import closing

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from orchestration.settings import Settings
from orchestration.storage.engine import ANSWERING_PATIENCE_S
from orchestration.telemetry import configure_logging
from orchestration.wiring import Wiring
from pipeline.errors import PipelineError

log = logging.getLogger(__name__)

STOP_GRACE_S = 10
BACKLOG = 2048
MOST_FILES = 65_536


class NoKeys(PipelineError):
    """Others could reach the API, and nobody has a key to it."""

    def __init__(self, host: str, command: str) -> None:
        super().__init__(
            f"others could reach the API on {host}, and there is no valid key to it: make one with "
            "`penstock keys create --name NAME --scope submit,read`, or serve this machine alone with "
            f"`penstock {command} --host 127.0.0.1`"
        )


def run_api(settings: Settings) -> None:
    """Serve the API alone. Raises `NoKeys`, `RecordsUnavailable`, or `OSError` when the port is taken."""
    require_keys(settings, "api")
    serve(settings, listen(settings))


def require_keys(settings: Settings, command: str) -> None:
    """Raise `NoKeys` where keys are needed, nobody has one, and nobody has said in the settings that this is meant.

    `command` is what was called, for the advice. Raises `RecordsUnavailable` when nobody can tell.
    """
    if settings.api_auth != "auto" or settings.api_is_local:
        return
    with closing(Wiring(settings)) as wiring:
        wiring.records.check()
        if not wiring.key_desk.has_valid():
            raise NoKeys(settings.api_host, command)


def listen(settings: Settings) -> socket.socket:
    """Bind the API's socket, before any process is forked, so that a port in use is known at once."""
    host, port = settings.api_host, settings.api_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, because asyncio sends small answers at once only on sockets that say they are TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    listener.listen(BACKLOG)
    return listener


def url_of(listener: socket.socket) -> str:
    """The URL of a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(settings: Settings, listener: socket.socket) -> None:
    """Answer requests until SIGTERM."""
    configure_logging(settings.log_level, "api")
    if not settings.api_needs_key and not settings.api_is_local:
        log.warning("listening on %s without access control: PENSTOCK_API_AUTH is off", settings.api_host)
    allow_connections(MOST_FILES)
    app = create_app(Wiring(settings, records_patience_s=ANSWERING_PATIENCE_S))
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=STOP_GRACE_S)
    _Server(config, app).run(sockets=[listener])


def allow_connections(wanted: int) -> None:
    """Raise the limit of open files to this or to what is allowed: many systems begin with 1,024, streams included."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))


class _Server(uvicorn.Server):
    """Ends the streams of events when it stops: it would wait for their clients to go."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.hub.close()
        await super().shutdown(sockets)
