"""What can be asked of the service: one request each, and how its answer is read."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from typing import Any, BinaryIO, Generic, Required, TypedDict, TypeVar
from urllib.parse import quote

from pydantic import BaseModel

from api.client.files import Form
from api.client.items import Lines
from api.schemas import JobPage, JobView, RerunAccepted, Submitted, job_url, result_url
from api.schemas_batches import BATCHES, BatchList, BatchView, batch_url
from api.schemas_breakers import BreakerList
from api.schemas_bulk import BulkActionView
from api.schemas_queues import QueueList, WorkerList
from api.schemas_runs import ReplayRequest
from api.schemas_usage import USAGE, Groups, UsageReport
from pipeline.job import JobState, Lane
from stages.contract import Document, Length, Options, Processing, RobotsUse
from stages.contract.options import Fallback

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


class JobOptions(TypedDict, total=False):
    """How a job is to be done."""

    pipeline: str
    """A named pipeline, `summarize` unless given."""
    stages: Iterable[str]
    """An order of stages, instead of a pipeline."""
    processing: Processing
    fallback: Fallback
    """While the language model is down or over a budget: `wait` unless given."""
    length: Length
    language: str
    """Of the summary, such as `de`; that of the page unless given."""
    audience: str
    prompt: str
    """What the summary is to heed."""
    model: str
    schema: Mapping[str, Any]
    """A JSON Schema: the answer is data that fits it."""
    max_age_s: float
    """How old a stored copy of the page may be; 0 to ask its host anyway."""
    render: bool
    """Whether to load the page in a browser that runs its scripts."""
    robots: RobotsUse
    """`ignore` needs the scope `admin`."""
    lane: Lane | str
    tags: Iterable[str]
    metadata: Mapping[str, str]
    not_before: datetime
    """When it is due, with a time zone."""
    delay_s: float
    """The same in seconds from now, instead."""
    expires_at: datetime
    """When it fails if it has not ended."""
    max_attempts: int
    """At each stage."""
    webhook: str
    """The id or URL of a registered webhook that is to be told of the end."""


class JobFields(JobOptions, total=False):
    """What is submitted. Give exactly one of `url`, `html` and `text`."""

    url: str
    html: str
    text: str


class Dedupe(TypedDict):
    """Take a job that has done the same, instead of a new one."""

    max_age_s: float
    """How long ago it may have succeeded, in seconds."""


class SubmissionFields(JobFields, total=False):
    """A job to be done, or to be found done."""

    dedupe: Dedupe


class FileOptions(JobOptions, total=False):
    """How the job of a file is to be done."""

    dedupe: Dedupe


class SourceFields(TypedDict, total=False):
    """Where the items of a batch come from."""

    url: Required[str]
    limit: int
    since: date


def source_fields(url: str, limit: int | None, since: date | None) -> SourceFields:
    """What is given of a source."""
    fields: SourceFields = {"url": url}
    if limit is not None:
        fields["limit"] = limit
    if since is not None:
        fields["since"] = since
    return fields


class JobFilters(TypedDict, total=False):
    """Which jobs are listed: those for which all that is given holds."""

    status: JobState | str | Iterable[JobState | str]
    """Jobs in this state, or in any of these."""
    stage: str
    """Jobs that are at this stage, or failed at it."""
    code: str
    """Jobs that failed with this code."""
    pipeline: str
    lane: Lane | str
    tag: str | Iterable[str]
    """Jobs that have this tag, or all of these."""
    host: str
    """Jobs whose URL has exactly this host."""
    q: str
    """Jobs whose URL, without its scheme, begins with this."""
    batch_id: str
    created_after: datetime
    """With a time zone, as the other one."""
    created_before: datetime


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request. Unless `adds_up`, it may be sent several times and takes effect once."""

    method: str
    path: str
    read: Callable[[bytes], T]
    """Reads the body of the answer. Raises `ValueError`."""
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    lines: Iterable[bytes] | None = None
    """Instead of a body; the same each time it is sent."""
    form: Form | None = None
    """Instead of a body, too."""
    key: str | None = None
    """Goes with it as `Idempotency-Key`."""
    wait_s: float = 0.0
    """How long the service may take on purpose."""
    erases: bool = False
    """Whether it is done when, sent again, it finds nothing."""
    adds_up: bool = False
    """Whether it would take effect again: such a one is sent again only where it cannot have arrived."""


def submit(job: SubmissionFields, key: str) -> Call[Submitted]:
    """Submit a job."""
    return Call("POST", "/v1/jobs", answered(Submitted), body=plain(job), key=key)


def submit_file(file: BinaryIO, name: str, content_type: str | None, options: FileOptions, key: str) -> Call[Submitted]:
    """Submit a job with a file as its input."""
    return Call("POST", "/v1/jobs", answered(Submitted), form=Form(file, name, content_type, plain(options)), key=key)


def job(job_id: str, run: int | None = None, wait_s: float = 0.0) -> Call[JobView]:
    """Read a job, or wait for its end."""
    params = {"run": run, "wait_s": wait_s or None}
    return Call("GET", job_url(quoted(job_id)), answered(JobView), params=_given(params), wait_s=wait_s)


