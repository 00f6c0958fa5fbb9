"""Penstock deployed: an API, a keeper and workers in processes of their own, on a broker and a database to be hurt.

    with JobFleet(folder, broker, database_url, web, model) as fleet:
        fleet.start()
        fleet.box.arm("committed", "fetch")
        job = fleet.submit()
        fleet.wait_ended([job])

What is killed is started again after half a second, as a supervisor would, while `supervised`.
"""

import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import Any, Self

import httpx
from sqlalchemy import create_engine, select
from sqlalchemy.exc import SQLAlchemyError

from orchestration.storage.schema import jobs, stages
from orchestration.streams import DELTAS
from orchestration.streams import STREAM as EVENTS
from pipeline.ids import WHOLE
from pipeline.job import JobState
from tests.support.brokers import Broker
from tests.support.faulty_box import Event, FaultBox
from tests.support.faulty_effects import Model, Web
from tests.support.faulty_nursery import Child, Nursery
from tests.support.ports import free_port
from tests.support.sse import Listener
from tests.support.waiting import NeverHappened, until

STAGES = ("fetch", "extract", "summarize", "store")
READY_WITHIN_S = 40
ANSWERS_WITHIN_S = 40
"""Should the API have to be started again for it."""
RESTART_PAUSE_S = 0.5
ENDED = {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}
SHORT = {
    "lease_s": 3,
    "relaunch_after_s": 5,
    "io_concurrency": 1,
    "cpu_concurrency": 1,
    "parse_timeout_s": 3,
    "parse_max_memory_bytes": 256 * 2**20,
    "fetch_total_timeout_s": 5,
    "fetch_read_timeout_s": 3,
}


@dataclass(frozen=True)
class Submitted:
    """A job that was accepted: 202 came back."""

    id: str
    token: str
    at: float


@dataclass
class Told:
    """What clients were told."""

    accepted: list[Submitted] = field(default_factory=list)
    refused: int = 0
    """503."""
    unanswered: int = 0
    longest_answer_s: float = 0.0
    cancelled: dict[str, float] = field(default_factory=dict)
    """When the answer to a cancellation came, by job."""


