"""Webhooks in SQL: endpoints, and which transaction each method is. What is sent to them is in `records_outbox`."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, insert, or_, select, update

from orchestration.storage import records_outbox as outbox
from orchestration.storage.engine import Database
from orchestration.storage.paging import newest
from orchestration.storage.rows import AnyRow, Values
from orchestration.storage.schema import webhooks
from pipeline.errors import WebhookDisabled, WebhookNotFound
from pipeline.ids import canonical_uuid
from pipeline.pages import Page
from pipeline.webhook_rules import Verdict
from pipeline.webhooks import Due, Parcel, Webhook, WebhookChanges, WebhookDelivery


class SqlWebhooks:
    """The part of `SqlRecords` that is about webhooks."""

    _database: Database

    def add_webhook(self, webhook: Webhook) -> None:
        """Record an endpoint."""
        with self._database.write(durable=True) as connection:
            connection.execute(insert(webhooks), _values(webhook))

    def webhook(self, tenant_id: str, webhook_id: str) -> Webhook | None:
        """An endpoint."""
        with self._database.read() as connection:
            return _read(connection, tenant_id, webhook_id)

    def webhook_named(self, tenant_id: str, name: str) -> str | None:
        """The id of the endpoint with this id or URL."""
        is_meant = or_(webhooks.c.url == name, webhooks.c.id == canonical_uuid(name))
        found = select(webhooks.c.id).where(webhooks.c.tenant_id == tenant_id, is_meant)
        with self._database.read() as connection:
            return connection.scalar(found.order_by(webhooks.c.enabled.desc(), webhooks.c.id.desc()).limit(1))

    def webhooks(self, tenant_id: str, *, before: str | None, limit: int) -> Page[Webhook]:
        """Endpoints, newest first."""
        with self._database.read() as connection:
            of_tenant = select(webhooks).where(webhooks.c.tenant_id == tenant_id)
            return newest(connection, of_tenant, webhooks.c.id, _webhooks_from, before=before, limit=limit)

    def change_webhook(self, tenant_id: str, webhook_id: str, changes: WebhookChanges) -> Webhook:
        """Change an endpoint."""
        with self._database.write(durable=True) as connection:
            return _change(connection, tenant_id, webhook_id, _changed(changes))

    def rotate_secret(self, tenant_id: str, webhook_id: str, sealed: str, *, until: datetime) -> Webhook:
        """Give an endpoint another secret."""
        values: Values = {"sealed": sealed, "previous_sealed": webhooks.c.sealed, "previous_until": until}
        with self._database.write(durable=True) as connection:
            return _change(connection, tenant_id, webhook_id, values)

    def delete_webhook(self, tenant_id: str, webhook_id: str) -> None:
        """Erase an endpoint and its deliveries."""
        with self._database.write(durable=True) as connection:
            known = _required(connection, tenant_id, webhook_id)
            connection.execute(delete(webhooks).where(webhooks.c.id == known.id))

    def deliveries(self, tenant_id: str, webhook_id: str, *, before: str | None, limit: int) -> Page[WebhookDelivery]:
        """What was and will be sent to an endpoint."""
        with self._database.read() as connection:
            known = _required(connection, tenant_id, webhook_id)
            return outbox.page(connection, known.id, before, limit)

    def add_test(self, tenant_id: str, webhook_id: str, test_id: str, at: datetime) -> WebhookDelivery:
        """Record a delivery of a test event."""
        with self._database.write(durable=True) as connection:
            return outbox.add_test(connection, _enabled(connection, tenant_id, webhook_id), test_id, at)

    def redeliver(self, tenant_id: str, webhook_id: str, delivery_id: str) -> WebhookDelivery:
        """Make a delivery due now."""
        with self._database.write(durable=True) as connection:
            return outbox.redeliver(connection, _enabled(connection, tenant_id, webhook_id), delivery_id)

    def due_webhooks(self) -> Sequence[Due]:
        """Endpoints with deliveries that are due."""
        with self._database.read() as connection:
            return outbox.due(connection)

    def claim_delivery(self, webhook_id: str, *, lease_s: float) -> Parcel | None:
        """Take the delivery that is due for longest."""
        with self._database.write() as connection:
            claimed = outbox.claim(connection, webhook_id, lease_s)
            if claimed is None:
                return None
            row = connection.execute(select(webhooks).where(webhooks.c.id == webhook_id)).one()
            return Parcel(_webhook_from(row), *claimed)

    def settle(self, parcel: Parcel, verdict: Verdict) -> bool:
        """Record how a try ended."""
        with self._database.write() as connection:
            return outbox.settle(connection, parcel, verdict)

    def forget_deliveries(self, *, before: datetime) -> int:
        """Erase old deliveries."""
        with self._database.write() as connection:
            return outbox.forget(connection, before)


def _change(connection: Connection, tenant_id: str, webhook_id: str, values: Values) -> Webhook:
    known = _required(connection, tenant_id, webhook_id)
    if values:
        connection.execute(update(webhooks).where(webhooks.c.id == known.id).values(values))
    return _required(connection, tenant_id, known.id)


def _changed(changes: WebhookChanges) -> Values:
    given: Values = {
        "url": changes.url,
        "events": None if changes.events is None else [str(kind) for kind in changes.events],
        "description": changes.description,
        "enabled": changes.enabled,
        "only_named": changes.only_named,
    }
    values = {name: value for name, value in given.items() if value is not None}
    if changes.is_fresh_start:
        values |= {"failures": 0, "failing_since": None, "paused_until": 0.0}
    if changes.enabled is not None:
        values |= {"disabled_reason": None}
    return values


def _read(connection: Connection, tenant_id: str, webhook_id: str) -> Webhook | None:
    this_one = webhooks.c.id == canonical_uuid(webhook_id)
    row = connection.execute(select(webhooks).where(this_one, webhooks.c.tenant_id == tenant_id)).first()
    return None if row is None else _webhook_from(row)


def _required(connection: Connection, tenant_id: str, webhook_id: str) -> Webhook:
    webhook = _read(connection, tenant_id, webhook_id)
    if webhook is None:
        raise WebhookNotFound(webhook_id)
    return webhook


def _enabled(connection: Connection, tenant_id: str, webhook_id: str) -> Webhook:
    """Locked, so that it is not erased before what is recorded for it."""
    known_id = canonical_uuid(webhook_id)
    connection.execute(
        select(webhooks.c.id).where(webhooks.c.id == known_id).with_for_update(read=True, key_share=True)
    )
    webhook = _required(connection, tenant_id, webhook_id)
    if not webhook.enabled:
        raise WebhookDisabled(webhook_id)
    return webhook


def _values(webhook: Webhook) -> Values:
    return {
        "id": webhook.id,
        "tenant_id": webhook.tenant_id,
        "url": webhook.url,
        "events": [str(kind) for kind in webhook.events],
        "description": webhook.description,
        "enabled": webhook.enabled,
        "created_at": webhook.created_at,
        "sealed": webhook.sealed,
        "failures": 0,
        "paused_until": 0.0,
        "only_named": webhook.only_named,
    }


def _webhooks_from(rows: Sequence[AnyRow]) -> list[Webhook]:
    return [_webhook_from(row) for row in rows]


def _webhook_from(row: AnyRow) -> Webhook:
    return Webhook(
        id=row.id,
        tenant_id=row.tenant_id,
        url=row.url,
        events=outbox.events_from(row.events),
        description=row.description,
        enabled=row.enabled,
        created_at=row.created_at,
        sealed=row.sealed,
        previous_sealed=row.previous_sealed,
        previous_until=row.previous_until,
        disabled_reason=row.disabled_reason,
        health=outbox.health_from(row),
        only_named=row.only_named,
    )
