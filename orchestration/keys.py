"""API keys: made, revoked, and recognised at the door."""

import logging
from base64 import urlsafe_b64encode
from dataclasses import dataclass, replace
from datetime import timedelta
from random import SystemRandom

from pydantic import SecretStr

from pipeline.errors import MachineryFailed
from pipeline.ids import uuid7
from pipeline.keys import (
    MARK,
    PREFIX_BYTES,
    SECRET_BYTES,
    ApiKey,
    KeyRecords,
    KeyScope,
    KeyState,
    digest_of,
    is_key,
    prefix_of,
)
from stages.contract import Clock

log = logging.getLogger(__name__)

KNOWN_FOR_S = 5.0
"""How long a process relies on what it read of a key; so long may a revoked one go on working."""


@dataclass(frozen=True, slots=True)
class KeyDesk:
    """Where keys are made and revoked."""

    records: KeyRecords
    clock: Clock
    random: SystemRandom

    def create(
        self, tenant_id: str, name: str, scopes: frozenset[KeyScope], lifetime: timedelta | None
    ) -> tuple[ApiKey, SecretStr]:
        """Record a new key, valid from now on for `lifetime`, or for ever.

        The text of it is returned here and can never be had again.
        """
        while True:
            prefix, text = self._drawn()
            now = self.clock.now()
            key = ApiKey(
                id=str(uuid7(now, self.random)),
                tenant_id=tenant_id,
                name=name,
                prefix=prefix,
                digest=digest_of(text.get_secret_value()),
                scopes=scopes,
                created_at=now,
                expires_at=None if lifetime is None else now + lifetime,
            )
            if self.records.add_key(key):
                return key, text

    def revoke(self, which: str) -> ApiKey:
        """Make a key, named by its id or its prefix, invalid for good. Raises `KeyNotFound`."""
        # Also by the whole key, of which then nothing but the prefix is told.
        return self.records.revoke_key(prefix_of(which) or which.removeprefix(MARK), self.clock.now())

    def has_valid(self) -> bool:
        """Whether there is any key that opens something now."""
        now = self.clock.now()
        return any(key.state(now) is KeyState.VALID for key in self.records.all_keys())

    def _drawn(self) -> tuple[str, SecretStr]:
        prefix = self.random.randbytes(PREFIX_BYTES).hex()
        secret = urlsafe_b64encode(self.random.randbytes(SECRET_BYTES)).rstrip(b"=").decode()
        return prefix, SecretStr(f"{MARK}{prefix}_{secret}")


@dataclass(frozen=True, slots=True)
class _Known:
    key: ApiKey
    read_at_s: float


class KeyRing:
    """The keys that this process has seen lately, so that a busy one need not read the records for each request."""

    def __init__(self, records: KeyRecords, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._known: dict[str, _Known] = {}
        """By prefix. Only keys that are recorded, so strangers cannot make it grow."""

    def must_read(self, text: str) -> bool:
        """Whether `read` has to be called before `valid` can judge this."""
        prefix = prefix_of(text)
        known = None if prefix is None else self._known.get(prefix)
        is_recent = known is not None and self._clock.monotonic() - known.read_at_s < KNOWN_FOR_S
        return prefix is not None and not is_recent

    def read(self, text: str) -> None:
        """Look a key up. Raises `RecordsUnavailable`."""
        prefix = prefix_of(text)
        if prefix is not None:
            self._read(prefix)

    def is_to_look_again(self, key: ApiKey) -> bool:
        """Whether one who was let in with this key some time ago is to call `look_again` now.

        Says so to one of all who ask in `KNOWN_FOR_S`.
        """
        known, now_s = self._known.get(key.prefix), self._clock.monotonic()
        if known is not None and now_s - known.read_at_s < KNOWN_FOR_S:
            return False
        self._known[key.prefix] = _Known(key if known is None else known.key, now_s)
        return True

    def look_again(self, key: ApiKey) -> None:
        """Look up a key that was valid. Raises `RecordsUnavailable`."""
        self._read(key.prefix)

    def has_ended(self, key: ApiKey) -> bool:
        """Whether a key that was valid is so no more."""
        known = self._known.get(key.prefix)
        return known is None or known.key.id != key.id or known.key.state(self._clock.now()) is not KeyState.VALID

    def _read(self, prefix: str) -> None:
        # Before the records are read: it counts from the oldest moment that the answer can be from.
        read_at_s = self._clock.monotonic()
        key = self._records.key(prefix)
        if key is None:
            self._known.pop(prefix, None)
        else:
            self._known[prefix] = _Known(key, read_at_s)

    def valid(self, text: str) -> ApiKey | None:
        """The key that this is, if it is valid now."""
        known = self._known.get(prefix_of(text) or "")
        key = None if known is None else known.key
        if not is_key(text, key) or key is None:
            return None
        return key if key.state(self._clock.now()) is KeyState.VALID else None

    def must_note(self, key: ApiKey) -> bool:
        """Whether `note_use` has something to do."""
        known = self._known.get(key.prefix)
        return known is not None and known.key.is_use_news(self._clock.now())

    def note_use(self, key: ApiKey) -> None:
        """Record that a key is used; not to know it exactly is no reason to fail."""
        now = self._clock.now()
        known = self._known.get(key.prefix)
        if known is not None:
            self._known[key.prefix] = replace(known, key=replace(known.key, last_used_at=now))
        try:
            self._records.note_key_use(key.id, now)
        except MachineryFailed as error:
            log.warning("the use of key %s was not noted: %s", key.prefix, error)
