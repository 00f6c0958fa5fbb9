"""Hosts on loopback that some tests need beside the plain `Origin`."""

import contextlib
import socket
import threading
import time
from dataclasses import replace
from types import TracebackType
from typing import Self

from tests.support.openai_server import CHAT, answer
from tests.support.origin import Origin, Reply, Seen


class OrderedOrigin(Origin):
    """Knows in which order it was asked."""

    def __init__(self, default: Reply | None = None) -> None:
        super().__init__(default=default)
        self.asked_at: list[float] = []
        """When, on the monotonic clock."""
        self.order: list[str] = []
        """Paths but robots.txt, the first one asked for first."""

    def next_reply(self, seen: Seen) -> Reply:
        if seen.path != "/robots.txt":
            self.order.append(seen.path)
            self.asked_at.append(time.monotonic())
        return super().next_reply(seen)


class MarkedLlm(Origin):
    """An OpenAI-compatible endpoint that answers by a mark in the text, so that many tests can share it at once."""

    def __init__(self) -> None:
        super().__init__(default=answer())
        self._marks: list[str] = []

    @property
    def base_url(self) -> str:
        return self.url("/v1")

    def when(self, mark: str, *replies: Reply) -> None:
        """What is asked about a text with this mark gets these answers in turn; the last one stays."""
        self.on(mark, *replies)
        self._marks.append(mark)

    def next_reply(self, seen: Seen) -> Reply:
        assert seen.path == CHAT, seen.path
        mark = next((mark for mark in self._marks if mark in seen.body), CHAT)
        return super().next_reply(replace(seen, path=mark))


class SilentHost:
    """Takes one connection, never answers, and notices when the other side lets go."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.dropped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._serve, name="silent host")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=60)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            with connection:
                connection.settimeout(55)
                while connection.recv(65_536):
                    self.asked.set()
                self.dropped.set()
