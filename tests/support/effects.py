"""Reading what the tasks of a fleet did: see `tests.support.fleet_app.Effects`, which writes it."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Effect:
    """Something that happened in a worker. `at` is in seconds of the machine's monotonic clock."""

    at: float
    event: str
    token: str
    task_id: str
    pid: int
    main_pid: int


class EffectsLog:
    """All that happened so far, in order. Reads on from where it was."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._position = 0
        self._effects: list[Effect] = []

    def all(self) -> list[Effect]:
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._position)
                lines, newline, _ = file.read().rpartition(b"\n")
            self._position += len(lines) + len(newline)
            self._effects += [Effect(**json.loads(line)) for line in lines.splitlines()]
        return self._effects

    def of(self, event: str, token: str) -> list[Effect]:
        return [effect for effect in self.all() if (effect.event, effect.token) == (event, token)]

    def starts(self, token: str) -> list[Effect]:
        return self.of("start", token)

    def ends(self, token: str) -> list[Effect]:
        return self.of("end", token)

    def missing(self, tokens: Iterable[str]) -> set[str]:
        """Those of these that did not end yet."""
        return set(tokens) - {effect.token for effect in self.all() if effect.event == "end"}

    def started_again(self) -> dict[str, int]:
        """How often too often something started, by token."""
        counts = Counter(effect.token for effect in self.all() if effect.event == "start")
        return {token: count - 1 for token, count in counts.items() if count > 1}

    def is_ready(self, worker_pid: int) -> bool:
        """Whether this worker has said that it takes tasks."""
        return any(effect.event == "ready" and effect.main_pid == worker_pid for effect in self.all())
