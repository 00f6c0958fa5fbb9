"""The outbox: what is to be sent to webhooks, recorded with what it tells of, claimed and settled one by one.

Locks are taken in one order: a job, then an endpoint, then a delivery.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, exists, insert, or_, select, update

from orchestration.storage.paging import newest
from orchestration.storage.rows import AnyRow, Values
from orchestration.storage.schema import deliveries, jobs, webhooks
from orchestration.storage.types import now_s
from orchestration.storage.upsert import upsert
from pipeline.errors import DeliveryNotFound
from pipeline.events import LAST, EventKind
from pipeline.ids import canonical_uuid
from pipeline.job import JobState
from pipeline.pages import Page
from pipeline.webhook_rules import Health, Try, Verdict, why_disabled
from pipeline.webhooks import (
    SHOWN_TRIES,
    TEST,
    DeliveryState,
    Due,
    Parcel,
    Webhook,
    WebhookDelivery,
    new_delivery,
)

# The lock keeps an endpoint from being erased before its delivery is recorded.
_LISTENERS = (
    select(webhooks.c.id, webhooks.c.tenant_id, webhooks.c.events, webhooks.c.only_named)
    .join_from(jobs, webhooks, jobs.c.tenant_id == webhooks.c.tenant_id)
    .where(jobs.c.id == bindparam("of_job"), webhooks.c.enabled)
    .with_for_update(read=True, key_share=True, of=webhooks)
)
_NAMED = select(jobs.c.id, jobs.c.webhook_id).where(
    jobs.c.id.in_(bindparam("ids", expanding=True)), jobs.c.webhook_id.is_not(None)
)
_IS_DUE = and_(
    # Spelled out, as the index is partial.
    deliveries.c.state == bindparam(None, DeliveryState.PENDING, literal_execute=True),
    deliveries.c.due_at <= now_s(),
    or_(deliveries.c.lease_until.is_(None), deliveries.c.lease_until <= now_s()),
)
_DUE_WEBHOOKS = select(webhooks.c.id, webhooks.c.failures).where(
    webhooks.c.enabled,
    webhooks.c.paused_until <= now_s(),
    exists().where(deliveries.c.webhook_id == webhooks.c.id, _IS_DUE),
)
_NEXT = (
    select(deliveries.c.id)
    .join_from(deliveries, webhooks, deliveries.c.webhook_id == webhooks.c.id)
    .where(webhooks.c.id == bindparam("of_webhook"), webhooks.c.enabled, _IS_DUE)
    .order_by(deliveries.c.due_at, deliveries.c.id)
    .limit(1)
    .with_for_update(skip_locked=True, of=deliveries)
)


# recording


def tell(connection: Connection, job_ids: Sequence[str], run: int, state: JobState, at: datetime) -> None:
    """Record what is to be said of the end of a run, once for each endpoint; of several jobs that end alike, too.

    All are of one tenant.
    """
    kind = LAST[state]
    listeners = connection.execute(_LISTENERS, {"of_job": job_ids[0]}).all()
    if not listeners:
        return
    named = {row.id: row.webhook_id for row in connection.execute(_NAMED, {"ids": list(job_ids)})}
    told = ((row, job_id) for job_id in job_ids for row in listeners if _hears(row, kind, named.get(job_id)))
    values = [_values(new_delivery(row.id, kind, job_id, run, at), row.tenant_id) for row, job_id in told]
    if values:
        once = upsert(connection, deliveries).values(due_at=now_s()).on_conflict_do_nothing()
        connection.execute(once, values)


def _hears(row: AnyRow, kind: EventKind, named: str | None) -> bool:
    """As `Webhook.wants`."""
    return named == row.id or (kind in row.events and not row.only_named)


def add_test(connection: Connection, webhook: Webhook, test_id: str, at: datetime) -> WebhookDelivery:
    test = WebhookDelivery(test_id, webhook.id, TEST, None, None, DeliveryState.PENDING, 0, at, at)
    connection.execute(insert(deliveries).values(due_at=now_s()), [_values(test, webhook.tenant_id)])
    return _known(connection, webhook.id, test_id)


def redeliver(connection: Connection, webhook: Webhook, delivery_id: str) -> WebhookDelivery:
    """A lease stays: what is being sent now is not sent a second time meanwhile."""
    known = _known(connection, webhook.id, delivery_id)
    again = {"state": DeliveryState.PENDING, "attempts": 0, "due_at": now_s()}
    connection.execute(update(deliveries).where(deliveries.c.id == known.id).values(again))
    return _known(connection, webhook.id, known.id)


def _values(new: WebhookDelivery, tenant_id: str) -> Values:
    return {
        "id": new.id,
        "webhook_id": new.webhook_id,
        "tenant_id": tenant_id,
        "event": str(new.event),
        "job_id": new.job_id,
        "run": new.run,
        "state": new.state,
        "epoch": 0,
        "attempts": 0,
        "created_at": new.created_at,
        "tries": [],
    }


# sending


def due(connection: Connection) -> list[Due]:
    return [Due(row.id, row.failures > 0) for row in connection.execute(_DUE_WEBHOOKS)]


def claim(connection: Connection, webhook_id: str, lease_s: float) -> tuple[WebhookDelivery, int] | None:
    found = connection.scalar(_NEXT, {"of_webhook": webhook_id})
    if found is None:
        return None
    held: Values = {"epoch": deliveries.c.epoch + 1, "lease_until": now_s() + lease_s}
    taken = update(deliveries).where(deliveries.c.id == found, _IS_DUE).values(held).returning(deliveries)
    row = connection.execute(taken).first()
    return None if row is None else (_delivery_from(row), row.epoch)


def settle(connection: Connection, parcel: Parcel, verdict: Verdict) -> bool:
    this_one = webhooks.c.id == parcel.webhook.id
    webhook = connection.execute(select(webhooks).where(this_one).with_for_update(key_share=True)).first()
    held = and_(deliveries.c.id == parcel.delivery.id, deliveries.c.epoch == parcel.epoch)
    delivery = connection.execute(select(deliveries).where(held).with_for_update()).first()
    if webhook is None or delivery is None:
        return False
    connection.execute(update(deliveries).where(held).values(_settled(delivery, verdict)))
    if changes := _judged(webhook, verdict):
        connection.execute(update(webhooks).where(this_one).values(changes))
    return True


def _settled(row: AnyRow, verdict: Verdict) -> Values:
    over = DeliveryState.DELIVERED if verdict.is_delivered else DeliveryState.FAILED
    return {
        "state": over if verdict.delay_s is None else DeliveryState.PENDING,
        "attempts": row.attempts + 1,
        "tries": [*row.tries, _try_document(verdict.tried)][-SHOWN_TRIES:],
        "due_at": now_s() + (verdict.delay_s or 0.0),
        "lease_until": None,
    }


def _judged(row: AnyRow, verdict: Verdict) -> Values:
    """What a try changes of its endpoint: nothing while all goes well."""
    before = health_from(row)
    health = before.after(verdict)
    if health == before:
        return {}
    pause_s = max(health.pause_s, verdict.patience_s)
    changes: Values = {"failures": health.failures, "failing_since": health.failing_since}
    reason = why_disabled(health, verdict)
    stopped: Values = {"enabled": False, "disabled_reason": reason} if reason else {}
    return {**changes, "paused_until": now_s() + pause_s, **stopped}


# reading and forgetting


def page(connection: Connection, webhook_id: str, before: str | None, limit: int) -> Page[WebhookDelivery]:
    wanted = select(deliveries).where(deliveries.c.webhook_id == webhook_id)
    return newest(connection, wanted, deliveries.c.id, _deliveries_from, before=before, limit=limit)


def forget(connection: Connection, before: datetime) -> int:
    return connection.execute(delete(deliveries).where(deliveries.c.created_at < before)).rowcount


def _known(connection: Connection, webhook_id: str, delivery_id: str) -> WebhookDelivery:
    this_one = and_(deliveries.c.id == canonical_uuid(delivery_id), deliveries.c.webhook_id == webhook_id)
    row = connection.execute(select(deliveries).where(this_one)).first()
    if row is None:
        raise DeliveryNotFound(delivery_id)
    return _delivery_from(row)


def health_from(row: AnyRow) -> Health:
    return Health(row.failures, row.failing_since)


def _deliveries_from(rows: Sequence[AnyRow]) -> list[WebhookDelivery]:
    return [_delivery_from(row) for row in rows]


def _delivery_from(row: AnyRow) -> WebhookDelivery:
    is_over = row.state is not DeliveryState.PENDING
    return WebhookDelivery(
        id=row.id,
        webhook_id=row.webhook_id,
        event=row.event,
        job_id=row.job_id,
        run=row.run,
        state=row.state,
        attempts=row.attempts,
        created_at=row.created_at,
        next_try_at=None if is_over else datetime.fromtimestamp(row.due_at, UTC),
        tries=_tries_from(row.tries),
    )


def _try_document(tried: Try) -> Mapping[str, Any]:
    at = tried.at.isoformat()
    return {"at": at, "duration_s": tried.duration_s, "status": tried.status, "code": tried.code}


def _tries_from(documents: Sequence[Mapping[str, Any]]) -> tuple[Try, ...]:
    return tuple(
        Try(datetime.fromisoformat(each["at"]), each["duration_s"], each["status"], each["code"]) for each in documents
    )


def events_from(names: Sequence[str]) -> tuple[EventKind, ...]:
    return tuple(EventKind(name) for name in names)
