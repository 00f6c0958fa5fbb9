"""Letting go of what need not be kept any more: outputs, jobs, keys, and objects that no job knows of.

The row goes first and the object last, so that no row refers to an object that is gone. What a crash leaves in
between is an object without a row: an orphan, or one that goes with its job.
"""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Protocol

from pipeline.cached_pages import CachedPages
from pipeline.errors import PayloadsUnavailable
from pipeline.ports import Payloads, Retention
from pipeline.schedules import FIRINGS_KEPT, ScheduleRecords
from pipeline.tenants import TenantRecords
from pipeline.webhooks import DELIVERIES_KEPT
from stages.contract import Clock

log = logging.getLogger(__name__)

JOBS_PER_TURN = 20
"""The keeper has a turn a second."""
LOOKED_AT_PER_TURN = 200
KEYS_PER_TURN = 1000
"""More than can be used in a second."""
ROUND_S = 3600.0
"""Between two looks at all that the payload store holds."""
KEPT_SINCE = "retention_since"


class Owners(ScheduleRecords, CachedPages, TenantRecords, Protocol):
    """Records that know who owns the objects of the payload store."""


class Retirement:
    """What the keeper does about retention, a little at a time."""

    def __init__(
        self,
        records: Owners,
        payloads: Payloads,
        clock: Clock,
        older: Retention,
        *,
        orphan_grace_s: float,
        answers_s: float = 0.0,
    ) -> None:
        """An object may be without a row for `orphan_grace_s`: content is stored before its job is recorded."""
        self._records = records
        self._payloads = payloads
        self._clock = clock
        self._older = older
        self._orphan_grace_s = orphan_grace_s
        self._answers_s = answers_s
        self._round_s = min(ROUND_S, orphan_grace_s)
        self._next_round_s = clock.monotonic()
        self._round: Iterator[tuple[str, str]] = iter(())

    def turn(self) -> int:
        """Let go of some of it; returns how many objects, jobs and keys. Raises `RecordsUnavailable`.

        A payload store that is down is only logged: what remains in it is found again.
        """
        now = self._clock.now()
        forgotten = self._records.forget_keys(now, KEYS_PER_TURN)
        try:
            return forgotten + self._forget_outputs(now) + self._forget_jobs(now) + self._go_round(now)
        except PayloadsUnavailable as error:
            log.warning("what is not needed any more is kept for now: %s", error)
            return forgotten

    def _forget_outputs(self, now: datetime) -> int:
        claims = self._records.expire_payloads(now, self._older, JOBS_PER_TURN)
        for claim in claims:
            self._payloads.delete(claim)
        return len(claims)

    def _forget_jobs(self, now: datetime) -> int:
        expired = self._records.expired_jobs(now, self._older, JOBS_PER_TURN)
        return sum(self._forget_job(tenant_id, job_id, now) for tenant_id, job_id in expired)

    def _forget_job(self, tenant_id: str, job_id: str, now: datetime) -> bool:
        if not self._records.purge_expired(job_id, now, self._older):
            return False
        self._payloads.delete_job(tenant_id, job_id)
        return True

    # the round: once an hour, over several turns

    def _go_round(self, now: datetime) -> int:
        if self._clock.monotonic() >= self._next_round_s:
            self._next_round_s = self._clock.monotonic() + self._round_s
            return self._begin_round(now)
        return self._collect_orphans()

    def _begin_round(self, now: datetime) -> int:
        before = now - timedelta(seconds=self._older.results_s)
        forgotten = self._records.forget_bulk(before=before) + self._records.forget_batches(before=before)
        forgotten += self._records.forget_workers()
        forgotten += self._records.forget_answers(before=now - timedelta(seconds=self._answers_s))
        forgotten += self._records.forget_deliveries(before=now - DELIVERIES_KEPT)
        forgotten += self._records.forget_firings(before=now - FIRINGS_KEPT)
        forgotten += self._records.forget_intake(before=now - timedelta(days=1))
        if not self._is_trusted(now):
            return forgotten
        self._round = self._payloads.jobs(older_than_s=self._orphan_grace_s)
        return forgotten + self._payloads.sweep(older_than_s=self._orphan_grace_s)

    def _is_trusted(self, now: datetime) -> bool:
        """Whether this database has been in use for long enough to say that an object belongs to nobody.

        A keeper that is pointed at another database by mistake would empty the payload store.
        """
        since = self._records.marker(KEPT_SINCE)
        if since is None:
            self._records.set_marker(KEPT_SINCE, now.isoformat())
            return False
        return now - datetime.fromisoformat(since) >= timedelta(seconds=self._orphan_grace_s)

    def _collect_orphans(self) -> int:
        found = list(islice(self._round, LOOKED_AT_PER_TURN))
        ids = [job_id for _, job_id in found]
        # The copies of pages are kept in the same way, under ids of their own.
        known = self._records.known_jobs(ids) | self._records.known_pages(ids) if ids else set()
        orphans = [(tenant_id, job_id) for tenant_id, job_id in found if job_id not in known]
        for tenant_id, job_id in orphans:
            log.info("objects of %s belong to no job of the records; deleting them", job_id)
            self._payloads.delete_job(tenant_id, job_id)
        return len(orphans)
