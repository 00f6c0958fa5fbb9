"""The Lua scripts, which change a queue in one step each. Every script's head says what it takes and returns."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

Argument = str | bytes | int


@dataclass(frozen=True, slots=True)
class Script:
    """One script, called by its hash."""

    source: str
    sha: str

    def command(self, keys: Sequence[str], arguments: Sequence[Argument]) -> tuple[Argument, ...]:
        """The call as a command."""
        return ("EVALSHA", self.sha, len(keys), *keys, *arguments)


def _load(name: str) -> Script:
    source = files(__name__).joinpath(f"{name}.lua").read_text(encoding="utf-8")
    # The server names scripts by SHA-1; nothing is secured by it.
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


BEAT = _load("beat")
DELETE = _load("delete")
DEPTH = _load("depth")
FIND = _load("find")
HAND_BACK = _load("hand_back")
PUBLISH = _load("publish")
PURGE = _load("purge")
RECOVER = _load("recover")
TURN = _load("turn")
