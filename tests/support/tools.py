"""Tools for testing a stage alone: nothing here opens a socket, starts a process or draws a random number unseeded.

>>> tools = make_tools(options=Options(processing="detailed"))
>>> tools.clock.now().isoformat()
'2026-01-02T03:04:05+00:00'
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any, ParamSpec, TypeVar

from pipeline.cached_pages import DirectPages
from stages.contract import (
    Fetched,
    JobFacts,
    Options,
    Payload,
    Scope,
    Step,
    Tools,
    Transient,
    Validators,
)

P = ParamSpec("P")
T = TypeVar("T")

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class ManualClock:
    """Stands still until it is advanced; wall and monotonic time move together."""

    elapsed_s: float = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.elapsed_s)

    def monotonic(self) -> float:
        return self.elapsed_s

    def advance(self, seconds: float) -> None:
        self.elapsed_s += seconds


@dataclass
class FakeHttp:
    """A web of fixed answers, by URL: a `Fetched` is returned, an error raised, an unknown host not found."""

    answers: dict[str, Fetched | Exception] = field(default_factory=dict)
    requested: list[str] = field(default_factory=list)

    asked_to_compare: list[Validators | None] = field(default_factory=list)

    def get(self, url: str, scope: Scope, validators: Validators | None = None) -> Fetched:
        scope.check()
        self.requested.append(url)
        self.asked_to_compare.append(validators)
        answer = self.answers.get(url, Transient("dns_failure"))
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class InlineIsolate:
    """Calls the function directly, in this process, and remembers which functions it was given."""

    called: list[str] = field(default_factory=list)

    def __call__(self, scope: Scope, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        scope.check()
        self.called.append(function.__name__)
        return function(*args, **kwargs)


@dataclass
class MemoryHistory:
    """What a run has recorded, kept as bytes so that every load goes through the canonical form."""

    recorded: list[tuple[Step, bytes]] = field(default_factory=list)

    @property
    def steps(self) -> Sequence[Step]:
        return [step for step, _ in self.recorded]

    def load(self, step: Step) -> Payload:
        data = next(data for kept, data in self.recorded if kept is step)
        return Payload.by_media_type[step.media_type].from_bytes(data)

    def record(self, stage: str, output: Payload, *, attempts: int = 1, duration_s: float = 1.5) -> Step:
        """Append a finished stage that began when the one before it had ended."""
        data = output.to_bytes()
        started_at = self.recorded[-1][0].finished_at if self.recorded else START
        step = Step(
            stage=stage,
            attempts=attempts,
            started_at=started_at,
            finished_at=started_at + timedelta(seconds=duration_s),
            duration_s=duration_s,
            sha256=sha256(data).hexdigest(),
            size=len(data),
            media_type=output.media_type,
        )
        self.recorded.append((step, data))
        return step


@dataclass
class MemoryProgress:
    """What was shown, each time in full."""

    shown: list[str] = field(default_factory=list)
    is_due: bool = True

    def show(self, text: str) -> None:
        self.shown.append(text)


def make_tools(**overrides: Any) -> Tools:
    """A full set of tools; any field of `Tools` can be replaced by name. One minute remains, no LLM is configured."""
    clock, http = overrides.get("clock", ManualClock()), overrides.get("http", FakeHttp())
    tools = Tools(
        http=http,
        pages=DirectPages(http),
        browser=None,
        llm=None,
        isolate=InlineIsolate(),
        clock=clock,
        random=Random(20260102),
        scope=Scope(clock=clock, deadline=clock.monotonic() + 60.0),
        options=Options(),
        job=JobFacts(job_id="0194-test", run=1, pipeline="summarize", created_at=START),
        history=MemoryHistory(),
        progress=MemoryProgress(),
    )
    return replace(tools, **overrides)
