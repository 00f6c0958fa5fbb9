"""Reading a stream of events over as many connections as it takes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from api.client.calls import events_url
from api.client.core import Core
from api.client.errors import PenstockError, UnexpectedAnswer, WaitTimedOut
from api.client.streaming import Stream
from api.schemas_events import JobEvent, StreamEvent, event_of

SILENCE_S = 45.0
"""A stream that says nothing for so long is taken for broken; the service says something every 15 seconds."""


@dataclass(slots=True)
class Message:
    """One message of a stream of server-sent events."""

    name: str = "message"
    data: list[str] = field(default_factory=list)


class Messages:
    r"""Splits the bytes of one connection into messages, as the HTML standard has it.

    >>> list(Messages().take(b"id: 1-0\nevent: gap\ndata: {}\n\n: still here\n\n"))
    [Message(name='gap', data=['{}']), Message(name='message', data=[])]
    """

    def __init__(self) -> None:
        self.last_id: str | None = None
        """Where to go on from after what was taken."""
        self._rest = b""
        self._message = Message()

    def take(self, chunk: bytes) -> Iterator[Message]:
        """Messages that are complete now; a comment is one without data."""
        # Not `str.splitlines`: that takes characters within the data for ends of lines.
        *lines, self._rest = (self._rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            yield from self._line(line.decode(errors="replace"))

    def _line(self, line: str) -> Iterator[Message]:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "" if not line:
                yield self._message
                self._message = Message()
            case "event":
                self._message.name = value
            case "data":
                self._message.data.append(value)
            case "id":
                self.last_id = value


class Feed(Stream[StreamEvent]):
    """Where one reader of events is. Ends with the last event of a job; the events of all jobs never end."""

    media_type = "text/event-stream"

    def __init__(self, core: Core, job_id: str | None, over_at: float = math.inf) -> None:
        """`over_at` is when to give up, on the monotonic clock."""
        super().__init__(core, over_at)
        self._job_id = job_id
        self._seen: str | None = None
        self._messages = Messages()
        self._told_last = False

    def request(self) -> dict[str, Any]:
        """How to connect, in the words of httpx: after the last event that was seen."""
        self._messages, self._told_last = Messages(), False
        seen = {} if self._seen is None else {"Last-Event-ID": self._seen}
        silence_s = min(SILENCE_S, max(0.1, self._over_at - self._core.clock.monotonic()))
        timeout = httpx.Timeout(self._core.timeout_s, read=silence_s)
        headers = {"Accept": self.media_type, **seen}
        return {"method": "GET", "url": events_url(self._job_id), "headers": headers, "timeout": timeout}

    def take(self, chunk: bytes) -> Iterator[StreamEvent]:
        """The events that came with these bytes. Raises `WaitTimedOut`, `UnexpectedAnswer`."""
        self._failures = 0
        for message in self._messages.take(chunk):
            event = self._event(message)
            self._told_last = self._is_last(event)
            self._seen = self._messages.last_id or self._seen
            if event is not None:
                yield event
        if not self._told_last:
            self._require_time()

    def closed(self) -> None:
        """The service ended the stream in order: when nothing came after the last event of a run, that is the end."""
        self.is_over = self._told_last

    def pause_s(self, error: PenstockError | None = None) -> float:
        """The same, and raises `WaitTimedOut`."""
        self._require_time()
        return super().pause_s(error)

    def _event(self, message: Message) -> StreamEvent | None:
        if not message.data:
            return None
        try:
            return event_of(message.name, "\n".join(message.data), self._messages.last_id)
        except ValueError as error:
            raise UnexpectedAnswer(f"an event {message.name} that cannot be read") from error

    def _is_last(self, event: StreamEvent | None) -> bool:
        is_end = isinstance(event, JobEvent) and event.event.is_last
        return self._job_id is not None and is_end

    def _require_time(self) -> None:
        if self._job_id is not None and self._core.clock.monotonic() >= self._over_at:
            raise WaitTimedOut(self._job_id)
