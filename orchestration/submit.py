"""From request to running job: accept, then launch after the commit, or later in turn. Cancel, discard, purge."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import BinaryIO

from celery import Celery

from orchestration.contents import chunks_of, sha256_of
from orchestration.launch import launch_or_leave
from pipeline import events
from pipeline.composition import Catalog, Pipeline
from pipeline.definition import DEFAULT_PIPELINE
from pipeline.errors import AlreadyAnswered, IdempotencyKeyReused, PayloadsUnavailable, QuotaExceeded, UnknownWebhook
from pipeline.events import Announcer
from pipeline.idempotency import IdempotencyKey
from pipeline.ids import Claim, StageKey, uuid7
from pipeline.job import DEFAULT_TENANT, FIRST_RUN, Job, JobSource, Lane, NewJob
from pipeline.likeness import likeness
from pipeline.offer import Offer
from pipeline.parts import payload_key
from pipeline.ports import Payloads, Records
from pipeline.tenants import Allowance, unlimited
from pipeline.terms import JobTerms, Schedule
from stages.contract import Clock, Options

log = logging.getLogger(__name__)

SOURCE_STAGE = "source"
"""Stands in the payload key of submitted content, where a stage's name would."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What a client asks for. Either `url` or `body` is given; `stages` goes before `pipeline`."""

    url: str | None = None
    body: bytes | BinaryIO | None = None
    content_type: str | None = None
    name: str | None = None
    pipeline: str | None = None
    stages: tuple[str, ...] | None = None
    options: Options = field(default_factory=Options)
    lane: Lane = Lane.NORMAL
    tenant_id: str = DEFAULT_TENANT
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    schedule: Schedule = field(default_factory=Schedule)
    max_attempts: int | None = None
    """None for what each stage declares."""
    webhook: str | None = None
    """The id or the URL of a webhook that is to be told of its end."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where jobs are accepted, and let go of."""

    catalog: Catalog
    records: Records
    payloads: Payloads
    app: Celery
    announcer: Announcer
    clock: Clock
    random: Random
    job_deadline_s: float
    offer: Offer = field(default_factory=Offer)
    allowed: Callable[[str], Allowance] = unlimited
    """What a tenant may have; raises `RecordsUnavailable`."""
    find_webhook: Callable[[str, str], str | None] = lambda _tenant_id, _name: None
    """The id of a tenant's webhook by its id or URL; raises `RecordsUnavailable`."""

    def submit(self, submission: Submission, key: IdempotencyKey | None = None) -> NewJob:
        """Accept a job: once this returns it is kept, whatever happens to the broker.

        Raises `Refused` for an unknown or misordered pipeline, options that are not on offer or a schedule that cannot
        be kept, `MachineryFailed`
        when it could not be recorded; if the request's key was used before, `AlreadyAnswered` or
        Raises `Refused` for an unknown or misordered pipeline or a schedule that cannot be kept, `MachineryFailed`
        when it could not be recorded, `QuotaExceeded`; if the request's key was used before, `AlreadyAnswered` or
        `IdempotencyKeyReused`.
        """
        job = self.new(submission)
        self.begin(job, is_held=not self._accept(job, key))
        return job

    def new(self, submission: Submission) -> NewJob:
        """A job of this moment, as it will be recorded. Raises as `prepare`."""
        now = self.clock.now()
        return self.prepare(submission, str(uuid7(now, self.random)), now)

    def begin(self, job: NewJob, *, is_held: bool) -> None:
        """Publish a job that was just recorded, unless it is held back, and tell of it."""
        # Where the broker is away nobody could hear it.
        if is_held or self._is_published(job):
            self.announcer.announce(events.queued(job))

    def done_before(self, submission: Submission, max_age_s: float) -> Job | None:
        """The latest job that has done the same, if it succeeded no longer ago than that. Raises `Refused`.

        The same is: of the same tenant, the same URL or content, stages and options. One that has run again does not
        count, as it may have done so with other options.
        """
        alike = likeness(
            self.pipeline(submission).stage_names,
            submission.options,
            url=submission.url,
            body_sha256=None if submission.body is None else sha256_of(submission.body),
            content_type=submission.content_type,
            name=submission.name,
        )
        since = self.clock.now() - timedelta(seconds=max_age_s)
        return self.records.done_before(submission.tenant_id, alike, since)

    def prepare(self, submission: Submission, job_id: str, now: datetime) -> NewJob:
        """A job as it will be recorded, with its content stored. Raises `Refused` or `PayloadsUnavailable`.

        The id was made of the same moment.
        """
        return self._new_job(submission, self.pipeline(submission), job_id, now)

    def pipeline(self, submission: Submission) -> Pipeline:
        """What a job of this kind runs through. Raises `Refused`, also for options that are not on offer."""
        self.offer.check(submission.options)
        chosen = self._chosen(submission)
        return self.catalog.rendering(chosen) if submission.options.render else chosen

    def _chosen(self, submission: Submission) -> Pipeline:
        if submission.stages is not None:
            return self.catalog.custom(submission.stages)
        return self.catalog.pipeline(submission.pipeline or DEFAULT_PIPELINE)

    def cancel(self, tenant_id: str, job_id: str) -> Job:
        """Cancel a job. Raises `JobNotFound` or `JobFinished`."""
        job = self.records.request_cancel(tenant_id, job_id, self.clock.now())
        self.announcer.announce(events.over(job))
        return job

    def discard(self, tenant_id: str, job_id: str) -> Job:
        """Say that a failed job needs no more attention. Raises `JobNotFound`, `JobUnfinished` or `JobFinished`."""
        return self.records.discard(tenant_id, job_id, self.clock.now())

    def purge(self, tenant_id: str, job_id: str) -> None:
        """Erase a finished job with all that is kept of it. Raises `JobNotFound` or `JobUnfinished`."""
        purge(self.records, self.payloads, tenant_id, job_id)

    def _is_published(self, job: NewJob) -> bool:
        first = StageKey(job.id, FIRST_RUN, job.stages[0])
        return launch_or_leave(self.app, self.records, first, job.stages, job.lane)

    def _accept(self, job: NewJob, key: IdempotencyKey | None) -> bool:
        try:
            return self.records.accept(job, key, self.allowed(job.tenant_id))
        except (AlreadyAnswered, IdempotencyKeyReused, QuotaExceeded):
            # Known only after the content was stored: another request with this key was faster, or it is too much.
            erase_objects(self.payloads, job.tenant_id, job.id)
            raise

    def _new_job(self, submission: Submission, pipeline: Pipeline, job_id: str, now: datetime) -> NewJob:
        terms = JobTerms(
            tags=submission.tags,
            metadata=submission.metadata,
            not_before=submission.schedule.due_at(now),
            max_attempts=submission.max_attempts,
            webhook_id=self.webhook_id(submission),
        )
        deadline_at = submission.schedule.deadline_at(now, self.job_deadline_s)
        return NewJob(
            id=job_id,
            tenant_id=submission.tenant_id,
            pipeline=pipeline.name,
            stages=pipeline.stage_names,
            source=JobSource(
                url=submission.url,
                body=self._keep_body(job_id, submission),
                content_type=submission.content_type,
                name=submission.name,
            ),
            options=submission.options,
            lane=submission.lane,
            created_at=now,
            deadline_at=deadline_at,
            terms=terms,
        )

    def pinned(self, submission: Submission) -> Submission:
        """The same with the id of its webhook, to be kept: URLs are for those to see who may register them.

        Raises `UnknownWebhook` or `RecordsUnavailable`.
        """
        return replace(submission, webhook=self.webhook_id(submission))

    def webhook_id(self, submission: Submission) -> str | None:
        """The webhook that is named, if one is. Raises `UnknownWebhook` or `RecordsUnavailable`."""
        if submission.webhook is None:
            return None
        webhook_id = self.find_webhook(submission.tenant_id, submission.webhook)
        if webhook_id is None:
            raise UnknownWebhook
        return webhook_id

    def _keep_body(self, job_id: str, submission: Submission) -> Claim | None:
        if submission.body is None:
            return None
        key = payload_key(submission.tenant_id, StageKey(job_id, FIRST_RUN, SOURCE_STAGE))
        media_type = submission.content_type or "application/octet-stream"
        if isinstance(submission.body, bytes):
            return self.payloads.put(key, submission.body, media_type)
        return self.payloads.put_stream(key, chunks_of(submission.body), media_type)


def purge(records: Records, payloads: Payloads, tenant_id: str, job_id: str) -> None:
    """Erase a finished job: its record first, so that nothing refers to an object that is gone."""
    job = records.purge(tenant_id, job_id)
    erase_objects(payloads, tenant_id, job.id)


def erase_objects(payloads: Payloads, tenant_id: str, job_id: str) -> None:
    """Delete what is stored of a job without a record; what cannot be deleted now is found by the keeper."""
    try:
        payloads.delete_job(tenant_id, job_id)
    except PayloadsUnavailable as error:
        log.warning("job %s has no record, its objects will be erased later: %s", job_id, error)