class JobFleet:
    """All processes of one deployment but its broker and its database."""

    def __init__(
        self, folder: Path, broker: Broker, database_url: str, web: Web, model: Model, **settings: object
    ) -> None:
        self.folder = folder
        self.broker = broker
        self.database_url = database_url
        self.web = web
        self.model = model
        self.box = FaultBox(folder)
        self.told = Told()
        self.payloads = folder / "payloads"
        self.api_url = f"http://127.0.0.1:{free_port()}"
        self.supervised = True
        self.processes: list[Child] = []
        self.listeners: list[Listener] = []
        self._settings = SHORT | {"llm_base_url": model.base_url} | settings
        self._widths: dict[str | None, int] = {}
        self._nursery = Nursery(self._on_end)
        self._engine = create_engine(database_url)
        self._client = httpx.Client(base_url=self.api_url, timeout=30, trust_env=False)
        self._numbers = count()

    def __enter__(self) -> Self:
        self._nursery.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.supervised = False
        for listener in self.listeners:
            listener.stop()
        self._nursery.__exit__()
        self._client.close()
        self._engine.dispose()

    # processes

    def start(self, workers: Mapping[str, int] | None = None, *, width: int = 1) -> Self:
        """Start an API, a keeper, and so many workers of each stage; returns once they take work."""
        self.spawn("api")
        self.spawn("keeper")
        for stage, number in (workers or dict.fromkeys(STAGES, 1)).items():
            for _ in range(number):
                self.spawn("worker", stage, width=width)
        self.wait_ready()
        return self

    def spawn(self, role: str, queue: str | None = None, *, width: int | None = None) -> Child:
        """Start one process more."""
        self._widths[queue] = width or self._widths.get(queue, 1)
        log = self.folder / f"{queue or role}.log"
        child = self._nursery.spawn(self._environ(), log, role, queue, self._widths[queue])
        self.processes.append(child)
        return child

    def wait_ready(self, *children: Child) -> None:
        """Return once these processes, or all, do what they are for."""
        wanted = {child.pid for child in children or self.processes if child.role == "worker" and child.is_running}
        self.until(lambda: wanted <= self._ready_pids(), within_s=READY_WITHIN_S, what="workers to be ready")
        self.until(self.answers, within_s=READY_WITHIN_S, what="the API to answer")

    def workers(self, queue: str) -> list[Child]:
        """The living workers of a stage."""
        return [child for child in self.processes if child.queue == queue and child.is_running]

    def the(self, role: str) -> Child:
        """The living process of a role that there is one of."""
        return next(child for child in self.processes if child.role == role and child.is_running)

    def hurt(self, child: Child, number: int, kind: str, **more: Any) -> None:
        """Send a signal, and note it as a fault."""
        self.box.note("fault", kind=kind, stage=child.queue or child.role, pid=child.pid, **more)
        child.signal(number)

    def dismiss(self, queue: str) -> None:
        """End the workers of a stage in good order, and start none in their place."""
        gone = self.workers(queue)
        for child in gone:
            child.wanted = False
            child.signal(15)
        for child in gone:
            child.wait()

    # jobs

    def submit(
        self, *, token: str | None = None, key: str | None = None, timeout_s: float = 30, **body: Any
    ) -> Submitted | None:
        """Submit the page of a token, or what `body` says; None unless the answer is 202. `key` is for idempotency."""
        token = token or f"tok-{token_hex(6)}"
        if not {"url", "text", "html"} & set(body):
            body["url"] = self.web.page(token)
        began_at = time.monotonic()
        try:
            headers = {} if key is None else {"Idempotency-Key": key}
            answer = self._client.post("/v1/jobs", json=body, headers=headers, timeout=timeout_s)
        except httpx.TransportError:
            self.told.unanswered += 1
            return None
        self.told.longest_answer_s = max(self.told.longest_answer_s, time.monotonic() - began_at)
        if answer.status_code != 202:
            assert answer.status_code == 503, answer.text
            self.told.refused += 1
            return None
        self.told.accepted.append(Submitted(answer.json()["id"], token, time.time()))
        return self.told.accepted[-1]

    def accepted(self, **body: Any) -> Submitted:
        """Submit a job, which has to be accepted."""
        job = self.submit(**body)
        assert job is not None, "not accepted"
        return job

    def listen(self, job: Submitted) -> None:
        """Listen to the events of a job; whether its end was told is part of the verdict."""
        self.listeners.append(Listener(self.api_url, job.id))

    def cancel(self, job: Submitted) -> bool:
        """Whether it was cancelled: it may have ended before. Asked until there is an answer."""
        answer: httpx.Response = self.until(
            lambda: self._cancelled(job), within_s=ANSWERS_WITHIN_S, what="an answer to the cancellation"
        )
        if answer.status_code == 200:
            self.told.cancelled.setdefault(job.id, time.time())
        return answer.status_code == 200

    def _cancelled(self, job: Submitted) -> httpx.Response | None:
        with suppress(httpx.TransportError):
            answer = self._client.delete(f"/v1/jobs/{job.id}")
            return answer if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE else None
        return None

    def view(self, job: Submitted) -> dict[str, Any]:
        """The job as the API shows it."""
        answer = self._client.get(f"/v1/jobs/{job.id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def states(self, wanted: Iterable[Submitted] | None = None) -> dict[str, JobState]:
        """The state of these jobs, or of all, as the database has it."""
        with self._engine.connect() as connection:
            rows = {row.id: row.state for row in connection.execute(select(jobs.c.id, jobs.c.state))}
        return rows if wanted is None else {job.id: rows[job.id] for job in wanted if job.id in rows}

    def stage_state(self, job: Submitted, stage: str) -> str:
        """The state of one stage, as the database has it."""
        with self._engine.connect() as connection:
            query = select(stages.c.state).where(
                stages.c.job_id == job.id, stages.c.stage == stage, stages.c.part == WHOLE
            )
            return str(connection.execute(query).scalar_one())

    def wait_ended(self, wanted: Iterable[Submitted] | None = None, *, within_s: float = 60) -> dict[str, JobState]:
        """The states of these jobs, or of all, once all have ended."""
        chosen = None if wanted is None else list(wanted)

        def ended() -> bool:
            with suppress(SQLAlchemyError):
                return set(self.states(chosen).values()) <= ENDED
            return False

        self.until(ended, within_s=within_s, what="jobs to end")
        return self.states(chosen)

    def wait_quiet(self, *, within_s: float = 30) -> None:
        """Return once all jobs have ended and the broker holds nothing."""
        self.wait_ended(within_s=within_s)
        self.until(lambda: not self.leftovers(), within_s=within_s, what="empty queues")
        told = [listener.over.is_set for listener in self.listeners]
        self.until(lambda: all(is_over() for is_over in told), within_s=within_s, what="all ends to be told")

    def leftovers(self) -> dict[str, object]:
        """What the broker holds of messages, by key; dead letters are not looked at."""
        with self.broker.client() as client:
            delayed = {key: n for key in client.scan_iter("*:delayed", count=1000) if (n := client.zcard(key))}
        streams = {key: held for key, held in self.broker.streams().items() if any(held) and not key.endswith(":dead")}
        for told in (EVENTS, DELTAS):
            streams.pop(told, None)
        return {**streams, **delayed}

    # watching

    def answers(self) -> bool:
        """Whether the API does."""
        with suppress(httpx.TransportError):
            return self._client.get("/healthz", timeout=2).status_code == 200
        return False

    def faults(self, kind: str | None = None) -> list[Event]:
        """What was done to the fleet so far."""
        return [event for event in self.box.events("fault") if kind in {None, event.more.get("kind")}]

    def until(self, probe: Any, *, within_s: float, what: str) -> Any:
        """`until`, and what the processes said if it fails."""
        try:
            return until(probe, within_s=within_s, what=what)
        except NeverHappened as error:
            logs = {child.log: child for child in self.processes}.values()
            raise NeverHappened("\n".join([str(error), *(child.log_tail(1500) for child in logs)])) from None

    def _ready_pids(self) -> set[int]:
        return {event.pid for event in self.box.events("ready")}

    def _on_end(self, child: Child) -> None:
        if child in self.processes:
            self.processes.remove(child)
        if self.supervised and child.wanted:
            time.sleep(RESTART_PAUSE_S)
            if self.supervised:
                self.spawn(child.role, child.queue)

    def _environ(self) -> dict[str, str]:
        chosen = {
            **self._settings,
            "data_dir": self.folder,
            "payload_dir": self.payloads,
            "database_url": self.database_url,
            "broker_url": self.broker.url,
            "allow_networks": "127.0.0.0/8",
            "api_port": self.api_url.rpartition(":")[2],
        }
        return {f"PENSTOCK_{name.upper()}": str(value) for name, value in chosen.items()} | {
            "PENSTOCK_FAULTS": str(self.folder)
        }


def in_background(name: str, work: Any) -> threading.Thread:
    """A started daemon thread."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread
