"""Server-sent events as a browser reads them."""

import json
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

LAST = {"job.succeeded", "job.failed", "job.cancelled"}


@dataclass(frozen=True)
class Heard:
    """One event."""

    event: str
    data: Any
    id: str | None
    at: float = field(default_factory=time.time, compare=False)


def events_in(lines: Iterator[str]) -> Iterator[Heard]:
    """The events of a stream, without its comments."""
    fields: dict[str, str] = {}
    for line in lines:
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif not line:
            if "data" in fields:
                yield Heard(fields.get("event", "message"), json.loads(fields["data"]), fields.get("id"))
            fields = {}


def listen(client: httpx.Client, path: str, *, seen: str | None = None, **params: Any) -> Iterator[Heard]:
    """Until the server ends the stream."""
    headers = {} if seen is None else {"Last-Event-ID": seen}
    timeout = httpx.Timeout(10, read=20)
    with client.stream("GET", path, headers=headers, params=params, timeout=timeout) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield from events_in(answer.iter_lines())


class Listener:
    """A thread that listens as a browser does, again and again, until it heard how the job ended."""

    def __init__(self, base_url: str, job_id: str, heard: Iterable[Heard] = ()) -> None:
        """`heard` is where it goes on from."""
        self.job_id = job_id
        self.heard = list(heard)
        self.over = threading.Event()
        self._base_url = base_url
        self._thread = threading.Thread(target=self._run, name=f"listener-{job_id}", daemon=True)
        self._thread.start()

    @property
    def names(self) -> list[str]:
        """What was heard, in order."""
        return [heard.event for heard in self.heard]

    @property
    def ends(self) -> list[Heard]:
        """The last events of runs that were heard."""
        return [heard for heard in self.heard if heard.event in LAST]

    def stop(self) -> None:
        """Give up."""
        self.over.set()

    def _run(self) -> None:
        with httpx.Client(base_url=self._base_url, trust_env=False) as client:
            while not self.over.is_set():
                with suppress(httpx.HTTPError, AssertionError):
                    self._listen(client)
                if self.ends:
                    self.over.set()
                self.over.wait(0.3)

    def _listen(self, client: httpx.Client) -> None:
        seen = next((heard.id for heard in reversed(self.heard) if heard.id), None)
        for heard in listen(client, f"/v1/jobs/{self.job_id}/events", seen=seen):
            self.heard.append(heard)
            if self.over.is_set():
                return
