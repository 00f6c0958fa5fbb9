"""What tests and the processes that they hurt share: armed points, knobs, and a log that no fault can lose.

All of it is files in one folder, so it works between any processes and survives all of them:

    box.arm("committed", "fetch")          # the next worker that has recorded a fetch kills itself there
    box.turn("records_delay_s", 0.2)       # from now on, in all processes
    box.note("fault", kind="kill", stage="fetch")
    [event.stage for event in box.events("fault")]
"""

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

POINTS = (
    "received",
    "claimed",
    "before_effect",
    "after_effect",
    "payload_written",
    "committed",
    "published",
    "before_ack",
)
"""Of an attempt, in the order in which it passes them."""
KILL, STOP, SKIP = "kill", "stop", "skip"
STOPPED_S = 20.0
"""How long a stopped process stays so at most, as far as the verdict is concerned."""


@dataclass(frozen=True)
class Event:
    """Something that happened; `at` is the machine's wall time in seconds."""

    at: float
    event: str
    pid: int
    job: str = ""
    stage: str = ""
    more: dict[str, Any] = field(default_factory=dict)


class FaultBox:
    """One folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = folder / "events"
        self._numbers = count()
        self._position = 0
        self._events: list[Event] = []

    # points

    def arm(self, point: str, stage: str, *, times: int = 1, skip: int = 0, what: str = KILL) -> None:
        """Kill, or stop, the processes that come by this point of this stage, after the first `skip` of them."""
        folder = self._armed(point, stage)
        folder.mkdir(parents=True, exist_ok=True)
        for each in (*[SKIP] * skip, *[what] * times):
            (folder / f"{next(self._numbers):04}-{each}").touch()

    def is_armed(self, point: str, stage: str) -> bool:
        """Whether somebody has still to die there."""
        return bool(_listed(self._armed(point, stage)))

    def disarm(self) -> None:
        """Forget all that has not happened."""
        for path in self.folder.glob("armed/*/*"):
            path.unlink(missing_ok=True)

    def pass_by(self, point: str, stage: str, job: str) -> None:
        """Called by a process that reaches a point: it may be its last."""
        for name in _listed(folder := self._armed(point, stage)):
            with suppress(FileNotFoundError):
                (folder / name).unlink()  # Only one can.
                if name.endswith(KILL):
                    self.die(point, stage, job)
                if name.endswith(STOP):
                    self.note("fault", kind=STOP, point=point, stage=stage, job=job, lasts_s=STOPPED_S)
                    os.kill(os.getpid(), signal.SIGSTOP)
                return

    def die(self, point: str, stage: str, job: str) -> None:
        """Note it, and die."""
        self.note("fault", kind="kill", point=point, stage=stage, job=job)
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)  # The signal takes its time with a process of many threads; nothing may come after the point.

    def _armed(self, point: str, stage: str) -> Path:
        return self.folder / "armed" / f"{point}@{stage}"

    # knobs

    def turn(self, knob: str, value: float | None) -> None:
        """Set a knob, or with None clear it."""
        path = self.folder / knob
        if value is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(str(value))

    def knob(self, name: str) -> float:
        """Zero when it is not set."""
        try:
            return float((self.folder / name).read_text() or 0)
        except (FileNotFoundError, ValueError):
            return 0.0

    # log

    def note(self, event: str, *, job: str = "", stage: str = "", pid: int | None = None, **more: Any) -> None:
        """Append one line, whole."""
        fields = {"at": time.time(), "event": event, "pid": pid or os.getpid(), "job": job, "stage": stage}
        line = json.dumps({**fields, "more": more}) + "\n"
        descriptor = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def events(self, *kinds: str) -> list[Event]:
        """All so far, or those of some kinds, in the order in which they were written."""
        if self._log.exists():
            with self._log.open("rb") as file:
                file.seek(self._position)
                lines, newline, _ = file.read().rpartition(b"\n")
            self._position += len(lines) + len(newline)
            self._events += [Event(**json.loads(line)) for line in lines.splitlines()]
        return [event for event in self._events if not kinds or event.event in kinds]


def _listed(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208  # names are wanted
    except FileNotFoundError:
        return []
