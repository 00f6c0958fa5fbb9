"""Webhooks: endpoints that are told how jobs ended, and what became of each delivery.

A delivery is recorded in the transaction that ends the run, so none is lost, and there is one for each endpoint and
run, whoever ends it how often. Sending it is at least once: a receiver may get it again, with the same id.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any, Protocol

from pipeline.batches import BatchRecords
from pipeline.events import LAST, EventKind
from pipeline.ids import uuid7
from pipeline.job import Job, JobError
from pipeline.pages import Page
from pipeline.webhook_rules import Health, Try, Verdict

TEST = "webhook.test"
"""The event that says nothing but that deliveries arrive."""
TOLD = tuple(LAST.values())
"""The events that an endpoint may ask for."""
SECRETS_OVERLAP = timedelta(hours=24)
"""How long the secret before still signs, next to the new one."""
DELIVERIES_KEPT = timedelta(days=30)
SHOWN_TRIES = 20


class DeliveryState(StrEnum):
    """What has become of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Webhook:
    """An endpoint of a tenant. Secrets are sealed here, and only opened to sign."""

    id: str
    tenant_id: str
    url: str = field(repr=False)
    """May hold a token of the receiver's."""
    events: tuple[EventKind, ...]
    description: str | None
    enabled: bool
    created_at: datetime
    sealed: str = field(repr=False)
    previous_sealed: str | None = field(default=None, repr=False)
    previous_until: datetime | None = None
    """Until when the secret before still signs."""
    disabled_reason: str | None = None
    """`gone` or `failing`; None while it is enabled, and when somebody disabled it."""
    health: Health = field(default_factory=Health)
    only_named: bool = False
    """Whether it is told of nothing but jobs that name it."""

    def wants(self, kind: EventKind, named: str | None = None) -> bool:
        """Whether it is to be told of this; `named` is the id of the webhook that the job names."""
        return self.enabled and (named == self.id or (kind in self.events and not self.only_named))

    def sealed_at(self, now: datetime) -> tuple[str, ...]:
        """The secrets that sign now, the current one first."""
        overlaps = self.previous_sealed and self.previous_until and now < self.previous_until
        return (self.sealed, self.previous_sealed) if overlaps and self.previous_sealed else (self.sealed,)


@dataclass(frozen=True, slots=True)
class WebhookChanges:
    """What is to be changed of an endpoint; None for what stays as it is."""

    url: str | None = None
    events: tuple[EventKind, ...] | None = None
    description: str | None = None
    enabled: bool | None = None
    only_named: bool | None = None

    @property
    def is_fresh_start(self) -> bool:
        """Whether what failed before says nothing of what comes."""
        return self.url is not None or self.enabled is True


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One event for one endpoint. Its id is the `webhook-id` of every try."""

    id: str
    webhook_id: str
    event: str
    job_id: str | None
    """None of a test."""
    run: int | None
    state: DeliveryState
    attempts: int
    """Tries since it was recorded, or asked for again."""
    created_at: datetime
    next_try_at: datetime | None
    """None once it is over."""
    tries: tuple[Try, ...] = ()
    """The latest `SHOWN_TRIES`, in order."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery that was claimed to be sent once. Of several claims only the latest is settled."""

    webhook: Webhook
    delivery: WebhookDelivery
    epoch: int


@dataclass(frozen=True, slots=True)
class Due:
    """An endpoint that something is to be sent to now."""

    webhook_id: str
    is_failing: bool
    """Whether the latest try failed."""


def delivery_id(webhook_id: str, job_id: str, run: int, at: datetime) -> str:
    """The same whenever it is made for the same endpoint, run and end, and ordered by time like all ids.

    >>> from datetime import UTC
    >>> at = datetime(2026, 11, 21, tzinfo=UTC)
    >>> delivery_id("w", "j", 1, at) == delivery_id("w", "j", 1, at) != delivery_id("w", "j", 2, at)
    True
    """
    return str(uuid7(at, Random(f"{webhook_id}:{job_id}:{run}")))


def new_delivery(webhook_id: str, event: EventKind, job_id: str, run: int, at: datetime) -> WebhookDelivery:
    """What an endpoint is told of the end of a run, due at once."""
    its_id = delivery_id(webhook_id, job_id, run, at)
    return WebhookDelivery(its_id, webhook_id, event, job_id, run, DeliveryState.PENDING, 0, at, at)


