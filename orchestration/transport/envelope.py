"""A message as kombu has it, and as the fields of a stream's entry.

The body is a field of its own, so that it is neither escaped nor encoded once more.
"""

import json
import math
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from kombu.utils.json import JSONEncoder, loads

from orchestration.transport.errors import NotAMessage
from orchestration.transport.keys import Tag

Payload = dict[str, Any]

DELIVERY_COUNT = "x-delivery-count"
"""The header that says how many deliveries of the message failed; RabbitMQ's quorum queues named it."""
MESSAGE_ID = "x-message-id"
"""The header that tells a message from all others, also those of the same task; redelivery keeps it."""

_encode = JSONEncoder(separators=(",", ":")).encode


class Envelope(NamedTuple):
    """What is stored of a message."""

    task_id: str
    """Empty where it is no Celery task."""
    head: str
    """Everything besides the body, as JSON."""
    body: str | bytes
    delay_ms: int | None
    """Until it is due, or None when it is."""


def seal(payload: Payload, now: datetime) -> Envelope:
    """Prepare a message for storing.

    One with an `eta` waits in Redis, not in a worker's memory; it then reaches the worker without, or the worker
    would compare it with its own clock and hold it back itself.
    """
    headers = payload["headers"]
    due = _due(headers)
    if due is not None:
        headers = {**headers, "eta": None}
    head = {key: value for key, value in payload.items() if key != "body"} | {"headers": headers}
    return Envelope(str(headers.get("id") or ""), _encode(head), payload["body"], _delay_ms(due, now))


def _due(headers: dict[str, Any]) -> datetime | None:
    """The message's `eta`, unless only Celery knows in which time zone it is meant."""
    eta = headers.get("eta")
    due = datetime.fromisoformat(eta) if isinstance(eta, str) else None
    return due if due is not None and due.tzinfo is not None else None


def _delay_ms(due: datetime | None, now: datetime) -> int | None:
    """How long until then by this machine's clock; the server adds it to its own."""
    if due is None or due <= now:
        return None
    return math.ceil((due - now) / timedelta(milliseconds=1))


def _decode(head: bytes) -> Payload:
    # kombu's decoder looks at every object for values of its own; that is slow, and few heads have one.
    decoded: Payload = loads(head) if b'"__type__"' in head else json.loads(head)
    return decoded


def unseal(fields: list[bytes], tag: Tag) -> Payload:
    """Make kombu's message of an entry. Raises `NotAMessage` when it is none: anybody may append to a stream.

    What was delivered before is marked as AMQP does it, and carries the number of its failed deliveries.
    """
    try:
        return _opened(fields, tag)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise NotAMessage(f"entry {tag}: {type(error).__name__}") from error


def _opened(fields: list[bytes], tag: Tag) -> Payload:
    entry = dict(zip(fields[::2], fields[1::2], strict=True))
    payload = _decode(entry[b"h"])
    payload["body"] = entry[b"b"]
    headers, properties = payload["headers"], payload["properties"]
    # Its publisher numbered it; from here on the tag says where the entry is.
    headers[MESSAGE_ID] = properties["delivery_tag"]
    properties["delivery_tag"] = str(tag)
    # Celery copies the headers of a task to its retries, which are new messages.
    for mark in ("redelivered", DELIVERY_COUNT):
        headers.pop(mark, None)
    if tag.place == 0:
        headers |= {"redelivered": True, DELIVERY_COUNT: int(entry.get(b"n", 0))}
        properties["delivery_info"]["redelivered"] = True
    return payload
