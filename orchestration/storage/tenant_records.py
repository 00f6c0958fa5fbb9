"""Tenants in the records in SQL: which transaction each method is."""

from collections.abc import Sequence
from datetime import datetime

from orchestration.storage import records_tenants as tenants_of
from orchestration.storage.engine import Database
from pipeline.tenants import Tenant


class SqlTenants:
    """The part of `SqlRecords` that keeps what was set for tenants."""

    _database: Database

    def tenant(self, tenant_id: str) -> Tenant | None:
        """What was set for a tenant."""
        with self._database.read() as connection:
            return tenants_of.find(connection, tenant_id)

    def tenants(self) -> Sequence[Tenant]:
        """All for which something was set."""
        with self._database.read() as connection:
            return tenants_of.everything(connection)

    def set_tenant(self, tenant: Tenant) -> None:
        """Set what is given."""
        with self._database.write(durable=True) as connection:
            tenants_of.keep(connection, tenant)

    def forget_intake(self, *, before: datetime) -> int:
        """Erase what was submitted on earlier days."""
        with self._database.write() as connection:
            return tenants_of.forget_intake(connection, before)
