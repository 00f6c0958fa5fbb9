"""What one check came to."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """It works, and may not for long or not as it should."""
    FAILURE = "failure"
    """Jobs do not get done."""
    SKIPPED = "skipped"
    """Not needed here, or it cannot be told."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was checked, what was found, and what to do about it."""

    name: str
    outcome: Outcome
    found: str
    advice: str | None = None


def ok(name: str, found: str) -> Finding:
    """Nothing needs to be done."""
    return Finding(name, Outcome.OK, found)


def warning(name: str, found: str, advice: str) -> Finding:
    """Something should be done."""
    return Finding(name, Outcome.WARNING, found, advice)


def failure(name: str, found: str, advice: str) -> Finding:
    """Something has to be done."""
    return Finding(name, Outcome.FAILURE, found, advice)


def skipped(name: str, found: str, advice: str | None = None) -> Finding:
    """Was not checked, for the reason in `found`."""
    return Finding(name, Outcome.SKIPPED, found, advice)
