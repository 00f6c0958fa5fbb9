"""Identifiers: jobs, attempts, messages."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Self
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WHOLE = 0
"""The part number of a stage as a whole. Its parts are numbered from 1."""


def uuid7(now: datetime, random: Random) -> UUID:
    """A time-ordered UUID (RFC 9562, section 5.7): 48 bits of milliseconds, 74 random bits.

    >>> from datetime import UTC
    >>> str(uuid7(datetime(2026, 11, 21, tzinfo=UTC), Random(1)))
    '01a1fb67-1800-7226-b63c-5ab791b7584a'
    """
    value = _milliseconds(now) << 80 | 0x7 << 76 | random.getrandbits(12) << 64 | 0b10 << 62 | random.getrandbits(62)
    return UUID(int=value)


def earliest_id(at: datetime) -> str:
    """No id that is made at this moment or later is lower.

    >>> from datetime import UTC
    >>> earliest_id(datetime(2026, 11, 21, tzinfo=UTC))
    '01a1fb67-1800-0000-0000-000000000000'
    """
    return str(UUID(int=_milliseconds(at) << 80))


def latest_id(at: datetime) -> str:
    """No id that is made at this moment or earlier is higher.

    >>> from datetime import UTC
    >>> latest_id(datetime(2026, 11, 21, tzinfo=UTC))
    '01a1fb67-1800-ffff-ffff-ffffffffffff'
    """
    return str(UUID(int=(_milliseconds(at) + 1 << 80) - 1))


def moment_of(uuid: str) -> datetime:
    """When a `uuid7` was made, to the millisecond.

    >>> moment_of("01a1fb67-1800-7226-b63c-5ab791b7584a").isoformat()
    '2026-11-21T00:00:00+00:00'
    """
    return EPOCH + timedelta(milliseconds=UUID(uuid).int >> 80)


def _milliseconds(at: datetime) -> int:
    return max(0, int(at.timestamp() * 1000))


def canonical_uuid(text: str) -> str | None:
    """A UUID in the form it is stored in; None when the text is not one.

    >>> canonical_uuid("01A1FB67-1800-7226-B63C-5AB791B7584A")
    '01a1fb67-1800-7226-b63c-5ab791b7584a'
    >>> canonical_uuid("last week's job") is None
    True
    """
    try:
        canonical = str(UUID(text))
    except ValueError:
        return None
    return canonical if canonical == text.lower() else None


@dataclass(frozen=True, slots=True)
class StageKey:
    """Which piece of work: one stage of one run of one job, or a part of it."""

    job_id: str
    run: int
    stage: str
    part: int = WHOLE

    def task_id(self, launch: int) -> str:
        """The id of the message that starts it.

        >>> StageKey("0198", 1, "fetch").task_id(2)
        '0198:1:fetch:0:2'
        """
        return f"{self}:{launch}"

    def __str__(self) -> str:
        return f"{self.job_id}:{self.run}:{self.stage}:{self.part}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery of a message, as far as the transport tells."""

    message_id: str | None = None
    """Tells the message from all others, also those of the same stage; redelivery keeps it."""
    worker_died: bool = False
    """Whether the worker that had this message before is dead."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The right to finish a piece of work, valid while nobody holds a later epoch."""

    key: StageKey
    epoch: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim check: what is carried in messages and records instead of a payload."""

    key: str
    """`{tenant}/{job}/{run}/{stage}.{part}-{sha256}`; never a path or a URL."""
    sha256: str
    """Of the uncompressed bytes, in hex."""
    size: int
    """Of the uncompressed bytes."""
    media_type: str

    def as_dict(self) -> dict[str, str | int]:
        return {"key": self.key, "sha256": self.sha256, "size": self.size, "media_type": self.media_type}

    @classmethod
    def from_dict(cls, data: dict[str, str | int]) -> Self:
        return cls(str(data["key"]), str(data["sha256"]), int(data["size"]), str(data["media_type"]))
