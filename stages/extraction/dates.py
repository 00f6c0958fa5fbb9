"""Dates as pages state them, as ISO 8601."""

import re
from datetime import date, datetime
from email.utils import parsedate_to_datetime

_ISO_START = re.compile(r"\d{4}-\d{2}-\d{2}(?=\D|$)")
_COMPACT = re.compile(r"(\d{4})[/.]?(\d{2})[/.]?(\d{2})$")
_SPACED_ZONE = re.compile(r"\s+(?=[+-]\d{2}:?\d{2}$)")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?P<month>(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*)\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)\d\d)\b"
_WRITTEN = tuple(
    re.compile(rf"\b{form}", re.IGNORECASE)
    for form in (
        rf"{_MONTH}\s+{_DAY},?\s+{_YEAR}",
        rf"{_DAY}\s+{_MONTH},?\s+{_YEAR}",
        r"(?P<year>20\d\d)-(?P<month>\d\d)-(?P<day>\d\d)\b",
    )
)
FIRST_YEAR = 1990
"""Pages are no older; what claims to be is a placeholder such as 1970-01-01."""
MAX_CHARS = 64


def iso_date(stated: str | None) -> str | None:
    """A date or date-time as exactly as it is stated; None when it is no date a page can have.

    >>> iso_date("2026-03-04 05:06:07 +0100"), iso_date("March 4, 2026"), iso_date("Wed, 04 Mar 2026 05:06:07 GMT")
    ('2026-03-04T05:06:07+0100', '2026-03-04', '2026-03-04T05:06:07+00:00')
    >>> iso_date("20260304"), iso_date("0001-01-01T00:00:00"), iso_date("yesterday")
    ('2026-03-04', None, None)
    """
    value = " ".join((stated or "").split())
    if not value or len(value) > MAX_CHARS:
        return None
    found = _as_stated(value) or _compact(value) or _of_mail(value) or _date_alone(value) or written_date(value)
    return found if found and int(found[:4]) >= FIRST_YEAR else None


def written_date(text: str) -> str | None:
    """The first date in a text that names the month in English or is ISO 8601.

    >>> written_date("Updated Feb. 11th, 2026"), written_date("on 4 March 2026 in"), written_date("31 June 2026")
    ('2026-02-11', '2026-03-04', None)
    """
    for form in _WRITTEN:
        if found := form.search(text):
            return _date_of(found["year"], found["month"], found["day"])
    return None


def _date_of(year: str, month: str, day: str) -> str | None:
    number = int(month) if month.isdigit() else _MONTHS.index(month[:3].lower()) + 1
    try:
        return date(int(year), number, int(day)).isoformat()
    except ValueError:
        return None


def _as_stated(value: str) -> str | None:
    found = _SPACED_ZONE.sub("", value).replace(" ", "T", 1)
    if not _ISO_START.match(found):
        return None
    try:
        datetime.fromisoformat(found)
    except ValueError:
        return None
    return found


def _compact(value: str) -> str | None:
    parts = _COMPACT.match(value)
    return _as_stated("-".join(parts.groups())) if parts else None


def _of_mail(value: str) -> str | None:
    try:
        return parsedate_to_datetime(value).isoformat()
    except (ValueError, OverflowError):
        return None


def _date_alone(value: str) -> str | None:
    found = _ISO_START.match(value)
    return _as_stated(found[0]) if found else None
