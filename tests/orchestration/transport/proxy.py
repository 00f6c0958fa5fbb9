"""Between a client and a server, both on Unix sockets: watches what passes, holds it up, loses it.

with Proxy(folder / "p", server.socket) as proxy:
    proxy.lose_replies(to=b"XADD", times=1)
"""

import select
import socket
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Self

MOST_BYTES = 1 << 20


class Proxy:
    """Passes everything on until told otherwise. `on_request` is called with what a client sent before it passes."""

    def __init__(self, path: Path, server: Path) -> None:
        self.path = path
        self.on_request: Callable[[bytes], object] = lambda request: None
        self._server = server
        self._losing = (b"", 0)
        self._listener: socket.socket | None = None
        self._clients: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        return f"redis+socket://{self.path}"

    def lose_replies(self, to: bytes, times: int = 1) -> None:
        """The server executes the next requests that contain these bytes; the connection breaks before its reply."""
        self._losing = (to, times)

    @property
    def replies_to_lose(self) -> int:
        return self._losing[1]

    def open(self) -> None:
        """Take connections."""
        self.path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._run(self._accept, self._listener)

    def shut(self) -> None:
        """Break all connections and refuse new ones."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts, which closes it
        for client in list(self._clients):
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._threads.clear()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.shut()

    def _run(self, target: Callable[[socket.socket], None], sock: socket.socket) -> None:
        thread = threading.Thread(target=target, args=(sock,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with closing(listener), suppress(OSError):
            while True:
                client, _ = listener.accept()
                self._clients.add(client)
                self._run(self._pass_on, client)

    def _pass_on(self, client: socket.socket) -> None:
        with closing(client), socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            server.connect(str(self._server))
            self._exchange(client, server)
        self._clients.discard(client)

    def _exchange(self, client: socket.socket, server: socket.socket) -> None:
        lost = False
        while True:
            ready, _, _ = select.select([client, server], [], [])
            if client in ready:
                request = client.recv(MOST_BYTES)
                if not request:
                    return
                self.on_request(request)
                lost = lost or self._loses(request)
                server.sendall(request)
            if server in ready:
                reply = server.recv(MOST_BYTES)
                if lost or not reply:
                    return
                client.sendall(reply)

    def _loses(self, request: bytes) -> bool:
        what, times = self._losing
        if times == 0 or what not in request:
            return False
        self._losing = (what, times - 1)
        return True
