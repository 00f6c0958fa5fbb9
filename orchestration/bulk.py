"""One action on many jobs: looked at before, recorded, and carried out at a pace that leaves room for new work."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from celery import Celery

from orchestration.canvas import FIRST_LAUNCH
from orchestration.launch import launch, leave_to_keeper
from orchestration.runs import Reruns, first_of, is_held
from pipeline import events
from pipeline.bulk import BulkAction, BulkFailure, BulkItem, BulkRecords, BulkVerb, NewBulkAction
from pipeline.errors import BrokerUnavailable, MachineryFailed
from pipeline.ids import uuid7
from pipeline.job import Job, Lane
from pipeline.offer import Offer
from pipeline.ports import JobFilter
from stages.contract import Clock, Options

log = logging.getLogger(__name__)

JOBS_PER_TURN = 20
"""The keeper has a turn a second."""
SAMPLE = 10
LANE = Lane.BULK
"""Of the runs it opens, whatever that of the job: behind all that is new."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What an action would be done to."""

    count: int
    sample: tuple[Job, ...]
    """The newest, without their stages."""


@dataclass(frozen=True, slots=True)
class BulkDesk:
    """Where an action on many jobs is asked for."""

    records: BulkRecords
    clock: Clock
    random: Random
    offer: Offer = field(default_factory=Offer)

    def preview(self, tenant_id: str, jobs: JobFilter | Sequence[str]) -> Preview:
        """Which jobs are meant now; ids of no job are left out."""
        if isinstance(jobs, JobFilter):
            count = self.records.count(tenant_id, jobs)
            return Preview(count, self.records.jobs(tenant_id, jobs, before=None, limit=SAMPLE).items)
        known = [job for job_id in jobs if (job := self.records.job(tenant_id, job_id)) is not None]
        newest_first = sorted(known, key=lambda job: job.id, reverse=True)
        return Preview(len(known), tuple(newest_first[:SAMPLE]))

    def record(
        self,
        tenant_id: str,
        verb: BulkVerb,
        jobs: JobFilter | Sequence[str],
        *,
        from_stage: str | None = None,
        options: Options | None = None,
    ) -> BulkAction:
        """Record an action on the jobs that are meant now; the keeper carries it out.

        Raises `Refused` for options that are not on offer.
        """
        if options is not None:
            self.offer.check(options)
        now = self.clock.now()
        new = NewBulkAction(
            id=str(uuid7(now, self.random)),
            tenant_id=tenant_id,
            verb=verb,
            jobs=jobs,
            created_at=now,
            from_stage=from_stage,
            options=options,
        )
        return self.records.record_bulk(new)

    def abort(self, tenant_id: str, action_id: str) -> BulkAction:
        """Stop an action where it is. Raises `BulkActionNotFound`."""
        return self.records.abort_bulk(tenant_id, action_id, self.clock.now())


@dataclass(frozen=True, slots=True)
class BulkWork:
    """Carries out what was recorded."""

    records: BulkRecords
    app: Celery
    clock: Clock
    reruns: Reruns

    def turn(self) -> int:
        """Act on the next `JOBS_PER_TURN` jobs; returns on how many. Raises `MachineryFailed`."""
        items = self.records.bulk_items(limit=JOBS_PER_TURN)
        for item in items:
            job = self._act(item)
            if job is not None:
                self._launch(job)
        return len(items)

    def _act(self, item: BulkItem) -> Job | None:
        try:
            return self.records.act(item, self.reruns.new_run(item.from_stage, item.options, LANE))
        except MachineryFailed:
            raise
        except Exception as error:
            # One job that meets a defect must not stand in the way of all others for ever.
            log.exception("bulk action %s met a defect at job %s", item.action_id, item.job_id)
            failure = BulkFailure(item.job_id, "internal_error", f"{type(error).__name__}: see the keeper's log")
            self.records.give_up(item, failure, at=self.clock.now())
            return None

    def _launch(self, job: Job) -> None:
        if not is_held(job):
            self._publish(job)
        self.reruns.announcer.announce(events.queued(job))

    def _publish(self, job: Job) -> None:
        try:
            launch(self.app, first_of(job), job.stage_names, LANE, number=FIRST_LAUNCH)
        except BrokerUnavailable:
            leave_to_keeper(self.records, first_of(job))
            raise
