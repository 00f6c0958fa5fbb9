"""Secrets and signatures, as the Standard Webhooks specification has them (symmetric, `v1`)."""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime
from random import Random

PREFIX = "whsec_"
SECRET_BYTES = 32
"""The specification allows 24 to 64."""


def new_secret(random: Random) -> str:
    """A secret to share with a receiver. `random` has to be one that cannot be foretold."""
    return PREFIX + base64.b64encode(random.randbytes(SECRET_BYTES)).decode()


def headers(message_id: str, at: datetime, body: str, secrets: Iterable[str]) -> dict[str, str]:
    """What a receiver verifies the body by, with a signature for each secret."""
    timestamp = str(int(at.timestamp()))
    signed = f"{message_id}.{timestamp}.{body}".encode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
