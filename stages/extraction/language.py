"""The language of a text: as the page states it, or detected offline."""

import re

import py3langid

MIN_CHARS = 20
"""Shorter texts are not guessed at."""
SAMPLE_CHARS = 4_000
_TAG = re.compile(r"^\s*([a-z]{2})(?:[-_]|\s*(?:,|$))", re.IGNORECASE)


def language_of(stated: str | None, text: str) -> str | None:
    """The primary language subtag (RFC 5646) where it has two letters; None when neither stated nor recognisable.

    Longer subtags are mostly placeholders such as `und`: the text is asked instead.

    >>> language_of("en-GB", ""), language_of(None, "Der Fluss führt im Frühjahr deutlich mehr Wasser als sonst.")
    ('en', 'de')
    """
    if found := stated_language_of(stated):
        return found
    sample = text[:SAMPLE_CHARS].strip()
    if len(sample) < MIN_CHARS:
        return None
    return str(py3langid.classify(sample)[0])


def stated_language_of(stated: str | None) -> str | None:
    """The language that a page states, where it can be read."""
    found = _TAG.match(stated or "")
    return found[1].lower() if found else None
