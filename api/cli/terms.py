"""What is asked of jobs besides their work, by all commands that submit to a service."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import typer

from api.cli.choices import FallbackChoice, RobotsChoice
from api.cli.guard import BAD_USAGE
from api.cli.report import complain
from api.client import JobFields


@dataclass(frozen=True, slots=True)
class Terms:
    """As they were given on the command line."""

    tags: Sequence[str] | None = None
    metadata: Sequence[str] | None = None
    delay_s: float | None = None
    not_before: str | None = None
    expires_at: str | None = None
    max_attempts: int | None = None
    max_age_s: float | None = None
    render: bool = False
    fallback: FallbackChoice | None = None
    robots: RobotsChoice | None = None
    webhook: str | None = None

    def fields(self) -> JobFields:
        """The fields of a job that were given. Ends the program for what is no moment and no pair."""
        fields: JobFields = {}
        if self.tags:
            fields["tags"] = self.tags
        if self.metadata:
            fields["metadata"] = dict(map(_pair, self.metadata))
        if self.delay_s is not None:
            fields["delay_s"] = self.delay_s
        if self.not_before is not None:
            fields["not_before"] = moment_of("--not-before", self.not_before)
        if self.expires_at is not None:
            fields["expires_at"] = moment_of("--expires-at", self.expires_at)
        if self.max_attempts is not None:
            fields["max_attempts"] = self.max_attempts
        if self.webhook is not None:
            fields["webhook"] = self.webhook
        return {**fields, **self.options()}

    def options(self) -> JobFields:
        """Those that are options of the work."""
        fields: JobFields = {}
        if self.max_age_s is not None:
            fields["max_age_s"] = self.max_age_s
        if self.render:
            fields["render"] = True
        if self.fallback is not None:
            fields["fallback"] = self.fallback.value
        if self.robots is not None:
            fields["robots"] = self.robots.value
        return fields


def refuse(reason: str) -> typer.Exit:
    """Say why an option or an input is not valid; to be raised."""
    complain(reason)
    return typer.Exit(BAD_USAGE)


def _pair(text: str) -> tuple[str, str]:
    name, is_pair, value = text.partition("=")
    if not is_pair:
        raise refuse(f"--meta takes NAME=VALUE, not {text}")
    return name, value


def moment_of(option: str, text: str) -> datetime:
    """A moment that was given; without a time zone it is local. Ends the program for what is none."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise refuse(f"{option} takes a moment such as 2026-12-01T08:00 or 2026-12-01T08:00+01:00") from None
