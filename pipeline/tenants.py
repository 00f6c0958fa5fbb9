"""Tenants: what each may use, and its share of what all use.

Every tenant has the quotas of the settings, unless one was set for it alone. A quota of None is no limit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

MAX_WEIGHT = 1000


@dataclass(frozen=True, slots=True)
class Quotas:
    """What a tenant may use."""

    requests_per_minute: int | None = None
    """Requests to the API, whatever they ask for."""
    jobs_in_flight: int | None = None
    """Jobs that have not ended, held ones included."""
    bytes_per_day: int | None = None
    """Content submitted from midnight to midnight, UTC."""

    @property
    def allowance(self) -> "Allowance":
        """What there is to check when a job is recorded."""
        return Allowance(self.jobs_in_flight, self.bytes_per_day)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the records check when they accept a job, in the same transaction."""

    jobs_in_flight: int | None = None
    bytes_per_day: int | None = None


UNLIMITED = Allowance()


def unlimited(_tenant_id: str) -> Allowance:
    """What every tenant may have where nobody asks."""
    return UNLIMITED


QUOTA_NAMES = tuple(Quotas.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Tenant:
    """What was set for one tenant."""

    id: str
    weight: int = 1
    """Its share of what all use, against that of others."""
    quotas: Mapping[str, int | None] = field(default_factory=dict)
    """Those that differ from the settings, by their names."""
    changed_at: datetime | None = None
    """None for one of which nothing was set."""

    def quotas_over(self, defaults: Quotas) -> Quotas:
        """What it may use, where all others have these.

        >>> Tenant("t", quotas={"jobs_in_flight": None}).quotas_over(Quotas(60, 100))
        Quotas(requests_per_minute=60, jobs_in_flight=None, bytes_per_day=None)
        """
        return replace(defaults, **{name: self.quotas[name] for name in QUOTA_NAMES if name in self.quotas})


class TenantRecords(Protocol):
    """What the records keep of tenants. Each method is one transaction.

    Raises `RecordsUnavailable` when the database does not answer.
    """

    def tenant(self, tenant_id: str) -> Tenant | None:
        """What was set for a tenant; None when nothing was."""

    def tenants(self) -> Sequence[Tenant]:
        """All for which something was set, by name."""

    def set_tenant(self, tenant: Tenant) -> None:
        """Set what is given, in place of all that was set before."""

    def forget_intake(self, *, before: datetime) -> int:
        """Erase what tenants submitted on days that ended by then, in UTC; returns how many such sums."""
