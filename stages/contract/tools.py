"""Everything a stage may touch outside its payload. Stages have no other effects."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from threading import Event
from typing import Any, Literal, ParamSpec, Protocol, TypeVar

from stages.contract.errors import Cancelled, Transient
from stages.contract.nouns import CacheUse, Payload, Usage
from stages.contract.options import Options

P = ParamSpec("P")
T = TypeVar("T")
OnText = Callable[[str], None]
"""Is given a text piece by piece."""


class Clock(Protocol):
    """Two clocks, named apart: wall time for records, monotonic time for durations."""

    def now(self) -> datetime:
        """The wall clock, time-zone aware."""

    def monotonic(self) -> float:
        """Seconds that never go back, for durations."""


class CancelToken:
    """Set once, from another thread, when the work is no longer wanted, or not here."""

    def __init__(self) -> None:
        self._event = Event()
        self.is_for_now = False
        """Whether the work is still wanted: it is to be done by another worker."""

    def cancel(self, *, for_now: bool = False) -> None:
        self.is_for_now = for_now and not self._event.is_set()
        self._event.set()

    @property
    def is_cancelled(self) -> bool:
        return self._event.is_set()

    def wait(self, delay_s: float) -> bool:
        """Wait, but no longer than until cancellation. Returns whether the work was cancelled."""
        return self._event.wait(delay_s)


@dataclass(frozen=True, slots=True)
class Visitor:
    """On whose behalf hosts are visited."""

    id: str = ""
    """The same in all attempts, so that a turn can be kept."""
    is_urgent: bool = False
    obeys_robots: bool = True


@dataclass(frozen=True, slots=True)
class Scope:
    """How long an attempt may go on: until its deadline, or until it is cancelled; and on whose behalf."""

    clock: Clock
    deadline: float
    """On the monotonic clock."""
    token: CancelToken = field(default_factory=CancelToken)
    visitor: Visitor = field(default_factory=Visitor)

    def remaining_s(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self.deadline - self.clock.monotonic())

    def check(self) -> None:
        """Raise `Cancelled`, or `Transient` with code `stage_timeout`, if the attempt should stop now."""
        if self.token.is_cancelled:
            raise Cancelled
        if self.remaining_s() <= 0:
            raise Transient("stage_timeout")

    def wait(self, delay_s: float) -> None:
        """Sleep in a way that a cancellation or the deadline interrupts; then `check`."""
        self.token.wait(min(delay_s, self.remaining_s()))
        self.check()


@dataclass(frozen=True, slots=True)
class Fetched:
    """An HTTP answer, read in full and decompressed."""

    url: str
    """After redirects."""
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)
    wire_bytes: int
    """Bytes of the body as transferred, before decompression."""
    redirects: tuple[str, ...] = ()
    """The URLs that led here, the first one first."""
    is_moved_for_good: bool = True
    """Whether all redirects were permanent; true where there were none."""
    cache: CacheUse = "miss"
    received_at: datetime | None = None
    """When the host sent or confirmed a stored answer; None of one that has just come."""


@dataclass(frozen=True, slots=True)
class Validators:
    """What a host is asked to compare a stored answer with."""

    url: str
    """The answer's own; after redirects it may be another than was asked for."""
    headers: Mapping[str, str]
    """`If-None-Match`, `If-Modified-Since` or both, as they are sent."""


class Http(Protocol):
    """The guarded client for the open web: public addresses only, bounded in time and size."""

    def get(self, url: str, scope: Scope, validators: Validators | None = None) -> Fetched:
        """GET a URL, following redirects. Validators are sent to their own URL only, which may then answer 304.

        Raises `StageError` with one of the fetch codes. HTTP error statuses are answers, not errors.
        """


class Pages(Protocol):
    """The open web, and the copies of its pages that the job's tenant has."""

    def spares_host(self, url: str) -> bool:
        """Whether `get` would not call the page's host now: it has a copy that will do, or another job is calling."""

    def get(self, url: str, scope: Scope) -> Fetched:
        """A stored copy that will do for this job, or else what `Http.get` says.

        Raises the same, and `Awaited` while another job fetches what will do for this one.
        """


class Browser(Protocol):
    """A browser whose every connection is held to the same rules as `Http`."""

    def render(self, url: str, scope: Scope) -> Fetched:
        """Load a page and let its scripts run. The body is the document as they left it, as UTF-8.

        Raises `StageError` with one of the fetch or render codes. HTTP error statuses are answers, not errors.
        """


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Completion:
    """A language model's answer. `text` is never empty."""

    text: str = field(repr=False)
    model: str
    usage: Usage | None = None


class Llm(Protocol):
    """An OpenAI-compatible chat endpoint."""

    @property
    def endpoint(self) -> str:
        """Host and port, which is what a circuit breaker protects."""

    @property
    def max_input_tokens(self) -> int:
        """How large a text fits beside the instructions and the answer."""

    def count_tokens(self, text: str) -> int:
        """About how many tokens a text is, rather too many; corrected by what the server has counted so far."""

    def complete(
        self,
        messages: Sequence[Message],
        scope: Scope,
        *,
        max_tokens: int,
        model: str | None = None,
        schema: Mapping[str, Any] | None = None,
        on_text: OnText | None = None,
    ) -> Completion:
        """Ask once. Raises `StageError` with one of the `llm_*` codes.

        - `model`: as the endpoint calls it; default the one that is configured.
        - `schema`: a JSON Schema that the answer should fit. Endpoints that can hold a model to it are told so, others
          are not. So it belongs into the messages as well, and the answer has to be checked.
        - `on_text`: is called with each piece of the answer while it comes, reasoning included, in this thread. It may
          be called for nothing, as the answer may break off, or not at all, as it may come whole.
        """


class Progress(Protocol):
    """Where people may watch a text being written. It is for looking on only: what is shown may get lost."""

    @property
    def is_due(self) -> bool:
        """Whether it is time to show more; to be asked before a text is made fit to be shown."""

    def show(self, text: str) -> None:
        """Show the text as it is now, in place of what was shown before. Never raises, and hardly waits."""


class Isolate(Protocol):
    """Runs CPU work on hostile input in a child process that can be killed."""

    def __call__(self, scope: Scope, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a module-level function with picklable arguments.

        Raises `StageError` as the function did, or `Permanent` with `parse_timeout` or `parse_memory`, or
        `Transient` with `parse_crashed` when the child died.
        """


@dataclass(frozen=True, slots=True)
class Step:
    """A finished stage of the run."""

    stage: str
    attempts: int
    started_at: datetime
    finished_at: datetime
    duration_s: float
    sha256: str
    size: int
    media_type: str


class History(Protocol):
    """What the run has recorded so far."""

    @property
    def steps(self) -> Sequence[Step]:
        """Finished stages, in order."""

    def load(self, step: Step) -> Payload:
        """Read a step's output from the payload store, verified by its hash."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What a stage may know of its job."""

    job_id: str
    run: int
    pipeline: str
    created_at: datetime
    source_url: str | None = None
    source_name: str | None = None
    source_content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """Which attempt at the stage this is."""

    is_last: bool = False
    """Whether an error that spends it would be the end."""
    parked_s: float = 0.0
    """How long the stage has been postponed, in seconds."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a stage is handed for one attempt."""

    http: Http
    pages: Pages
    browser: Browser | None
    """None where pages are not rendered."""
    llm: Llm | None
    """None where no language model is configured; stages then use their offline default."""
    isolate: Isolate
    clock: Clock
    random: Random
    scope: Scope
    options: Options
    job: JobFacts
    history: History
    progress: Progress
    turn: Turn = Turn()
