"""Tenants in the records in memory."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime

from pipeline.errors import TooManyBytes, TooManyJobs
from pipeline.job import NewJob
from pipeline.memory_store import MemoryStore
from pipeline.tenants import Allowance, Tenant
from stages.contract import Clock


class MemoryTenants(MemoryStore):
    """What was set for tenants, and what they have used."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._tenants: dict[str, Tenant] = {}
        self._bytes: Counter[tuple[str, date]] = Counter()

    def tenant(self, tenant_id: str) -> Tenant | None:
        """What was set for a tenant."""
        with self._lock:
            return self._tenants.get(tenant_id)

    def tenants(self) -> Sequence[Tenant]:
        """All for which something was set."""
        with self._lock:
            return [tenant for _, tenant in sorted(self._tenants.items())]

    def set_tenant(self, tenant: Tenant) -> None:
        """Set what is given, in place of all that was set before."""
        with self._lock:
            self._tenants[tenant.id] = tenant

    def forget_intake(self, *, before: datetime) -> int:
        """Erase what was submitted on earlier days."""
        with self._lock:
            old = [key for key in self._bytes if key[1] < _day(before)]
            for key in old:
                del self._bytes[key]
            return len(old)

    def _require_room(self, tenant_id: str, allowed: Allowance) -> None:
        most = allowed.jobs_in_flight
        if most is not None and self._unended_jobs(tenant_id) >= most:
            raise TooManyJobs(most)

    def _take_in(self, new: NewJob, allowed: Allowance) -> None:
        most = allowed.bytes_per_day
        if most is None or new.content_bytes == 0:
            return
        if self._bytes_today(new.tenant_id, new.created_at) + new.content_bytes > most:
            raise TooManyBytes(most, new.created_at)
        self._bytes[new.tenant_id, _day(new.created_at)] += new.content_bytes

    def _unended_jobs(self, tenant_id: str) -> int:
        return sum(kept.job.tenant_id == tenant_id for kept in self._unfinished())

    def _bytes_today(self, tenant_id: str, at: datetime) -> int:
        return self._bytes[tenant_id, _day(at)]


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()
