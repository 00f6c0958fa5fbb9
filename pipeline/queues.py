"""What operators do to the queues of stages, and the workers that serve them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


def owner_of(host: str, pid: int) -> str:
    """What a process is called in the records as the owner of attempts."""
    return f"{host}:{pid}"


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process, as it described itself last."""

    name: str
    """Celery's, such as `fetch-4711@host`."""
    stages: tuple[str, ...]
    host: str
    pid: int
    started_at: datetime
    seen_at: datetime
    """By the worker's clock, for people: whether it lives is judged by the records' own."""
    finished_per_s: float = 0.0
    """Messages it has finished in the last minute, whatever the outcome, by the second."""
    concurrency: int = 1
    """Attempts that it makes at once."""

    @property
    def owner(self) -> str:
        """Of the attempts it makes."""
        return owner_of(self.host, self.pid)


@dataclass(frozen=True, slots=True)
class Running:
    """How many attempts at a stage a process makes at this moment."""

    stage: str
    owner: str
    count: int


class QueueRecords(Protocol):
    """What the records keep of queues and workers. Raises `RecordsUnavailable`."""

    def pause(self, stage: str, at: datetime) -> datetime:
        """Have the workers of a stage begin nothing new; returns since when, which a second pause does not change."""

    def resume(self, stage: str) -> None:
        """Let them go on; changes nothing unless the stage was paused.

        What waited is as if launched and, where it was postponed, postponed only now: the time of the pause is not
        held against it.
        """

    def paused(self) -> Mapping[str, datetime]:
        """The stages that are paused, and since when."""

    def check_in(self, worker: Worker, *, lease_s: float) -> None:
        """Say that a worker lives, and go by that for `lease_s` on the records' own clock."""

    def check_out(self, name: str) -> None:
        """Say that a worker has ended."""

    def workers(self) -> Sequence[Worker]:
        """The workers that live, by name."""

    def forget_workers(self) -> int:
        """Erase what is kept of workers that died; returns how many."""

    def running(self) -> Sequence[Running]:
        """The attempts that run, by stage and owner."""
