"""Where webhooks are registered. A secret is handed out once, when it is made."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from orchestration.sealing import Sealer
from orchestration.webhooks.signing import new_secret
from pipeline.events import EventKind
from pipeline.ids import uuid7
from pipeline.webhooks import SECRETS_OVERLAP, Webhook, WebhookDelivery, WebhookRecords
from stages.contract import Clock


@dataclass(frozen=True)
class WebhookDesk:
    """For processes that are asked for webhooks. `sealer` is made when it is first needed."""

    records: WebhookRecords
    sealer: Callable[[], Sealer]
    clock: Clock
    random: Random

    def create(
        self,
        tenant_id: str,
        url: str,
        events: tuple[EventKind, ...],
        *,
        description: str | None = None,
        enabled: bool = True,
        only_named: bool = False,
    ) -> tuple[Webhook, str]:
        """Register an endpoint; returns it with its secret. Raises `NoSecretKey` or `RecordsUnavailable`."""
        now, secret = self.clock.now(), new_secret(self.random)
        its_id, sealed = str(uuid7(now, self.random)), self.sealer().seal(secret)
        webhook = Webhook(its_id, tenant_id, url, events, description, enabled, now, sealed, only_named=only_named)
        self.records.add_webhook(webhook)
        return webhook, secret

    def rotate(self, tenant_id: str, webhook_id: str) -> tuple[Webhook, str]:
        """Give an endpoint another secret, next to which the one before signs for 24 hours.

        Raises `WebhookNotFound`, `NoSecretKey` or `RecordsUnavailable`.
        """
        secret = new_secret(self.random)
        until = self.clock.now() + SECRETS_OVERLAP
        return self.records.rotate_secret(tenant_id, webhook_id, self.sealer().seal(secret), until=until), secret

    def test(self, tenant_id: str, webhook_id: str) -> WebhookDelivery:
        """Have a test event sent. Raises `WebhookNotFound`, `WebhookDisabled` or `RecordsUnavailable`."""
        now = self.clock.now()
        return self.records.add_test(tenant_id, webhook_id, str(uuid7(now, self.random)), now)
