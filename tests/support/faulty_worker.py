"""The processes of Penstock as they are deployed, with adapters and signals that die where the box says so.

    python -m tests.support.faulty_worker worker --queue fetch

is `penstock worker --queue fetch` with `PENSTOCK_FAULTS` naming the folder of the box. Nothing of the product is
changed but which wiring its roles make.
"""

import os
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

from celery import signals

from orchestration.settings import Settings
from orchestration.wiring import Wiring
from tests.support.faulty_box import FaultBox
from tests.support.faulty_ports import (
    FaultyDesk,
    FaultyHttp,
    FaultyIsolate,
    FaultyLlm,
    FaultyPayloads,
    FaultyRecords,
    Here,
)

FAULTS = "PENSTOCK_FAULTS"
PREFIX = "penstock."


class FaultyWiring(Wiring):
    """The adapters of a process, wrapped."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.box = FaultBox(Path(os.environ[FAULTS]))
        self.here = Here()
        self._listen()

    @cached_property
    def records(self) -> Any:
        return FaultyRecords(super().records, self.box, self.here)

    @cached_property
    def payloads(self) -> Any:
        return FaultyPayloads(self.settings.payload_root, self.box, self.here)

    @cached_property
    def desk(self) -> Any:
        return FaultyDesk(super().desk, self.box, self.here)

    @cached_property
    def isolation(self) -> Any:
        return FaultyIsolate(super().isolation, self.box, self.here)

    def _http(self) -> Any:
        return FaultyHttp(super()._http(), self.box, self.here)

    def llm(self) -> Any:
        inside = super().llm()
        return inside and FaultyLlm(inside, self.box, self.here)

    def _listen(self) -> None:
        signals.worker_ready.connect(self._ready, weak=False)
        signals.task_received.connect(self._received, weak=False)
        signals.after_task_publish.connect(self._published, weak=False)
        signals.task_postrun.connect(self._before_ack, weak=False)

    def _ready(self, **_kwargs: object) -> None:
        self.box.note("ready")

    def _received(self, request: Any, **_kwargs: object) -> None:
        self.box.pass_by("received", request.name.removeprefix(PREFIX), str(request.kwargs.get("job_id", "")))

    def _published(self, sender: str, **_kwargs: object) -> None:
        # Not what is published again for a later attempt.
        if self.here.key is not None and sender.removeprefix(PREFIX) != self.here.stage:
            self.box.pass_by("published", self.here.stage, self.here.job)

    def _before_ack(self, task: Any, kwargs: dict[str, Any], **_kwargs: object) -> None:
        self.box.pass_by("before_ack", task.name.removeprefix(PREFIX), str(kwargs.get("job_id", "")))
        self.here.key = None


def run(role: str, queue: str | None = None, concurrency: int | None = None) -> None:
    """Be a worker, a keeper or an API until told to stop."""
    settings = Settings()
    if role == "api":
        import api.serve

        api.serve.Wiring = FaultyWiring  # type: ignore[attr-defined,misc]
        api.serve.serve(settings, api.serve.listen(settings))
        return
    from orchestration import roles

    roles.Wiring = FaultyWiring  # type: ignore[attr-defined,misc]
    if queue is not None:
        roles.run_worker(settings, queue, concurrency)
    else:
        roles.run_keeper(settings)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    run(arguments[0], arguments[2] if len(arguments) > 2 else None)
