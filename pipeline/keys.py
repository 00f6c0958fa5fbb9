"""API keys: what one looks like, what it allows, and when it is valid. The key itself is never kept, only its hash.

`psk_<prefix>_<secret>`: eight hex digits by which people and records know the key, and 256 random bits that only its
holder has. As nobody can guess those, a plain SHA-256 protects them as well as a slow hash would.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from typing import Protocol

MARK = "psk_"
PREFIX_BYTES = 4
SECRET_BYTES = 32
USE_NOTED_EVERY = timedelta(minutes=1)
MAX_NAME_CHARS = 64

_KEY = re.compile(r"psk_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")
_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_NO_TENANTS = frozenset({"quarantine"})
"""Folders of the payload store, where each tenant has one, too."""


class KeyScope(StrEnum):
    """What a key allows. None includes another."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"


class KeyState(StrEnum):
    """Whether a key opens anything."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is recorded."""

    id: str
    tenant_id: str
    """Whose jobs it is for."""
    name: str
    prefix: str
    digest: str = field(repr=False)
    """SHA-256 of the whole key, in hex."""
    scopes: frozenset[KeyScope]
    created_at: datetime
    expires_at: datetime | None
    """None for never."""
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    """Up to `USE_NOTED_EVERY` too early."""

    def state(self, at: datetime) -> KeyState:
        """What it is worth at a moment."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        if self.expires_at is not None and self.expires_at <= at:
            return KeyState.EXPIRED
        return KeyState.VALID

    def is_use_news(self, at: datetime) -> bool:
        """Whether its use at a moment is worth noting."""
        return self.last_used_at is None or self.last_used_at <= at - USE_NOTED_EVERY


def prefix_of(text: str) -> str | None:
    """The prefix of a key; None when the text has not the form of one.

    >>> prefix_of("psk_0a1b2c3d_" + "x" * 43)
    '0a1b2c3d'
    >>> prefix_of("psk_0a1b2c3d_short") is None
    True
    """
    found = _KEY.fullmatch(text)
    return found and found[1]


def digest_of(text: str) -> str:
    """What is kept of a key."""
    return sha256(text.encode()).hexdigest()


def is_key(text: str, known: ApiKey | None) -> bool:
    """Whether a text is this key. How long it takes says nothing, not even whether there is a key to compare with."""
    return compare_digest(digest_of(text), known.digest if known else digest_of("")) and known is not None


def is_tenant(text: str) -> bool:
    """Whether a tenant may have this name, which also is a folder's.

    >>> [is_tenant(name) for name in ("default", "team-7", "Team", "../etc", "quarantine", "")]
    [True, True, False, False, False, False]
    """
    return _TENANT.fullmatch(text) is not None and text not in _NO_TENANTS


def is_key_name(text: str) -> bool:
    """Whether a key may have this name: something to read, in one line.

    >>> [is_key_name(name) for name in ("Ada's laptop", " ", "two\\nlines", "x" * 65)]
    [True, False, False, False]
    """
    return bool(text.strip()) and text.isprintable() and len(text) <= MAX_NAME_CHARS


class KeyRecords(Protocol):
    """What the records keep of keys. Each method is one transaction.

    Raises `RecordsUnavailable` when the database does not answer.
    """

    def add_key(self, key: ApiKey) -> bool:
        """Record a key. Returns False, and changes nothing, when there is one with this prefix."""

    def key(self, prefix: str) -> ApiKey | None:
        """The key with this prefix, valid or not; None when there is none."""

    def all_keys(self) -> Sequence[ApiKey]:
        """All keys of all tenants, the oldest first."""

    def revoke_key(self, which: str, at: datetime) -> ApiKey:
        """Make a key, named by its id or its prefix, invalid for good. Revoking it again changes nothing.

        Raises `KeyNotFound`.
        """

    def note_key_use(self, key_id: str, at: datetime) -> None:
        """Say that a key was used. Changes nothing when that is no news, or there is no such key."""
