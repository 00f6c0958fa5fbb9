"""Endpoints to put into records."""

from datetime import timedelta
from itertools import count
from random import Random
from typing import Any

from pipeline.ids import uuid7
from pipeline.webhook_rules import Try, Verdict
from pipeline.webhooks import TOLD, Webhook
from tests.support.jobs import TENANT
from tests.support.tools import START

_ages = count()
_random = Random(9)


def new_webhook(**changes: Any) -> Webhook:
    """An enabled endpoint that wants to be told of everything, newer than all before it."""
    created_at = START + timedelta(milliseconds=next(_ages))
    values: dict[str, Any] = {
        "id": str(uuid7(created_at, _random)),
        "tenant_id": TENANT,
        "url": "https://receiver.example/hook",
        "events": TOLD,
        "description": None,
        "enabled": True,
        "created_at": created_at,
        "sealed": "sealed-1",
    }
    return Webhook(**{**values, **changes})


def delivered(at=START) -> Verdict:
    return Verdict(Try(at, 0.5, 200))


def refused(delay_s: float | None = 60.0, at=START, status: int | None = 500, patience_s: float = 0.0) -> Verdict:
    return Verdict(Try(at, 0.5, status, "gone" if status == 410 else "not_accepted"), delay_s, patience_s)
