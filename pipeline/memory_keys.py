"""The idempotency keys of the records in memory."""

from datetime import datetime

from pipeline.idempotency import KEPT, IdempotencyKey, UsedKey
from pipeline.memory_store import MemoryStore
from stages.contract import Clock


class MemoryKeys(MemoryStore):
    """Keys that were used, by tenant and name."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._keys: dict[tuple[str, str], UsedKey] = {}

    def check_key(self, key: IdempotencyKey, at: datetime) -> None:
        """Refuse a request whose key was used before."""
        with self._lock:
            used = self._keys.get((key.tenant_id, key.name))
            if used is not None and used.used_at > at - KEPT:
                raise used.refusal(key)

    def forget_keys(self, at: datetime, limit: int) -> int:
        """Erase old keys."""
        with self._lock:
            by_age = sorted(self._keys, key=lambda name: self._keys[name].used_at)
            old = [name for name in by_age if self._keys[name].used_at <= at - KEPT][:limit]
            for name in old:
                del self._keys[name]
            return len(old)

    def _use_key(self, key: IdempotencyKey | None, job_id: str, run: int, at: datetime) -> None:
        if key is not None:
            self.check_key(key, at)
            self._keys[key.tenant_id, key.name] = UsedKey(key.fingerprint, job_id, run, at)
