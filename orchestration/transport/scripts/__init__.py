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


def _load(name: str, *preludes: str) -> Script:
    # The line with the flags has to be the first.
    flags, rest = _read(name).split("\n", 1)
    source = "\n".join((flags, *map(_read, preludes), rest))
    # The server names scripts by SHA-1; nothing is secured by it.
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def _read(name: str) -> str:
    return files(__name__).joinpath(f"{name}.lua").read_text(encoding="utf-8")


BEAT = _load("beat")
DELETE = _load("delete")
DEPTH = _load("depth")
FIND = _load("find")
HAND_BACK = _load("hand_back", "lag", "moving")
OLDEST = _load("oldest")
PUBLISH = _load("publish")
PURGE = _load("purge")
RECOVER = _load("recover", "lag", "moving")
TURN = _load("turn", "lag")
