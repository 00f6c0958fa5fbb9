"""The real adapters, wrapped: each notes what it did in the box, and dies or fails where the box says so."""

import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestration.storage.payload_folder import PayloadFolder
from pipeline.ids import WHOLE, Hold, StageKey
from pipeline.work import Grant
from tests.support import isolated
from tests.support.faulty_box import FaultBox

POISON: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "poison:exit": (isolated.leave, (1,)),
    "poison:segfault": (isolated.crash, ()),
    "poison:memory": (isolated.hog, ()),
    "poison:loop": (isolated.spin, ()),
}
"""What a page with such a word does to the child that parses it."""
CACHED = "/cache/"
"""In the keys of copies of pages, which belong to no job."""
DEADLY = "poison:worker"
"""What kills the worker that wants it parsed."""


def piece(key: Any) -> str:
    """A stage by its name, a part of one with its number; of a key or of a row.

    >>> piece(StageKey("0198", 1, "summarize")), piece(StageKey("0198", 1, "summarize", 3))
    ('summarize', 'summarize#3')
    """
    return key.stage if key.part == WHOLE else f"{key.stage}#{key.part}"


class Here(threading.local):
    """The attempt that runs in this thread."""

    key: StageKey | None = None

    @property
    def job(self) -> str:
        return self.key.job_id if self.key else ""

    @property
    def stage(self) -> str:
        return self.key.stage if self.key else ""


class Wrapper:
    """Everything that is not told otherwise goes to what is inside."""

    def __init__(self, inside: Any, box: FaultBox, here: Here) -> None:
        self._inside = inside
        self._box = box
        self._here = here

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)

    def _pass_by(self, point: str) -> None:
        if self._here.key is not None:
            self._box.pass_by(point, self._here.stage, self._here.job)


class FaultyRecords(Wrapper):
    """Notes every claim and how it ended. `records_delay_s` makes every call slower."""

    def __getattr__(self, name: str) -> Any:
        inside = getattr(self._inside, name)
        if not callable(inside) or name == "close":
            return inside

        def slowly(*args: Any, **kwargs: Any) -> Any:
            time.sleep(self._box.knob("records_delay_s"))
            return inside(*args, **kwargs)

        return slowly

    def accept(self, job: Any, *args: Any) -> Any:
        is_launched = self.__getattr__("accept")(job, *args)
        self._box.pass_by("accepted", "api", job.id)
        return is_launched

    def claim(self, key: StageKey, **kwargs: Any) -> Any:
        self._here.key = key
        granted = self.__getattr__("claim")(key, **kwargs)
        if isinstance(granted, Grant):
            self._box.note("claimed", job=key.job_id, stage=piece(key), epoch=granted.epoch)
            self._pass_by("claimed")
        else:
            self._box.note("refused", job=key.job_id, stage=piece(key), why=granted.why)
        return granted

    def complete(self, hold: Hold, *args: Any) -> Any:
        return self._committed("completed", "complete", hold, *args)

    def split(self, hold: Hold, *args: Any) -> Any:
        return self._committed("split", "split", hold, *args)

    def complete_part(self, hold: Hold, *args: Any) -> Any:
        return self._committed("completed", "complete_part", hold, *args)

    def release(self, hold: Hold, error: Any, **kwargs: Any) -> bool:
        due_at = time.time() + kwargs["delay_s"]
        kept = bool(self.__getattr__("release")(hold, error, **kwargs))
        self._note_end("released", hold, kept, due_at=due_at, code=error.code, spends=kwargs["spends"])
        return kept

    def fail(self, hold: Hold, error: Any, **kwargs: Any) -> bool:
        kept = bool(self.__getattr__("fail")(hold, error, **kwargs))
        self._note_end("failed", hold, kept, code=error.code)
        return kept

    def lose_input(self, hold: Hold, error: Any, **kwargs: Any) -> bool:
        kept = bool(self.__getattr__("lose_input")(hold, error, **kwargs))
        self._note_end("returned", hold, kept, code=error.code)
        return kept

    def _committed(self, event: str, method: str, hold: Hold, *args: Any) -> Any:
        kept = self.__getattr__(method)(hold, *args)
        self._note_end(event, hold, bool(kept))
        self._pass_by("committed")
        return kept

    def _note_end(self, event: str, hold: Hold, kept: bool, **more: Any) -> None:
        self._box.note(event, job=hold.key.job_id, stage=piece(hold.key), epoch=hold.epoch, kept=kept, **more)


class FaultyDesk(Wrapper):
    """Where jobs are accepted; between the launch of one and the answer to who asked for it there is nothing else."""

    def submit(self, *args: Any) -> Any:
        job = self._inside.submit(*args)
        self._box.pass_by("launched", "api", job.id)
        return job


class FaultyPayloads(PayloadFolder):
    """`payloads_full` says that the disk is; `payloads_delay_s` makes it slow."""

    def __init__(self, root: Path, box: FaultBox, here: Here) -> None:
        super().__init__(root)
        self._box = box
        self._here = here

    def put(self, key: str, data: bytes, media_type: str) -> Any:
        time.sleep(self._box.knob("payloads_delay_s"))
        if self._here.stage == "store":
            # Its only effect.
            self._box.pass_by("before_effect", "store", self._here.job)
        claim = super().put(key, data, media_type)
        if self._here.key is not None and CACHED not in key:
            self._box.pass_by("payload_written", self._here.stage, self._here.job)
        return claim

    def get(self, claim: Any) -> bytes:
        time.sleep(self._box.knob("payloads_delay_s"))
        return super().get(claim)

    def _write(self, claim: Any, compressed: bytes) -> None:
        if self._box.knob("payloads_full"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super()._write(claim, compressed)


class FaultyHttp(Wrapper):
    """The web."""

    def get(self, *args: Any, **kwargs: Any) -> Any:
        self._pass_by("before_effect")
        answer = self._inside.get(*args, **kwargs)
        self._pass_by("after_effect")
        return answer


class FaultyLlm(Wrapper):
    """The language model."""

    def exchange(self, *args: Any, **kwargs: Any) -> Any:
        self._pass_by("before_effect")
        answer = self._inside.exchange(*args, **kwargs)
        self._pass_by("after_effect")
        return answer


class FaultyIsolate(Wrapper):
    """Parsing children; poison is for them, or for their worker."""

    def __call__(self, scope: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._pass_by("before_effect")
        text = next((arg for arg in args if isinstance(arg, str)), "")
        if DEADLY in text:
            self._box.die(DEADLY, self._here.stage, self._here.job)
        for word, (poison, poison_args) in POISON.items():
            if word in text:
                function, args = poison, poison_args
        answer = self._inside(scope, function, *args, **kwargs)
        self._pass_by("after_effect")
        return answer
