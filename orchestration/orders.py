"""What a schedule submits, as a document in the words of the API: kept with it, shown, and read again to fire."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from orchestration.submit import Submission
from pipeline.job import Lane
from pipeline.sources import SourcePlan
from pipeline.terms import Schedule
from stages.contract import Options

HTML, TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"

OPTIONS = {field.alias or name for name, field in Options.model_fields.items()}

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SourceOrder:
    """How much is to be taken of a source."""

    limit: int
    since: date | None


@dataclass(frozen=True, slots=True)
class Order:
    """One job, or the items of a batch; of one that is made of a source, what each entry becomes."""

    items: tuple[Submission, ...]
    is_batch: bool = False
    batch_name: str | None = None
    source: SourceOrder | None = None
    digest: Submission | None = None
    """What the job is like that summarizes the results of a batch, if there is to be one."""

    def document(self) -> Document:
        """To be kept and shown."""
        items = [_document(item) for item in self.items]
        return {"batch": self._batch(items)} if self.is_batch else {"job": items[0]}

    def _batch(self, items: list[Document]) -> Document:
        about: Document = {"name": self.batch_name}
        if self.digest is not None:
            about["digest"] = _document(self.digest)
        if self.source is None:
            return {**about, "items": items}
        url, defaults = items[0]["url"], {name: value for name, value in items[0].items() if name != "url"}
        since = self.source.since and self.source.since.isoformat()
        source = {"url": url, "limit": self.source.limit, "since": since}
        return {**about, "source": source, "defaults": defaults}

    @property
    def digest_order(self) -> Document | None:
        """The digest as it is kept with a batch."""
        return None if self.digest is None else _document(self.digest)

    @property
    def plan(self) -> SourcePlan | None:
        """What a batch is to be made of, unless it has its items."""
        if self.source is None:
            return None
        (pattern,) = self.items
        return SourcePlan(pattern.url or "", self.source.limit, self.source.since, _document(pattern))


def order_from(document: Mapping[str, Any], tenant_id: str) -> Order:
    """The same again, on behalf of a tenant."""
    if "job" in document:
        return Order((_submission(document["job"], tenant_id),))
    batch = document["batch"]
    digest = _submission(batch["digest"], tenant_id) if "digest" in batch else None
    if "source" in batch:
        url, limit, since = (batch["source"][name] for name in ("url", "limit", "since"))
        pattern = _submission({"url": url, **batch["defaults"]}, tenant_id)
        source = SourceOrder(limit, since and date.fromisoformat(since))
        return Order((pattern,), is_batch=True, batch_name=batch["name"], source=source, digest=digest)
    items = tuple(_submission(item, tenant_id) for item in batch["items"])
    return Order(items, is_batch=True, batch_name=batch["name"], digest=digest)


def _document(item: Submission) -> Document:
    kind = "html" if item.content_type == HTML else "text"
    # A schedule cannot be given a file.
    content = {kind: item.body.decode()} if isinstance(item.body, bytes) else {}
    given: Document = {
        "url": item.url,
        **content,
        "pipeline": item.pipeline,
        "stages": item.stages and list(item.stages),
        "processing": item.options.processing,
        **item.options.model_dump(mode="json", exclude_defaults=True),
        "lane": str(item.lane),
        "tags": list(item.tags),
        "metadata": dict(item.metadata),
        "delay_s": item.schedule.delay_s,
        "not_before": _moment(item.schedule.not_before),
        "expires_at": _moment(item.schedule.expires_at),
        "max_attempts": item.max_attempts,
        "webhook": item.webhook,
    }
    return {name: value for name, value in given.items() if value not in (None, [], {})}


def _submission(document: Mapping[str, Any], tenant_id: str) -> Submission:
    content = document.get("html", document.get("text"))
    kind = HTML if "html" in document else TEXT
    stages = document.get("stages")
    return Submission(
        url=document.get("url"),
        body=None if content is None else content.encode(),
        content_type=None if content is None else kind,
        pipeline=document.get("pipeline"),
        stages=None if stages is None else tuple(stages),
        options=Options.model_validate({name: document[name] for name in OPTIONS & document.keys()}),
        lane=Lane(document["lane"]),
        tenant_id=tenant_id,
        tags=tuple(document.get("tags", ())),
        metadata=document.get("metadata", {}),
        schedule=Schedule(
            not_before=_moment_from(document.get("not_before")),
            delay_s=document.get("delay_s"),
            expires_at=_moment_from(document.get("expires_at")),
        ),
        max_attempts=document.get("max_attempts"),
        webhook=document.get("webhook"),
    )


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment_from(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
