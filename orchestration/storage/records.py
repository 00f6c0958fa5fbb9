"""The records in SQL: which transaction each method is. What happens inside is in the modules beside."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select

from orchestration.storage import records_api_keys as api_keys
from orchestration.storage import records_attempts as attempts
from orchestration.storage import records_inputs as lost_inputs
from orchestration.storage import records_jobs as jobs
from orchestration.storage import records_keeping as keeping
from orchestration.storage import records_keys as keys
from orchestration.storage import records_markers as markers
from orchestration.storage import records_parts as parts
from orchestration.storage import records_reading as reading
from orchestration.storage import records_retention as retention
from orchestration.storage import records_runs as runs
from orchestration.storage import records_shares as shares
from orchestration.storage.batch_records import SqlBatches
from orchestration.storage.budget_records import SqlBudgets
from orchestration.storage.bulk_records import SqlBulk
from orchestration.storage.engine import PATIENCE_S, Database
from orchestration.storage.migrate import current_revision
from orchestration.storage.queue_records import SqlQueues
from orchestration.storage.records_cached_pages import SqlCachedPages
from orchestration.storage.records_schedules import SqlSchedules
from orchestration.storage.records_webhooks import SqlWebhooks
from orchestration.storage.schema import REVISION
from orchestration.storage.spending_records import SqlSpending
from orchestration.storage.tenant_records import SqlTenants
from pipeline.errors import RecordsUnavailable
from pipeline.idempotency import IdempotencyKey
from pipeline.ids import Claim, Hold, StageKey, canonical_uuid
from pipeline.job import Job, JobError, NewJob
from pipeline.keys import ApiKey
from pipeline.pages import Page
from pipeline.ports import Finished, JobFilter, Renewal, Retention, Tally
from pipeline.runs import NewRun, RunSummary
from pipeline.shares import Admitted, Flow, Load
from pipeline.tenants import UNLIMITED, Allowance
from pipeline.work import Division, Grant, Refusal, Refused, Suspect


class SqlRecords(
    SqlBatches, SqlWebhooks, SqlSchedules, SqlSpending, SqlCachedPages, SqlBudgets, SqlQueues, SqlBulk, SqlTenants
):
    """`Records` in SQLite or PostgreSQL.

    `url` is `sqlite:///FILE` or `postgresql://USER@HOST/NAME`; `pool_size` is how many connections are kept open,
    for reading only on SQLite; `patience_s` is how long to wait for the database before it counts as away, in
    seconds. Nothing is opened before the first use, so a worker may be forked until then.
    """

    def __init__(self, url: str, *, pool_size: int = 5, patience_s: float = PATIENCE_S) -> None:
        self._database = Database(url, pool_size=pool_size, patience_s=patience_s)

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    # acceptance

    def accept(self, job: NewJob, key: IdempotencyKey | None = None, allowed: Allowance = UNLIMITED) -> bool:
        """Record a new job, and its key."""
        with self._database.write(durable=True) as connection:
            return jobs.accept(connection, job, key, allowed)

    def unlaunch(self, key: StageKey) -> None:
        """Say that the message counted as launched was not published."""
        with self._database.write() as connection:
            jobs.unlaunch(connection, key)

    def request_cancel(self, tenant_id: str, job_id: str, at: datetime) -> Job:
        """Cancel a job at once."""
        with self._database.write(durable=True) as connection:
            jobs.request_cancel(connection, tenant_id, job_id, at)
            return reading.known_job(connection, tenant_id, job_id)

    def open_run(
        self,
        tenant_id: str,
        job_id: str,
        new: NewRun,
        key: IdempotencyKey | None = None,
        allowed: Allowance = UNLIMITED,
    ) -> Job:
        """Run a finished job again, and record the key of the request."""
        with self._database.write(durable=True) as connection:
            return runs.open_run(connection, tenant_id, job_id, new, key, allowed=allowed)

    def discard(self, tenant_id: str, job_id: str, at: datetime) -> Job:
        """Say that a failed job needs no more attention."""
        with self._database.write(durable=True) as connection:
            jobs.discard(connection, tenant_id, job_id, at)
            return reading.known_job(connection, tenant_id, job_id)

    def check_key(self, key: IdempotencyKey, at: datetime) -> None:
        """Refuse a request whose key was used before."""
        with self._database.read() as connection:
            keys.check(connection, key, at)

    # attempts

    def claim(
        self, key: StageKey, *, owner: str, lease_s: float, at: datetime, message_id: str | None = None
    ) -> Grant | Refused:
        """Take a ready and due stage of a live run."""
        if canonical_uuid(key.job_id) != key.job_id:
            return Refused(Refusal.OVER)
        with self._database.write() as connection:
            return attempts.claim(connection, key, owner=owner, message_id=message_id, lease_s=lease_s, at=at)

    def renew(self, holds: Collection[Hold], *, lease_s: float) -> Renewal:
        """Extend the leases of all these holds, in one statement."""
        if not holds:
            return Renewal(frozenset(), frozenset())
        with self._database.write() as connection:
            return attempts.renew(connection, holds, lease_s)

    def complete(self, hold: Hold, claim: Claim, ended: Finished) -> bool:
        """Record a stage's output and make the next stage ready."""
        with self.ending(hold, ended, durable=self._finishes_job(hold)) as connection:
            return attempts.complete(connection, hold, claim, ended)

    def split(self, hold: Hold, inputs: Sequence[Claim], at_once: int, ended: Finished) -> Division | None:
        """Have a stage done in parts."""
        with self.ending(hold, ended, durable=False) as connection:
            return parts.split(connection, hold, inputs, at_once, ended)

    def complete_part(self, hold: Hold, claim: Claim, ended: Finished) -> Division | None:
        """Record what came of a part and make the next one ready."""
        with self.ending(hold, ended, durable=False) as connection:
            return parts.complete_part(connection, hold, claim, ended)

    def unlaunch_parts(self, key: StageKey) -> None:
        """Say that parts which were not begun may have no message."""
        with self._database.write() as connection:
            parts.unlaunch(connection, key)

    def release(
        self, hold: Hold, error: JobError, *, delay_s: float, spends: bool, ended: Finished, parks: bool = True
    ) -> bool:
        """Give a stage back to be tried again after a delay."""
        with self.ending(hold, ended, durable=False) as connection:
            return attempts.release(connection, hold, error, delay_s=delay_s, spends=spends, parks=parks, end=ended)

    def fail(self, hold: Hold, error: JobError, *, spends: bool, ended: Finished) -> bool:
        """Fail a stage and with it run and job."""
        with self.ending(hold, ended, durable=True) as connection:
            return attempts.fail(connection, hold, error, spends=spends, end=ended)

    def lose_input(self, hold: Hold, error: JobError, *, claim_key: str, ended: Finished) -> bool:
        """Run the stage again whose output is lost, once."""
        with self.ending(hold, ended, durable=True) as connection:
            return lost_inputs.lose_input(connection, hold, error, claim_key, ended)

    def _finishes_job(self, hold: Hold) -> bool:
        """Whether this has to be on the disk before anybody is told; looked up only where it makes a difference."""
        if not self._database.has_cheap_writes:
            return True
        with self._database.read() as connection:
            return attempts.is_last(connection, hold.key)

    # reading

    def job(self, tenant_id: str, job_id: str, run: int | None = None) -> Job | None:
        """A job with the stages of its current run, or as it was in another."""
        with self._database.read() as connection:
            return reading.job(connection, tenant_id, job_id, run)

    def runs(self, tenant_id: str, job_id: str) -> tuple[RunSummary, ...]:
        """All runs of a job in order."""
        with self._database.read() as connection:
            return reading.all_runs(connection, tenant_id, job_id)

    def jobs(self, tenant_id: str, where: JobFilter, *, before: str | None, limit: int) -> Page[Job]:
        """Jobs, newest first, without their stages."""
        with self._database.read() as connection:
            return reading.page(connection, tenant_id, where, before, limit)

    def tally(self) -> Tally:
        """Count what is worth an alarm."""
        with self._database.read() as connection:
            return reading.tally(connection)

    def done_before(self, tenant_id: str, likeness: str, since: datetime) -> Job | None:
        """The newest job that is alike and succeeded in its first run."""
        with self._database.read() as connection:
            return reading.done_before(connection, tenant_id, likeness, since)

    def endings(self, after: datetime, before: datetime, *, beyond: str | None = None, limit: int) -> Sequence[Job]:
        """Jobs of all tenants that ended in this time, the first one first."""
        with self._database.read() as connection:
            return reading.endings(connection, after, before, beyond, limit)

    def count(self, tenant_id: str, where: JobFilter) -> int:
        """How many jobs are meant."""
        with self._database.read() as connection:
            return reading.count(connection, tenant_id, where)

    # keeping

    def lapsed(self, *, limit: int) -> Sequence[Suspect]:
        """Running stages whose lease ran out."""
        with self._database.read() as connection:
            return keeping.lapsed(connection, limit)

    def reclaim(self, suspect: Suspect, *, at: datetime) -> bool:
        """Make a lapsed stage ready again and count the loss."""
        with self._database.write(durable=True) as connection:
            return keeping.reclaim(connection, suspect, at)

    def unstarted(self, *, older_than_s: float, except_stages: Collection[str] = (), limit: int) -> Sequence[Suspect]:
        """Ready and due stages with no attempt for this long since their latest launch."""
        with self._database.read() as connection:
            return keeping.unstarted(connection, older_than_s, except_stages, limit)

    def relaunch(self, suspect: Suspect) -> bool:
        """Count one more launch."""
        with self._database.write() as connection:
            return keeping.relaunch(connection, suspect)

    def expire(self, *, at: datetime, limit: int) -> int:
        """Fail unfinished jobs whose deadline has passed.

        One transaction a job: one that locked many could wait in a circle with a renewal of many.
        """
        with self._database.read() as connection:
            late = keeping.late(connection, at, limit)
        return sum(self._expire(job_id, at) for job_id in late)

    def _expire(self, job_id: str, at: datetime) -> bool:
        with self._database.write(durable=True) as connection:
            return keeping.expire(connection, job_id, at)

    def resume_interrupted(self, *, at: datetime) -> int:
        """Make every running stage ready to be launched at once, counting no loss."""
        with self._database.write(durable=True) as connection:
            return keeping.resume_interrupted(connection, at)

    def take_over(self, key: StageKey, *, message_id: str, at: datetime) -> bool:
        """Take a running stage from a worker that died with this message, and count the loss."""
        with self._database.write(durable=True) as connection:
            return keeping.take_over(connection, key, message_id, at)

    def relaunch_all(self) -> int:
        """Count every ready stage as never launched."""
        with self._database.write() as connection:
            return keeping.relaunch_all(connection)

    # held runs

    def flows(self) -> Sequence[Flow]:
        """The lines in which a held run is due."""
        with self._database.read() as connection:
            return shares.flows(connection)

    def loads(self) -> Sequence[Load]:
        """What is launched and not over."""
        with self._database.read() as connection:
            return shares.loads(connection)

    def admit(self, numbers: Mapping[Flow, int]) -> Sequence[Admitted]:
        """Make the first stages of the next runs that are due ready."""
        with self._database.write() as connection:
            return shares.admit(connection, numbers)

    # retention

    def expire_payloads(self, at: datetime, older: Retention, limit: int) -> list[Claim]:
        """Forget the intermediate outputs of jobs that succeeded long ago."""
        until = at - timedelta(seconds=older.intermediates_s)
        with self._database.read() as connection:
            found = retention.unforgotten(connection, until, limit)
        return [claim for job_id in found for claim in self._forget_outputs(job_id, until, at)]

    def _forget_outputs(self, job_id: str, until: datetime, at: datetime) -> list[Claim]:
        with self._database.write(durable=True) as connection:
            return retention.forget_outputs(connection, job_id, until, at)

    def expired_jobs(self, at: datetime, older: Retention, limit: int) -> list[tuple[str, str]]:
        """Finished jobs that need not be kept any more."""
        with self._database.read() as connection:
            return retention.expired(connection, at, older, limit)

    def purge_expired(self, job_id: str, at: datetime, older: Retention) -> bool:
        """Erase a job if it need not be kept any more."""
        with self._database.write(durable=True) as connection:
            return retention.purge_expired(connection, job_id, at, older)

    def purge(self, tenant_id: str, job_id: str) -> Job:
        """Erase a finished job."""
        with self._database.write(durable=True) as connection:
            return retention.purge(connection, tenant_id, job_id)

    def known_jobs(self, ids: Collection[str]) -> set[str]:
        """Which of these are ids of jobs."""
        with self._database.read() as connection:
            return retention.known(connection, ids)

    def forget_keys(self, at: datetime, limit: int) -> int:
        """Erase old keys."""
        with self._database.write() as connection:
            return keys.forget(connection, at, limit)

    # keys

    def add_key(self, key: ApiKey) -> bool:
        """Record a key."""
        with self._database.write(durable=True) as connection:
            return api_keys.add(connection, key)

    def key(self, prefix: str) -> ApiKey | None:
        """The key with this prefix."""
        with self._database.read() as connection:
            return api_keys.find(connection, prefix)

    def all_keys(self) -> Sequence[ApiKey]:
        """All keys."""
        with self._database.read() as connection:
            return api_keys.everything(connection)

    def revoke_key(self, which: str, at: datetime) -> ApiKey:
        """Make a key invalid for good."""
        with self._database.write(durable=True) as connection:
            return api_keys.revoke(connection, which, at)

    def note_key_use(self, key_id: str, at: datetime) -> None:
        """Say that a key was used."""
        with self._database.write() as connection:
            api_keys.note_use(connection, key_id, at)

    # markers

    def marker(self, name: str) -> str | None:
        """A small named value of the installation."""
        with self._database.read() as connection:
            return markers.marker(connection, name)

    def set_marker(self, name: str, value: str) -> None:
        """Set a small named value."""
        with self._database.write() as connection:
            markers.set_marker(connection, name, value)

    def lead(self, name: str, holder: str, *, lease_s: float) -> bool:
        """Take or keep a named lease."""
        with self._database.write() as connection:
            return markers.lead(connection, name, holder, lease_s)

    def leader(self, name: str) -> str | None:
        """Who has a named lease."""
        with self._database.read() as connection:
            return markers.leader(connection, name)

    def check(self) -> None:
        """Raise `RecordsUnavailable` unless the database answers and has the current schema."""
        with self._database.read() as connection:
            connection.execute(select(1))
            found = current_revision(connection)
        if found != REVISION:
            raise RecordsUnavailable(
                f"the database has schema {found or 'none'}, this version needs {REVISION}: run `penstock migrate`"
            )
