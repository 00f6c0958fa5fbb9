"""Keys that clients give to requests, so that sending one again does nothing again.

A key is recorded in one transaction with what its request made. So whoever finds a key finds an answer, and a key
that is not found has made nothing: there is no state in between.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.errors import AlreadyAnswered, IdempotencyKeyReused

KEPT = timedelta(hours=24)
"""An older key counts as absent."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """What a client calls one request, and what is asked in it."""

    tenant_id: str
    name: str
    """1 to 255 visible ASCII characters."""
    fingerprint: str
    """SHA-256 of the request, in hex."""


@dataclass(frozen=True, slots=True)
class UsedKey:
    """What is kept of a key: what was asked with it, and what that made."""

    fingerprint: str
    job_id: str
    run: int
    used_at: datetime

    def refusal(self, key: IdempotencyKey) -> AlreadyAnswered | IdempotencyKeyReused:
        """Why nothing is done for a request that comes with this key again."""
        if key.fingerprint != self.fingerprint:
            return IdempotencyKeyReused(key.name)
        return AlreadyAnswered(self.job_id, self.run)
