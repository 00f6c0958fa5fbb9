"""What probes find out, before anybody judges it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Instead of facts: why there are none. Holds no secret."""

    reason: str


@dataclass(frozen=True, slots=True)
class Server:
    """What a Redis or Valkey server says about itself."""

    version: str
    """Of Redis, or of the Redis that a Valkey server is compatible with."""
    valkey_version: str | None
    appends: bool
    """Whether it keeps an append-only file."""
    snapshots: bool | None
    """Whether it saves its data now and then; None where that is not told."""
    memory_policy: str
    max_memory_bytes: int
    """0 for no limit."""


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """A broker that answers."""

    ahead_s: float
    """How far its clock is ahead of this machine's."""
    server: Server | None
    """None when this user may not ask."""


@dataclass(frozen=True, slots=True)
class Work:
    """Who works, as the records have it."""

    served: frozenset[str]
    """Stages that living workers serve."""
    paused: frozenset[str]
    leader: str | None
    """The keeper that leads."""
    unsent: int
    """Webhooks with deliveries that are due and that nobody is sending."""
    has_budgets: bool = False
    """Whether limits were set for language models, besides those of the settings."""


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """A database that answers."""

    ahead_s: float
    """How far its clock is ahead of this machine's."""
    revision: str | None
    """The migration it is at; None when it has no schema."""
    needed: str
    """The migration that this version needs."""
    work: Work | None
    """None unless it has this schema."""


@dataclass(frozen=True, slots=True)
class PayloadFacts:
    """A payload folder in which a small object was written, read and deleted."""

    root: Path
    free_bytes: int


@dataclass(frozen=True, slots=True)
class LlmFacts:
    """An endpoint that answers."""

    endpoint: str
    model: str
    models: frozenset[str] | None
    """Those on offer; None when it does not list them."""
