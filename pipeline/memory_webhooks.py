"""The webhooks of the records in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pipeline.errors import DeliveryNotFound, WebhookDisabled, WebhookNotFound
from pipeline.events import LAST
from pipeline.ids import canonical_uuid
from pipeline.job import Job
from pipeline.memory_store import MemoryStore
from pipeline.pages import Page, newest
from pipeline.webhook_rules import Health, Verdict, why_disabled
from pipeline.webhooks import (
    SHOWN_TRIES,
    TEST,
    DeliveryState,
    Due,
    Parcel,
    Webhook,
    WebhookChanges,
    WebhookDelivery,
    new_delivery,
)
from stages.contract import Clock


@dataclass
class KeptWebhook:
    """An endpoint, and what only the records look at."""

    webhook: Webhook
    paused_until_s: float = 0.0

    def change(self, **changes: Any) -> Webhook:
        self.webhook = replace(self.webhook, **changes)
        return self.webhook


@dataclass
class KeptDelivery:
    """A delivery, and what only the records look at."""

    delivery: WebhookDelivery
    due_s: float
    lease_until_s: float = 0.0
    epoch: int = 0

    def is_due(self, webhook_id: str, now_s: float) -> bool:
        waits = (self.delivery.webhook_id, self.delivery.state) == (webhook_id, DeliveryState.PENDING)
        return waits and self.due_s <= now_s and self.lease_until_s <= now_s

    def seen(self) -> WebhookDelivery:
        is_over = self.delivery.state is not DeliveryState.PENDING
        return replace(self.delivery, next_try_at=None if is_over else datetime.fromtimestamp(self.due_s, UTC))


class MemoryWebhooks(MemoryStore):
    """Endpoints and their deliveries, by id."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._webhooks: dict[str, KeptWebhook] = {}
        self._deliveries: dict[str, KeptDelivery] = {}

    # endpoints

    def add_webhook(self, webhook: Webhook) -> None:
        """Record an endpoint."""
        with self._lock:
            self._webhooks[webhook.id] = KeptWebhook(webhook)

    def webhook(self, tenant_id: str, webhook_id: str) -> Webhook | None:
        """An endpoint."""
        with self._lock:
            kept = self._webhooks.get(canonical_uuid(webhook_id) or "")
            return kept.webhook if kept is not None and kept.webhook.tenant_id == tenant_id else None

    def webhook_named(self, tenant_id: str, name: str) -> str | None:
        """The id of the endpoint with this id or URL."""
        with self._lock:
            found = [kept.webhook for kept in self._webhooks.values() if kept.webhook.tenant_id == tenant_id]
            named = [each for each in found if each.url == name or each.id == canonical_uuid(name)]
            return max(named, key=lambda each: (each.enabled, each.id)).id if named else None

    def webhooks(self, tenant_id: str, *, before: str | None, limit: int) -> Page[Webhook]:
        """Endpoints, newest first."""
        with self._lock:
            found = [kept.webhook for kept in self._webhooks.values() if kept.webhook.tenant_id == tenant_id]
        return newest(found, before=before, limit=limit)

    def change_webhook(self, tenant_id: str, webhook_id: str, changes: WebhookChanges) -> Webhook:
        """Change an endpoint."""
        given = {name: getattr(changes, name) for name in ("url", "events", "description", "enabled", "only_named")}
        with self._lock:
            kept = self._known(tenant_id, webhook_id)
            kept.change(**{name: value for name, value in given.items() if value is not None})
            if changes.is_fresh_start:
                kept.paused_until_s = 0.0
                kept.change(health=Health())
            if changes.enabled is not None:
                kept.change(disabled_reason=None)
            return kept.webhook

    def rotate_secret(self, tenant_id: str, webhook_id: str, sealed: str, *, until: datetime) -> Webhook:
        """Give an endpoint another secret."""
        with self._lock:
            kept = self._known(tenant_id, webhook_id)
            return kept.change(sealed=sealed, previous_sealed=kept.webhook.sealed, previous_until=until)

    def delete_webhook(self, tenant_id: str, webhook_id: str) -> None:
        """Erase an endpoint and its deliveries."""
        with self._lock:
            known_id = self._known(tenant_id, webhook_id).webhook.id
            del self._webhooks[known_id]
            kept = self._deliveries.items()
            self._deliveries = {key: each for key, each in kept if each.delivery.webhook_id != known_id}

    # deliveries

    def deliveries(self, tenant_id: str, webhook_id: str, *, before: str | None, limit: int) -> Page[WebhookDelivery]:
        """What was and will be sent to an endpoint."""
        with self._lock:
            known_id = self._known(tenant_id, webhook_id).webhook.id
            found = [kept.seen() for kept in self._live() if kept.delivery.webhook_id == known_id]
        return newest(found, before=before, limit=limit)

    def add_test(self, tenant_id: str, webhook_id: str, test_id: str, at: datetime) -> WebhookDelivery:
        """Record a delivery of a test event."""
        with self._lock:
            webhook = self._enabled(tenant_id, webhook_id)
            test = WebhookDelivery(test_id, webhook.id, TEST, None, None, DeliveryState.PENDING, 0, at, at)
            self._deliveries[test_id] = KeptDelivery(test, self._now_s())
            return self._deliveries[test_id].seen()

    def redeliver(self, tenant_id: str, webhook_id: str, delivery_id: str) -> WebhookDelivery:
        """Make a delivery due now."""
        with self._lock:
            webhook = self._enabled(tenant_id, webhook_id)
            known_id = canonical_uuid(delivery_id)
            of_webhook = (kept for kept in self._live() if kept.delivery.webhook_id == webhook.id)
            kept = next((kept for kept in of_webhook if kept.delivery.id == known_id), None)
            if kept is None:
                raise DeliveryNotFound(delivery_id)
            kept.delivery = replace(kept.delivery, state=DeliveryState.PENDING, attempts=0)
            kept.due_s = self._now_s()
            return kept.seen()

    def due_webhooks(self) -> Sequence[Due]:
        """Endpoints with deliveries that are due."""
        with self._lock:
            now_s = self._now_s()
            return [
                Due(webhook_id, kept.webhook.health.failures > 0)
                for webhook_id, kept in self._webhooks.items()
                if kept.webhook.enabled and kept.paused_until_s <= now_s and self._due(webhook_id)
            ]

    def claim_delivery(self, webhook_id: str, *, lease_s: float) -> Parcel | None:
        """Take the delivery that is due for longest."""
        with self._lock:
            kept, due = self._webhooks.get(webhook_id), self._due(webhook_id)
            if kept is None or not kept.webhook.enabled or not due:
                return None
            first = due[0]
            first.epoch += 1
            first.lease_until_s = self._now_s() + lease_s
            return Parcel(kept.webhook, first.seen(), first.epoch)

    def settle(self, parcel: Parcel, verdict: Verdict) -> bool:
        """Record how a try ended."""
        with self._lock:
            kept = next((each for each in self._live() if each.delivery.id == parcel.delivery.id), None)
            if kept is None or kept.epoch != parcel.epoch:
                return False
            self._settle(kept, verdict)
            self._judge(self._webhooks[kept.delivery.webhook_id], verdict)
            return True

    def forget_deliveries(self, *, before: datetime) -> int:
        """Erase old deliveries."""
        with self._lock:
            old = [kept.delivery.id for kept in self._live() if kept.delivery.created_at < before]
            for each in old:
                del self._deliveries[each]
            return len(old)

    def _settle(self, kept: KeptDelivery, verdict: Verdict) -> None:
        over = DeliveryState.DELIVERED if verdict.is_delivered else DeliveryState.FAILED
        kept.delivery = replace(
            kept.delivery,
            state=over if verdict.delay_s is None else DeliveryState.PENDING,
            attempts=kept.delivery.attempts + 1,
            tries=(*kept.delivery.tries, verdict.tried)[-SHOWN_TRIES:],
        )
        kept.due_s = self._now_s() + (verdict.delay_s or 0.0)
        kept.lease_until_s = 0.0

    def _judge(self, kept: KeptWebhook, verdict: Verdict) -> None:
        health = kept.webhook.health.after(verdict)
        kept.change(health=health)
        kept.paused_until_s = self._now_s() + max(health.pause_s, verdict.patience_s)
        if reason := why_disabled(health, verdict):
            kept.change(enabled=False, disabled_reason=reason)

    def _tell(self, job: Job) -> None:
        """Record what the endpoints of its tenant are told of the end of a run, each once."""
        kind, at = LAST[job.state], job.finished_at or job.created_at
        for kept in self._webhooks.values():
            if kept.webhook.tenant_id == job.tenant_id and kept.webhook.wants(kind, job.terms.webhook_id):
                delivery = new_delivery(kept.webhook.id, kind, job.id, job.run, at)
                self._deliveries.setdefault(delivery.id, KeptDelivery(delivery, self._now_s()))

    def _live(self) -> list[KeptDelivery]:
        """Those whose jobs were not erased."""
        return [kept for kept in self._deliveries.values() if kept.delivery.job_id in {None, *self._kept}]

    def _due(self, webhook_id: str) -> list[KeptDelivery]:
        due = (kept for kept in self._live() if kept.is_due(webhook_id, self._now_s()))
        return sorted(due, key=lambda kept: (kept.due_s, kept.delivery.id))

    def _known(self, tenant_id: str, webhook_id: str) -> KeptWebhook:
        found = self.webhook(tenant_id, webhook_id)
        if found is None:
            raise WebhookNotFound(webhook_id)
        return self._webhooks[found.id]

    def _enabled(self, tenant_id: str, webhook_id: str) -> Webhook:
        webhook = self._known(tenant_id, webhook_id).webhook
        if not webhook.enabled:
            raise WebhookDisabled(webhook_id)
        return webhook
