"""The markers of the records in memory."""

from dataclasses import dataclass

from pipeline.memory_store import MemoryStore
from stages.contract import Clock


@dataclass(frozen=True, slots=True)
class _Marker:
    value: str
    until_s: float | None = None


class MemoryMarkers(MemoryStore):
    """Small named values, some of them held for a time."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._markers: dict[str, _Marker] = {}

    def marker(self, name: str) -> str | None:
        """A small named value."""
        with self._lock:
            return self._markers[name].value if name in self._markers else None

    def set_marker(self, name: str, value: str) -> None:
        """Set a small named value."""
        with self._lock:
            self._markers[name] = _Marker(value)

    def lead(self, name: str, holder: str, *, lease_s: float) -> bool:
        """Take or keep a named lease."""
        with self._lock:
            known, now_s = self._markers.get(name, _Marker(holder)), self._now_s()
            is_over = known.until_s is not None and known.until_s < now_s
            if known.value != holder and not is_over:
                return False
            self._markers[name] = _Marker(holder, now_s + lease_s)
            return True

    def leader(self, name: str) -> str | None:
        """Who has a named lease."""
        with self._lock:
            known = self._markers.get(name)
            is_held = known is not None and known.until_s is not None and known.until_s >= self._now_s()
            return known.value if known is not None and is_held else None
