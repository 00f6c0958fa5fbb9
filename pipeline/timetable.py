"""When a schedule fires: at the times of five cron fields in a time zone, or at an interval.

A cron time that a clock change skips comes as much later as the clock was set forward, so after the gap; one that
comes twice counts the first time only.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Self
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
HORIZON_DAYS = 9 * 366
"""February 29 may be eight years away."""
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_VALUE = "[0-9]{1,2}|[a-z]{3}"
_PART = re.compile(rf"(?:\*|(?P<first>{_VALUE})(?P<range>-(?P<last>{_VALUE}))?)(?:/(?P<step>[1-9][0-9]?))?")


@dataclass(frozen=True, slots=True)
class Field:
    """One of the five fields of a cron expression."""

    name: str
    low: int
    high: int
    span: int
    """How many values there are; Sunday is 0 and 7."""
    names: tuple[str, ...] = ()

    def values(self, text: str) -> frozenset[int]:
        """The numbers that are meant. Raises `ValueError`."""
        return frozenset(value for part in text.split(",") for value in self._values(part))

    def _values(self, part: str) -> Iterator[int]:
        found = _PART.fullmatch(part)
        if found is None or (found["step"] and found["first"] and not found["range"]):
            raise ValueError(f'"{part}" is no {self.name}')
        first = self.low if found["first"] is None else self._number(found["first"])
        last = self._last(first, found)
        return (self.low + (value - self.low) % self.span for value in range(first, last + 1, int(found["step"] or 1)))

    def _last(self, first: int, found: re.Match[str]) -> int:
        if found["first"] is None:
            return self.low + self.span - 1
        last = self._number(found["last"]) if found["range"] else first
        return last if last >= first else last + self.span

    def _number(self, text: str) -> int:
        value = self.names.index(text) + self.low if text in self.names else int(text) if text.isdigit() else -1
        if not self.low <= value <= self.high:
            raise ValueError(f'"{text}" is no {self.name}')
        return value


FIELDS = (
    Field("minute", 0, 59, 60),
    Field("hour", 0, 23, 24),
    Field("day of the month", 1, 31, 31),
    Field("month", 1, 12, 12, MONTHS),
    Field("day of the week", 0, 7, 7, WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """The times of a cron expression.

    >>> Cron.of("30 7 * * mon-fri").weekdays == {1, 2, 3, 4, 5}
    True
    """

    times: tuple[time, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    is_either: bool
    """Whether a day of the month or a day of the week is enough, as both are given."""

    @classmethod
    def of(cls, text: str) -> Self:
        """Minute, hour, day of the month, month and day of the week. Raises `ValueError`."""
        given = text.lower().split()
        if len(given) != len(FIELDS):
            raise ValueError("give five fields: minute, hour, day of the month, month, day of the week")
        values = (field.values(each) for field, each in zip(FIELDS, given, strict=True))
        minutes, hours, days, months, weekdays = values
        times = tuple(time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes))
        is_either = not (given[2].startswith("*") or given[4].startswith("*"))
        return cls(times, days, months, weekdays, is_either)

    def has(self, day: date) -> bool:
        """Whether there are times on this day."""
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (of_month or of_week if self.is_either else of_month and of_week)

    def moments(self, day: date, zone: ZoneInfo) -> set[datetime]:
        """The times of a day, in UTC. Those that the clock skips are as much later, maybe on the next day."""
        if not self.has(day):
            return set()
        return {datetime.combine(day, each, zone).astimezone(UTC) for each in self.times}


@dataclass(frozen=True, slots=True)
class Timetable:
    """When a schedule fires. One of `cron` and `interval_s` is given."""

    cron: str | None
    interval_s: int | None
    time_zone: str
    since: datetime
    """When it was asked for: the interval counts from here unless `starts_at` is given."""
    starts_at: datetime | None = None
    """No firing before; the first one of an interval."""
    ends_at: datetime | None = None
    """No firing after."""

    def next_after(self, moment: datetime) -> datetime | None:
        """The first firing after a moment, in UTC; None when there is none."""
        after = self.starts_at - TICK if self.starts_at is not None and self.starts_at > moment else moment
        found = self._next_by_interval(after) if self.cron is None else self._next_by_cron(_cron(self.cron), after)
        return found if found is None or self.ends_at is None or found <= self.ends_at else None

    def latest(self, first: datetime, until: datetime, limit: int) -> list[datetime]:
        """The latest `limit` firings from `first` to `until`, both included, in order."""
        last = until if self.ends_at is None else min(until, self.ends_at)
        if self.cron is None:
            return self._latest_by_interval(first, last, limit)
        return self._latest_by_cron(_cron(self.cron), first, last, limit)

    @property
    def _anchor(self) -> datetime:
        return (self.starts_at or self.since).astimezone(UTC)

    @property
    def _interval(self) -> timedelta:
        return timedelta(seconds=self.interval_s or 0)

    def _next_by_interval(self, after: datetime) -> datetime:
        return self._anchor + ((after - self._anchor) // self._interval + 1) * self._interval

    def _latest_by_interval(self, first: datetime, last: datetime, limit: int) -> list[datetime]:
        passed = (last - self._anchor) // self._interval
        moments = (self._anchor + number * self._interval for number in range(passed - limit + 1, passed + 1))
        return [moment for moment in moments if moment >= first]

    def _next_by_cron(self, cron: Cron, after: datetime) -> datetime | None:
        zone = ZoneInfo(self.time_zone)
        day = after.astimezone(zone).date() - DAY
        for _ in range(HORIZON_DAYS):
            if any(each > after for each in cron.moments(day, zone)):
                # What was skipped at the end of a day may come after the first times of the next.
                both = cron.moments(day, zone) | cron.moments(day + DAY, zone)
                return min(each for each in both if each > after)
            day += DAY
        return None

    def _latest_by_cron(self, cron: Cron, first: datetime, last: datetime, limit: int) -> list[datetime]:
        zone = ZoneInfo(self.time_zone)
        day, until = last.astimezone(zone).date() + DAY, first.astimezone(zone).date() - DAY
        found: set[datetime] = set()
        is_enough = False
        while day >= until and not is_enough:
            # Asked before: of the day before those that are enough some may have come later.
            is_enough = len(found) >= limit
            found |= {each for each in cron.moments(day, zone) if first <= each <= last}
            day -= DAY
        return sorted(found)[-limit:]


@lru_cache(maxsize=256)
def _cron(text: str) -> Cron:
    return Cron.of(text)
