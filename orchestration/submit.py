"""From request to running job: accept, then launch after the commit. Cancel."""

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from celery import Celery

from orchestration.canvas import FIRST_LAUNCH
from orchestration.launch import launch
from pipeline.attempt import payload_key
from pipeline.composition import Catalog, Pipeline
from pipeline.definition import DEFAULT_PIPELINE
from pipeline.errors import BrokerUnavailable, MachineryFailed
from pipeline.ids import Claim, StageKey, uuid7
from pipeline.job import DEFAULT_TENANT, FIRST_RUN, Job, JobSource, Lane, NewJob
from pipeline.ports import Payloads, Records
from stages.contract import Clock, Options

log = logging.getLogger(__name__)

SOURCE_STAGE = "source"
"""Stands in the payload key of submitted content, where a stage's name would."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What a client asks for. Either `url` or `body` is given; `stages` goes before `pipeline`."""

    url: str | None = None
    body: bytes | None = None
    content_type: str | None = None
    name: str | None = None
    pipeline: str | None = None
    stages: tuple[str, ...] | None = None
    options: Options = field(default_factory=Options)
    lane: Lane = Lane.NORMAL
    tenant_id: str = DEFAULT_TENANT


@dataclass(frozen=True, slots=True)
class Desk:
    """Where jobs are accepted and cancelled."""

    catalog: Catalog
    records: Records
    payloads: Payloads
    app: Celery
    clock: Clock
    random: Random
    job_deadline_s: float

    def submit(self, submission: Submission) -> NewJob:
        """Accept a job: once this returns it is kept, whatever happens to the broker.

        Raises `Refused` for an unknown or misordered pipeline, `MachineryFailed` when it could not be recorded.
        """
        pipeline = self._pipeline(submission)
        job = self._new_job(submission, pipeline)
        self.records.accept(job)
        self._launch(job)
        return job

    def cancel(self, tenant_id: str, job_id: str) -> Job:
        """Cancel a job. Raises `JobNotFound` or `JobFinished`."""
        return self.records.request_cancel(tenant_id, job_id, self.clock.now())

    def _pipeline(self, submission: Submission) -> Pipeline:
        if submission.stages is not None:
            return self.catalog.custom(submission.stages)
        return self.catalog.pipeline(submission.pipeline or DEFAULT_PIPELINE)

    def _new_job(self, submission: Submission, pipeline: Pipeline) -> NewJob:
        now = self.clock.now()
        job_id = str(uuid7(now, self.random))
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
            deadline_at=now + timedelta(seconds=self.job_deadline_s),
        )

    def _keep_body(self, job_id: str, submission: Submission) -> Claim | None:
        if submission.body is None:
            return None
        key = payload_key(submission.tenant_id, StageKey(job_id, FIRST_RUN, SOURCE_STAGE))
        return self.payloads.put(key, submission.body, submission.content_type or "application/octet-stream")

    def _launch(self, job: NewJob) -> None:
        first = StageKey(job.id, FIRST_RUN, job.stages[0])
        try:
            launch(self.app, first, job.stages, job.lane, number=FIRST_LAUNCH)
        except BrokerUnavailable as error:
            log.warning("job %s is kept and will be launched later: %s", job.id, error)
            self._leave_to_keeper(first)

    def _leave_to_keeper(self, key: StageKey) -> None:
        try:
            self.records.unlaunch(key)
        except MachineryFailed as error:
            # The job is committed as launched: the keeper finds it a little later, by its age.
            log.warning("%s", error)
