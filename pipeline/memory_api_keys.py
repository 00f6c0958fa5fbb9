"""API keys in the records in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pipeline.errors import KeyNotFound
from pipeline.keys import ApiKey
from pipeline.memory_store import MemoryStore
from stages.contract import Clock


class MemoryApiKeys(MemoryStore):
    """Recording, finding and revoking keys."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._api_keys: dict[str, ApiKey] = {}
        """By prefix."""

    def add_key(self, key: ApiKey) -> bool:
        """Record a key."""
        with self._lock:
            return self._api_keys.setdefault(key.prefix, key) is key

    def key(self, prefix: str) -> ApiKey | None:
        """The key with this prefix."""
        with self._lock:
            return self._api_keys.get(prefix)

    def all_keys(self) -> Sequence[ApiKey]:
        """All keys."""
        with self._lock:
            return sorted(self._api_keys.values(), key=lambda key: key.id)

    def revoke_key(self, which: str, at: datetime) -> ApiKey:
        """Make a key invalid for good."""
        with self._lock:
            key = next((key for key in self._api_keys.values() if which in (key.id, key.prefix)), None)
            if key is None:
                raise KeyNotFound(which)
            self._api_keys[key.prefix] = replace(key, revoked_at=key.revoked_at or at)
            return self._api_keys[key.prefix]

    def note_key_use(self, key_id: str, at: datetime) -> None:
        """Say that a key was used."""
        with self._lock:
            news = [key for key in self._api_keys.values() if key.id == key_id and key.is_use_news(at)]
            self._api_keys.update({key.prefix: replace(key, last_used_at=at) for key in news})