def document(delivery: WebhookDelivery, job: Job | None) -> dict[str, Any]:
    """The body: what happened, when, and the run that it happened to. The same at every try."""
    about = {"webhook_id": delivery.webhook_id} if job is None else _summary(job)
    return {"type": str(delivery.event), "timestamp": delivery.created_at.isoformat(), "data": about}


def _summary(job: Job) -> dict[str, Any]:
    """What the API shows of a job in a list."""
    return {
        "id": job.id,
        "status": str(job.state),
        "pipeline": job.pipeline,
        "lane": str(job.lane),
        "run": job.run,
        "source_url": job.source.url,
        "processing": job.options.processing,
        "created_at": job.created_at.isoformat(),
        "started_at": job.started_at and job.started_at.isoformat(),
        "finished_at": job.finished_at and job.finished_at.isoformat(),
        "error": job.error and _error(job.error),
        "tags": list(job.terms.tags),
        "metadata": dict(job.terms.metadata),
        "not_before": job.terms.not_before and job.terms.not_before.isoformat(),
        "batch_id": job.batch_id,
        "batch_index": job.batch_index,
        "url": f"/v1/jobs/{job.id}?run={job.run}",
    }


def _error(error: JobError) -> dict[str, Any]:
    return {"code": error.code, "message": error.message, "stage": error.stage, "retryable": error.retry_helps}


class WebhookRecords(BatchRecords, Protocol):
    """The records, with what they keep of webhooks."""

    def add_webhook(self, webhook: Webhook) -> None:
        """Record an endpoint: what ends from now on is delivered to it."""

    def webhook(self, tenant_id: str, webhook_id: str) -> Webhook | None:
        """An endpoint; None when there is none such."""

    def webhook_named(self, tenant_id: str, name: str) -> str | None:
        """The id of the endpoint with this id or exactly this URL: of several an enabled one, the newest."""

    def webhooks(self, tenant_id: str, *, before: str | None, limit: int) -> Page[Webhook]:
        """Endpoints, newest first. `before` is the id of the last one of the page before."""

    def change_webhook(self, tenant_id: str, webhook_id: str, changes: WebhookChanges) -> Webhook:
        """Change an endpoint. Another URL, and enabling it, forget its failures. Raises `WebhookNotFound`."""

    def rotate_secret(self, tenant_id: str, webhook_id: str, sealed: str, *, until: datetime) -> Webhook:
        """Give it another secret; the one before signs until then, too. Raises `WebhookNotFound`."""

    def delete_webhook(self, tenant_id: str, webhook_id: str) -> None:
        """Erase an endpoint and its deliveries. Raises `WebhookNotFound`."""

    def deliveries(self, tenant_id: str, webhook_id: str, *, before: str | None, limit: int) -> Page[WebhookDelivery]:
        """What was and will be sent to an endpoint, newest first. Raises `WebhookNotFound`."""

    def add_test(self, tenant_id: str, webhook_id: str, test_id: str, at: datetime) -> WebhookDelivery:
        """Record a delivery of a test event. Raises `WebhookNotFound` or `WebhookDisabled`."""

    def redeliver(self, tenant_id: str, webhook_id: str, delivery_id: str) -> WebhookDelivery:
        """Make a delivery due now, with all tries to spend, whatever became of it.

        Raises `WebhookNotFound`, `WebhookDisabled` or `DeliveryNotFound`.
        """

    def due_webhooks(self) -> Sequence[Due]:
        """Enabled endpoints, not paused, with deliveries that are due and that nobody is sending."""

    def claim_delivery(self, webhook_id: str, *, lease_s: float) -> Parcel | None:
        """Take the delivery that is due for longest. Nobody else gets it for `lease_s` on the record's own clock."""

    def settle(self, parcel: Parcel, verdict: Verdict) -> bool:
        """Record how a try ended, of the delivery and of its endpoint, which may be paused or disabled for it.

        Returns False, and changes nothing, when the delivery was claimed again since, or is gone.
        """

    def forget_deliveries(self, *, before: datetime) -> int:
        """Erase deliveries recorded before this; returns how many."""
