"""The records in SQL: which transaction each method is. What happens inside is in the modules beside."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select

from orchestration.storage import records_attempts as attempts
from orchestration.storage import records_jobs as jobs
from orchestration.storage import records_keeping as keeping
from orchestration.storage import records_reading as reading
from orchestration.storage.engine import Database
from orchestration.storage.migrate import current_revision
from orchestration.storage.schema import REVISION
from pipeline.errors import RecordsUnavailable
from pipeline.ids import Claim, Hold, StageKey, canonical_uuid
from pipeline.job import Grant, Job, JobError, JobState, NewJob, Refusal, Refused, Suspect
from pipeline.ports import Finished, Page, Renewal


class SqlRecords:
    """`Records` in SQLite or PostgreSQL.

    `url` is `sqlite:///FILE` or `postgresql://USER@HOST/NAME`; `pool_size` is how many connections are kept open,
    for reading only on SQLite. Nothing is opened before the first use, so a worker may be forked until then.
    """

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        self._database = Database(url, pool_size=pool_size)

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    # acceptance

    def accept(self, job: NewJob) -> None:
        """Record a new job."""
        with self._database.write(durable=True) as connection:
            jobs.accept(connection, job)

    def unlaunch(self, key: StageKey) -> None:
        """Say that the message counted as launched was not published."""
        with self._database.write() as connection:
            jobs.unlaunch(connection, key)

    def request_cancel(self, tenant_id: str, job_id: str, at: datetime) -> Job:
        """Cancel a job at once."""
        with self._database.write(durable=True) as connection:
            jobs.request_cancel(connection, tenant_id, job_id, at)
            return reading.known_job(connection, tenant_id, job_id)

    # attempts

    def claim(self, key: StageKey, *, owner: str, lease_s: float, at: datetime) -> Grant | Refused:
        """Take a ready and due stage of a live run."""
        if canonical_uuid(key.job_id) != key.job_id:
            return Refused(Refusal.OVER)
        with self._database.write() as connection:
            return attempts.claim(connection, key, owner, lease_s, at)

    def renew(self, holds: Collection[Hold], *, lease_s: float) -> Renewal:
        """Extend the leases of all these holds, in one statement."""
        if not holds:
            return Renewal(frozenset(), frozenset())
        with self._database.write() as connection:
            return attempts.renew(connection, holds, lease_s)

    def complete(self, hold: Hold, claim: Claim, ended: Finished) -> bool:
        """Record a stage's output and make the next stage ready."""
        with self._database.write(durable=self._finishes_job(hold)) as connection:
            return attempts.complete(connection, hold, claim, ended)

    def release(self, hold: Hold, error: JobError, *, delay_s: float, spends: bool, ended: Finished) -> bool:
        """Give a stage back to be tried again after a delay."""
        with self._database.write() as connection:
            return attempts.release(connection, hold, error, delay_s=delay_s, spends=spends, end=ended)

    def fail(self, hold: Hold, error: JobError, *, spends: bool, ended: Finished) -> bool:
        """Fail a stage and with it run and job."""
        with self._database.write(durable=True) as connection:
            return attempts.fail(connection, hold, error, spends=spends, end=ended)

    def _finishes_job(self, hold: Hold) -> bool:
        """Looked up before, as it decides how to begin; only where it makes a difference."""
        if not self._database.has_cheap_writes:
            return True
        with self._database.read() as connection:
            return attempts.is_last(connection, hold.key)

    # reading

    def job(self, tenant_id: str, job_id: str) -> Job | None:
        """A job with the stages of its current run."""
        with self._database.read() as connection:
            return reading.job(connection, tenant_id, job_id)

    def jobs(self, tenant_id: str, *, state: JobState | None, before: str | None, limit: int) -> Page:
        """Jobs, newest first, without their stages."""
        with self._database.read() as connection:
            return reading.page(connection, tenant_id, state, before, limit)

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

    def check(self) -> None:
        """Raise `RecordsUnavailable` unless the database answers and has the current schema."""
        with self._database.read() as connection:
            connection.execute(select(1))
            found = current_revision(connection)
        if found != REVISION:
            raise RecordsUnavailable(
                f"the database has schema {found or 'none'}, this version needs {REVISION}: run `penstock migrate`"
            )
