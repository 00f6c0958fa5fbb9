"""What the rules need from machinery, as protocols. `pipeline.memory` has a twin of each."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pipeline.answers import AnswerRecords
from pipeline.budgets import BudgetRecords
from pipeline.idempotency import IdempotencyKey
from pipeline.ids import Claim, Hold, StageKey
from pipeline.job import Job, JobError, JobState, Lane, NewJob
from pipeline.pages import Page
from pipeline.queues import QueueRecords
from pipeline.runs import NewRun, RunSummary
from pipeline.shares import ShareRecords
from pipeline.spending import Spending, SpendingRecords, Spent
from pipeline.tenants import UNLIMITED, Allowance, TenantRecords
from pipeline.work import Division, Grant, Refused, Suspect
from stages.contract import CancelToken


@dataclass(frozen=True, slots=True)
class Finished:
    """How an attempt ended, for the record."""

    at: datetime
    duration_s: float
    spending: Spending | None = None
    """On language models; recorded even where the outcome is refused."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """What the owner of several pieces of work learns when it renews them."""

    lost: frozenset[Hold]
    """Held by a later epoch by now, or finished by somebody else."""
    cancelled: frozenset[Hold]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many jobs of all tenants there are of the kinds that somebody watches."""

    unfinished: Mapping[JobState, int]
    dead_letters: Mapping[tuple[str, str], int]
    """By the code and the stage of the error."""
    spent: Mapping[str, Spent]
    """On language models since the beginning, by model."""


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs of a tenant are meant: those for which all that is given holds."""

    states: tuple[JobState, ...] = ()
    """Any of these; empty for all."""
    stage: str | None = None
    """That it is at, or failed at."""
    code: str | None = None
    """Of the error."""
    pipeline: str | None = None
    lane: Lane | None = None
    """That it was submitted with."""
    tags: tuple[str, ...] = ()
    """All of these."""
    host: str | None = None
    """Of its URL, as `host_of` has it."""
    url: str | None = None
    """That its URL begins with, both in their `searched_form`."""
    created_after: datetime | None = None
    """This moment included."""
    created_before: datetime | None = None
    """This moment not included."""
    discarded: bool | None = None
    """A dead letter is a failed job that was not discarded."""
    batch_id: str | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    """How long finished jobs and what they made are kept, each in seconds from the end of the job."""

    results_s: float
    """Jobs that succeeded, with their results."""
    intermediates_s: float
    """What else these jobs made and were given: outputs of stages, submitted content."""
    dead_letters_s: float
    """Jobs that failed or were cancelled, with all they made."""

    def kept_s(self, state: JobState) -> float:
        """How long a job that ended so is kept."""
        return self.results_s if state is JobState.SUCCEEDED else self.dead_letters_s


class Records(QueueRecords, SpendingRecords, ShareRecords, AnswerRecords, BudgetRecords, TenantRecords, Protocol):
    """The truth about jobs. Every write compares before it sets.

    Each method is one transaction, `expire` one for each job. Leases and due times are kept on the record's own
    clock, so that workers need not agree on the time.
    Raises `RecordsUnavailable` when the database does not answer.
    """

    # acceptance

    def accept(self, job: NewJob, key: IdempotencyKey | None = None, allowed: Allowance = UNLIMITED) -> bool:
        """Record a new job: run 1, its first stage ready and counted as launched once, the others waiting.

        Returns whether it is so: the caller publishes. One that is to start later, whose tenant has `AT_ONCE` stages
        in work on the lane, or that has others of its line before it, is held back: all of its stages wait.
        With its key, if it has one: raises what `check_key` raises, and then records nothing. Nor where the tenant
        may not have it as well: raises `QuotaExceeded`.
        """

    def unlaunch(self, key: StageKey) -> None:
        """Say that the message counted as launched was not published; the keeper will launch it at once."""

    def request_cancel(self, tenant_id: str, job_id: str, at: datetime) -> Job:
        """Cancel a job at once; a running stage learns of it on renewal and its result is refused.

        Cancelling a cancelled job changes nothing. Raises `JobNotFound`, or `JobFinished` when it has
        succeeded or failed.
        """

    def open_run(
        self,
        tenant_id: str,
        job_id: str,
        new: NewRun,
        key: IdempotencyKey | None = None,
        allowed: Allowance = UNLIMITED,
    ) -> Job:
        """Run a finished job again. The run before keeps its state, stages, error and result.

        The stages before the one it begins at count as succeeded, with the claims of the run before; that one is
        ready and counted as launched once, and those after it wait; or it is held back, as in `accept`, and waits as
        well. The job is queued again and has nothing of how it ended. Raises `JobNotFound`, what `check_key` raises if
        there is a key, which is recorded with the run, what `first_to_run` raises, and `QuotaExceeded`.
        """

    def discard(self, tenant_id: str, job_id: str, at: datetime) -> Job:
        """Say that a failed job needs no more attention. Discarding it again changes nothing.

        Raises `JobNotFound`, `JobUnfinished`, or `JobFinished` when it did not fail.
        """

    def check_key(self, key: IdempotencyKey, at: datetime) -> None:
        """Raise `AlreadyAnswered`, or `IdempotencyKeyReused`, if the key was used in the 24 hours before `at`."""

    # attempts

    def claim(
        self, key: StageKey, *, owner: str, lease_s: float, at: datetime, message_id: str | None = None
    ) -> Grant | Refused:
        """Take a ready and due stage of a live run: bumps its epoch, starts its lease and an attempt record.

        `message_id` is of the message that asked for it, where the transport tells messages apart.
        """

    def renew(self, holds: Collection[Hold], *, lease_s: float) -> Renewal:
        """Extend the leases of all these holds, in one statement."""

    def complete(self, hold: Hold, claim: Claim, ended: Finished) -> bool:
        """Record a stage's output and make the next stage ready; the last stage finishes run and job.

        Returns False, and changes nothing, when the hold is no longer the latest or the job is over. Only of one that
        was taken from its worker as lost it counts a stale write.
        """

    def split(self, hold: Hold, inputs: Sequence[Claim], at_once: int, ended: Finished) -> Division | None:
        """Have a stage done in parts, one for each of these claims, which it reads.

        The first `at_once` of them are ready and counted as launched, the others wait; the stage holds no lease and
        is ready again when all are done. No attempt is spent. A part that reads what one read that has succeeded,
        in this run or in one that this run retries, takes its result over; when all do, the stage is ready at once.
        None where `complete` returns False.
        """

    def complete_part(self, hold: Hold, claim: Claim, ended: Finished) -> Division | None:
        """Record what came of a part and make the next one ready; after the last one, its stage.

        The stage counts as launched once more: it is next in the chain of the part's message. None where `complete`
        returns False.
        """

    def unlaunch_parts(self, key: StageKey) -> None:
        """Say that parts of the stage that are ready and had no attempt yet may have no message, as in `unlaunch`."""

    def release(
        self, hold: Hold, error: JobError, *, delay_s: float, spends: bool, ended: Finished, parks: bool = True
    ) -> bool:
        """Give a stage back to be tried again after a delay; `spends` says whether an attempt was spent, `parks`
        whether the delay counts as being parked.

        A released stage counts as launched once more: the one who releases publishes. The time that it has been
        postponed counts on, unless the error is one that is waited for. False as in `complete`.
        """

    def fail(self, hold: Hold, error: JobError, *, spends: bool, ended: Finished) -> bool:
        """Fail a stage or a part, and with it stage, run and job. False as in `complete`."""

    def lose_input(self, hold: Hold, error: JobError, *, claim_key: str, ended: Finished) -> bool:
        """Say that an output which this stage reads is missing or corrupt; `claim_key` is the key of its claim.

        The stage that produced it becomes ready and counts as never launched, so that the keeper launches the
        chain from there; this stage waits for it, and no attempt is spent. Stage and job fail with `error` when
        that output was lost once before in this run, or when no stage produced it (submitted content).
        False as in `complete`.

        A stage that misses what came of one of its parts is split until that part has run again. A part that misses
        anything is cancelled with the others that are not done, and its stage is split anew; when what it misses is
        its own input, that counts as an output of its stage.
        """

    # reading

    def job(self, tenant_id: str, job_id: str, run: int | None = None) -> Job | None:
        """A job with the stages of its current run, or as it was in another; None when there is none such."""

    def runs(self, tenant_id: str, job_id: str) -> tuple[RunSummary, ...]:
        """All runs of a job in order; empty when there is no such job."""

    def jobs(self, tenant_id: str, where: JobFilter, *, before: str | None, limit: int) -> Page[Job]:
        """Jobs, newest first, without their stages. `before` is the id of the last job of the page before."""

    def count(self, tenant_id: str, where: JobFilter) -> int:
        """How many jobs are meant."""

    # keeping

    def lapsed(self, *, limit: int) -> Sequence[Suspect]:
        """Running stages whose lease ran out."""

    def reclaim(self, suspect: Suspect, *, at: datetime) -> bool:
        """Make a lapsed stage ready again and count the loss; at the limit it fails with `worker_lost`.

        Returns whether this call made it ready. It then counts as launched once more: the caller publishes.
        """

    def unstarted(self, *, older_than_s: float, except_stages: Collection[str] = (), limit: int) -> Sequence[Suspect]:
        """Ready and due stages with no attempt for this long since their latest launch, doubled per relaunch.

        Those marked by `unlaunch` are due at once, those named in `except_stages` only then.
        """

    def relaunch(self, suspect: Suspect) -> bool:
        """Count one more launch; False when another did so first. The caller publishes."""

    def expire(self, *, at: datetime, limit: int) -> int:
        """Fail unfinished jobs whose deadline has passed with `deadline_exceeded`; returns how many."""

    def resume_interrupted(self, *, at: datetime) -> int:
        """Make every running stage ready to be launched at once, counting no loss; returns how many.

        So too a stage that waits to be tried again, once it is due: its message was in a worker's memory.

        Only for one who knows that no worker is alive: a whole stack that starts again on its own data.
        """

    def take_over(self, key: StageKey, *, message_id: str, at: datetime) -> bool:
        """Take a running stage from a worker that died with this message, without waiting for its lease; counts the
        loss.

        One that was claimed for another message has a worker of its own by now, and is left to it.
        Returns whether the stage is ready now; it then counts as launched once more: the caller has a message for
        it. At `MAX_LOSSES` stage and job fail with `worker_lost`. Changes nothing when it is not running.
        """

    def relaunch_all(self) -> int:
        """Count every ready stage as never launched, so that it is found by `unstarted` as soon as it is due.

        Returns how many changed. For a broker that lost its memory.
        """

    # retention

    def expire_payloads(self, at: datetime, older: Retention, limit: int) -> list[Claim]:
        """Forget what jobs made that succeeded long enough ago, but for the results of their runs.

        Of no more than `limit` jobs, one transaction each, and each once. Returns claims that nothing refers to any
        more: their objects may be deleted. What a crash leaves of them goes with the job.
        """

    def expired_jobs(self, at: datetime, older: Retention, limit: int) -> list[tuple[str, str]]:
        """Tenant and id of finished jobs that need not be kept any more; `purge_expired` erases one of them."""

    def purge_expired(self, job_id: str, at: datetime, older: Retention) -> bool:
        """Erase a job with all its runs if it need not be kept any more now; returns whether it is erased.

        It may have run again, and even ended again, since it was found.
        """

    def tally(self) -> Tally:
        """Count what is worth an alarm."""

    def done_before(self, tenant_id: str, likeness: str, since: datetime) -> Job | None:
        """The newest job that is alike and succeeded in its first run no earlier than `since`; without stages."""

    def endings(self, after: datetime, before: datetime, *, beyond: str | None = None, limit: int) -> Sequence[Job]:
        """Jobs of all tenants that ended in this time, the first one first, both moments included; without stages.

        Of those that ended at the moment `after`, only the ones with ids behind `beyond`, where it is given.
        """

    def purge(self, tenant_id: str, job_id: str) -> Job:
        """Erase a finished job with all its runs; returns what it was.

        The caller then deletes what the payload store holds of it. Raises `JobNotFound` or `JobUnfinished`.
        """

    def known_jobs(self, ids: Collection[str]) -> set[str]:
        """Which of these are ids of jobs of whatever tenant; the others may be anything."""

    def forget_keys(self, at: datetime, limit: int) -> int:
        """Erase idempotency keys that were not used in the 24 hours before `at`, the oldest first; returns how many."""

    # markers: small named values of the installation

    def marker(self, name: str) -> str | None:
        """The value that was set last, or who leads."""

    def set_marker(self, name: str, value: str) -> None:
        """Keep a value under a name of up to 64 characters."""

    def lead(self, name: str, holder: str, *, lease_s: float) -> bool:
        """Whether `holder` has or gets the lease of this name, for `lease_s` from now on the record's own clock."""

    def leader(self, name: str) -> str | None:
        """Who has the lease of this name at this moment; None when nobody has."""

    def check(self) -> None:
        """Raise `RecordsUnavailable` unless the database answers and has the current schema."""


