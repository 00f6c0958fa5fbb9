"""Sending one delivery once: compose, sign, post, judge."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Protocol

from orchestration.outbound.post import TIMEOUT_S, Answer
from orchestration.sealing import Sealer
from orchestration.webhooks.signing import headers
from pipeline.job import Job
from pipeline.webhook_rules import MAX_PATIENCE_S, Try, Verdict, code_of, judge
from pipeline.webhooks import Parcel, WebhookRecords, document
from stages.contract import Clock, Scope, StageError
from stages.web import retry_after_s

GIVEN_UP_AFTER_S = TIMEOUT_S + 2
"""From the beginning of a try, the look at the records included: nobody else may have claimed it by then."""
UNREADABLE = "secret_unreadable"
"""The secret was encrypted by another key than the one of now; a new one has to be made."""


class Post(Protocol):
    """What a delivery is sent by."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str], scope: Scope) -> Answer:
        """Post JSON once. Raises `StageError`."""


@dataclass(frozen=True)
class Sender:
    """Sends what was claimed and records how it went."""

    records: WebhookRecords
    post: Post
    sealer: Sealer
    clock: Clock
    random: Random

    def send(self, parcel: Parcel) -> Verdict | None:
        """Send a delivery and settle it; None when its job is gone. Raises `RecordsUnavailable`.

        Whoever dies in between has it sent again, with the same id.
        """
        scope = Scope(self.clock, self.clock.monotonic() + GIVEN_UP_AFTER_S)
        job = self._job(parcel)
        if job is None and parcel.delivery.job_id is not None:
            return None
        body = json.dumps(document(parcel.delivery, job), separators=(",", ":"))
        verdict = self._try(parcel, body, scope)
        self.records.settle(parcel, verdict)
        return verdict

    def _job(self, parcel: Parcel) -> Job | None:
        delivery = parcel.delivery
        if delivery.job_id is None:
            return None
        return self.records.job(parcel.webhook.tenant_id, delivery.job_id, delivery.run)

    def _try(self, parcel: Parcel, body: str, scope: Scope) -> Verdict:
        at, began = self.clock.now(), self.clock.monotonic()
        status, code, patience_s = self._ask(parcel, body, scope)
        tried = Try(at, round(self.clock.monotonic() - began, 3), status, code)
        return judge(tried, parcel.delivery.attempts, patience_s, self.random)

    def _ask(self, parcel: Parcel, body: str, scope: Scope) -> tuple[int | None, str | None, float | None]:
        """Status, why it does not count as delivered, and the wait that was asked for."""
        now, webhook = self.clock.now(), parcel.webhook
        unsealed = (self.sealer.unseal(sealed) for sealed in webhook.sealed_at(now))
        secrets = [secret for secret in unsealed if secret is not None]
        if not secrets:
            return None, UNREADABLE, None
        try:
            signed = headers(parcel.delivery.id, now, body, secrets)
            answer = self.post.post(webhook.url, body.encode(), signed, scope)
        except StageError as error:
            return None, error.code, None
        patience_s = retry_after_s(answer.headers, now, at_most_s=MAX_PATIENCE_S)
        return answer.status, code_of(answer.status), patience_s