def result(job_id: str, run: int | None = None) -> Call[Document]:
    """Get the final document."""
    return Call("GET", result_url(quoted(job_id)), answered(Document), params=_given({"run": run}))


def jobs(filters: JobFilters, page_size: int) -> Call[JobPage]:
    """List jobs: the first page."""
    return Call("GET", "/v1/jobs", answered(JobPage), params={**plain(filters), "limit": page_size})


def page(path: str) -> Call[JobPage]:
    """List jobs: a further page, found at what the one before gave as `next`."""
    return Call("GET", path, answered(JobPage))


def cancel(job_id: str) -> Call[JobView]:
    """Cancel a job."""
    return Call("DELETE", job_url(quoted(job_id)), answered(JobView))


def purge(job_id: str) -> Call[None]:
    """Erase a job."""
    return Call("DELETE", job_url(quoted(job_id)), nothing, params={"purge": "true"}, erases=True)


def retry(job_id: str, key: str) -> Call[RerunAccepted]:
    """Continue a job where it stopped."""
    return Call("POST", f"{job_url(quoted(job_id))}/retry", answered(RerunAccepted), key=key)


def replay(job_id: str, from_stage: str, processing: Processing | None, key: str) -> Call[RerunAccepted]:
    """Start a job again from a stage."""
    options = None if processing is None else Options(processing=processing)
    asked = ReplayRequest.model_construct(from_stage=from_stage, options=options)
    body = asked.model_dump(by_alias=True, exclude_none=True)
    return Call("POST", f"{job_url(quoted(job_id))}/replay", answered(RerunAccepted), body=body, key=key)


def submit_batch(
    items: Iterable[JobFields], name: str | None, lane: Lane | str | None, key: str, *, digest: bool = False
) -> Call[BatchView]:
    """Submit a batch, a line for each item."""
    params = _given({"name": name, "lane": lane, "digest": "true" if digest else None})
    return Call("POST", BATCHES, answered(BatchView), params=params, lines=Lines(map(plain, items)), key=key)


def submit_source(
    source: SourceFields, defaults: JobOptions, name: str | None, key: str, *, digest: bool = False
) -> Call[BatchView]:
    """Submit a batch of what a source lists."""
    about = _given({"name": name, "digest": digest or None})
    body = {"source": plain(source), "defaults": plain(defaults), **about}
    return Call("POST", BATCHES, answered(BatchView), body=body, key=key)


def batch(batch_id: str) -> Call[BatchView]:
    """Read a batch."""
    return Call("GET", batch_url(quoted(batch_id)), answered(BatchView))


def batches(page_size: int) -> Call[BatchList]:
    """List batches: the first page."""
    return Call("GET", BATCHES, answered(BatchList), params={"limit": page_size})


def batch_page(path: str) -> Call[BatchList]:
    """List batches: a further page."""
    return Call("GET", path, answered(BatchList))


def cancel_batch(batch_id: str) -> Call[BatchView]:
    """Cancel what has not ended of a batch."""
    return Call("DELETE", batch_url(quoted(batch_id)), answered(BatchView))


def retry_failed(batch_id: str) -> Call[BulkActionView]:
    """Continue what has failed of a batch. A second action would find it running."""
    return Call("POST", f"{batch_url(quoted(batch_id))}/retry-failed", answered(BulkActionView))


def usage(first: date | None, last: date | None, by: Groups) -> Call[UsageReport]:
    """What was spent on language models."""
    days = {"from": first and first.isoformat(), "to": last and last.isoformat()}
    return Call("GET", USAGE, answered(UsageReport), params=_given({**days, "by": by}))


def queues() -> Call[QueueList]:
    """See what waits at each stage."""
    return Call("GET", "/v1/queues", answered(QueueList))


def workers() -> Call[WorkerList]:
    """See who works."""
    return Call("GET", "/v1/workers", answered(WorkerList))


def breakers() -> Call[BreakerList]:
    """See what is left alone."""
    return Call("GET", "/v1/breakers", answered(BreakerList))


def results_url(batch_id: str) -> str:
    """Where the results of a batch are streamed."""
    return f"{batch_url(quoted(batch_id))}/results"


def events_url(job_id: str | None) -> str:
    """Where the events of a job, or of all, are streamed."""
    return "/v1/events" if job_id is None else f"{job_url(quoted(job_id))}/events"


def plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked as JSON and queries have it: moments as text, any iterable as a list."""
    return {name: _plain_value(value) for name, value in fields.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return plain(value)
    is_plain = isinstance(value, str) or not isinstance(value, Iterable)
    return value if is_plain else list(map(_plain_value, value))


def answered(model: type[M]) -> Callable[[bytes], M]:
    """Reads an answer as this model."""
    return partial(model.model_validate_json)


def nothing(_body: bytes) -> None:
    """Reads an answer that has nothing to say."""


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def quoted(job_id: str) -> str:
    """An id as a part of a path, whatever its user put there."""
    return quote(job_id, safe="")