class Payloads(Protocol):
    """Where stages leave their outputs.

    Raises `PayloadsUnavailable` when the store cannot be used, for example because the disk is full.
    """

    def put(self, key: str, data: bytes, media_type: str) -> Claim:
        """Store bytes so that they survive a crash once this returns. The same key may be put again.

        `key` is completed with the hash: `put("t/j/1/fetch.0", …)` gives a claim for `t/j/1/fetch.0-<sha256>`.
        """

    def put_stream(self, key: str, chunks: Iterable[bytes], media_type: str) -> Claim:
        """Store what comes in chunks in the same way, without having all of it in memory."""

    def get(self, claim: Claim) -> bytes:
        """Read and verify; raises `PayloadMissing` or `PayloadCorrupt`."""

    def delete(self, claim: Claim) -> None:
        """Remove an object; it may be gone already."""

    def quarantine(self, claim: Claim) -> None:
        """Put an object that is not what was claimed aside, to be looked into; it may be gone already."""

    def delete_job(self, tenant_id: str, job_id: str) -> None:
        """Remove all objects of a job, those put aside too; there may be none."""

    def jobs(self, older_than_s: float) -> Iterator[tuple[str, str]]:
        """Tenant and id of each job with objects in the store, none of them written this recently."""

    def sweep(self, older_than_s: float) -> int:
        """Remove what interrupted writes left behind this long ago; returns how many."""

    def check(self) -> None:
        """Raise `PayloadsUnavailable` unless an object can be written and read."""


class Leases(Protocol):
    """Keeps the holds of this process alive."""

    @property
    def owner(self) -> str:
        """Name of this process, for the record."""

    @property
    def lease_s(self) -> float:
        """How long a hold lasts without renewal, in seconds."""

    def holding(self, hold: Hold, token: CancelToken) -> AbstractContextManager[None]:
        """Renew a hold while the block runs. Cancels `token` when the job is cancelled or the hold was lost."""
