"""Which answers may be kept, how long they stay fresh, and what a 304 makes of them: HTTP caching, RFC 9111.

hishel judges what may be stored and what a 304 confirms. How fresh a copy is is counted here: hishel 2.0 reads the
system's clock, leaves out the `Age` header, and lets heuristic freshness grow while a copy lies.

A tenant's copies are a private cache: all of its requests are made for one party, without cookies or credentials.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256
from http import HTTPStatus
from urllib.request import parse_http_list
from uuid import UUID

import hishel
import httpx

from pipeline.cached_pages import PageKey, PageWish, StoredPage
from stages.contract import Fetched, Validators
from stages.web import DEFAULT_PORTS

HEURISTIC_SHARE = 0.1
"""Of the time since a page was last modified: how long it is taken to stay so (RFC 9111, section 4.2.2)."""
MAX_HEURISTIC_S = 86_400.0
STORED_STATUSES = {HTTPStatus.OK, HTTPStatus.NON_AUTHORITATIVE_INFORMATION}

_OPTIONS = hishel.CacheOptions(shared=False, supported_methods=["GET"], allow_stale=False)
_NOT_KEPT = {"set-cookie"}
"""Cookies are dropped after each fetch, too."""


def key_of(tenant_id: str, url: str, variant: str) -> PageKey:
    """What a page is kept under: its URL in normal form, and how it is asked for, so that `Vary` is met.

    >>> key_of("t", "HTTP://Example.org:80#top", "a") == key_of("t", "http://example.org/", "a")
    True
    >>> key_of("t", "http://example.org/", "a") == key_of("t", "http://example.org/", "b")
    False
    """
    parts = httpx.URL(url)
    port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    said = (variant, parts.scheme, parts.raw_host.decode(), str(port), parts.raw_path.decode())
    return PageKey(tenant_id, sha256("\n".join(said).encode()).hexdigest())


def kept_headers(answer: Fetched) -> Mapping[str, str] | None:
    """The headers to keep of an answer, or None for one that may not be kept."""
    if answer.status not in STORED_STATUSES or "*" in answer.headers.get("vary", ""):
        return None
    judged = hishel.CacheMiss(options=_OPTIONS, request=_request(answer.url)).next(_response(answer))
    if not isinstance(judged, hishel.StoreAndUse):
        return None
    return {name: value for name, value in judged.response.headers.items() if name not in _NOT_KEPT}


def supersedes(answer: Fetched) -> bool:
    """Whether an answer that is not kept shows that a copy is out of date: a 404 does, a 503 does not."""
    return answer.status < HTTPStatus.INTERNAL_SERVER_ERROR and answer.status != HTTPStatus.TOO_MANY_REQUESTS


def validators_of(page: StoredPage) -> Validators | None:
    """What to ask the host to compare with; None where it gave nothing to compare with."""
    found = {"If-None-Match": page.headers.get("etag"), "If-Modified-Since": page.headers.get("last-modified")}
    headers = {name: value for name, value in found.items() if value}
    return Validators(page.url, headers) if headers else None


def confirmed(page: StoredPage, answer: Fetched, now: datetime) -> StoredPage | None:
    """A copy after a 304; None where the 304 speaks of something else."""
    if answer.url != page.url:
        return None
    request = _request(page.url)
    entry = hishel.Entry(UUID(page.id), request, hishel.Response(page.status, hishel.Headers(dict(page.headers))))
    asked = hishel.NeedRevalidation(
        options=_OPTIONS, request=request, original_request=request, revalidating_entries=[entry]
    )
    state = asked.next(_response(answer))
    if not isinstance(state, hishel.NeedToBeUpdated):
        return None
    updated = state.updating_entries[-1].response.headers.items()
    headers = {name: value for name, value in updated if name not in _NOT_KEPT}
    # Its age starts anew, though the host did not repeat how old it is.
    if "age" not in answer.headers:
        headers.pop("age", None)
    return replace(
        page,
        headers=headers,
        received_at=now,
        redirects=answer.redirects,
        is_moved_for_good=answer.is_moved_for_good,
    )


def will_do(page: StoredPage, wish: PageWish, now: datetime) -> bool:
    """Whether a job takes a copy as it is.

    A job that names an age takes copies that are stale, too, as `max-stale` would (RFC 9111, section 5.2.1.2), unless
    the host forbids it.
    """
    if wish.max_age_s == 0:
        return False
    if wish.since is not None and page.received_at >= wish.since:
        return True
    if wish.max_age_s is None:
        return is_fresh(page, now)
    if (now - page.received_at).total_seconds() > wish.max_age_s:
        return False
    return is_fresh(page, now) or not {"no-cache", "must-revalidate"} & _bare(_directives(page.headers))


def is_fresh(page: StoredPage, now: datetime) -> bool:
    """Whether the host lets a copy be used without asking again."""
    return "no-cache" not in _bare(_directives(page.headers)) and age_s(page, now) < lifetime_s(page)


def age_s(page: StoredPage, now: datetime) -> float:
    """RFC 9111, section 4.2.3, without the delay of the answer."""
    sent_at = _moment(page.headers.get("date"))
    apparent_s = 0.0 if sent_at is None else (page.received_at - sent_at).total_seconds()
    return max(0.0, apparent_s, _seconds(page.headers.get("age")) or 0.0) + (now - page.received_at).total_seconds()


def lifetime_s(page: StoredPage) -> float:
    """RFC 9111, section 4.2.1. None at all where a redirect was not for good: it may lead elsewhere the next time."""
    if not page.is_moved_for_good:
        return 0.0
    directives = _directives(page.headers)
    if "max-age" in directives:
        return _seconds(directives["max-age"]) or 0.0
    sent_at = _moment(page.headers.get("date")) or page.received_at
    if "expires" in page.headers:
        expires_at = _moment(page.headers["expires"])
        return 0.0 if expires_at is None else (expires_at - sent_at).total_seconds()
    changed_at = _moment(page.headers.get("last-modified"))
    unchanged_s = 0.0 if changed_at is None else (sent_at - changed_at).total_seconds()
    return min(max(0.0, unchanged_s * HEURISTIC_SHARE), MAX_HEURISTIC_S)


def _directives(headers: Mapping[str, str]) -> dict[str, str | None]:
    """Of `Cache-Control`, the first of each name.

    >>> _directives({"cache-control": 'Max-Age=60, private="set-cookie, x", no-cache'})
    {'max-age': '60', 'private': 'set-cookie, x', 'no-cache': None}
    """
    found: dict[str, str | None] = {}
    for part in parse_http_list(headers.get("cache-control", "")):
        name, has_value, value = part.partition("=")
        found.setdefault(name.strip().lower(), value.strip().strip('"') if has_value else None)
    return found


def _bare(directives: Mapping[str, str | None]) -> set[str]:
    """Those that are about the whole answer, not about some of its headers."""
    return {name for name, value in directives.items() if value is None}


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else None


def _moment(http_date: str | None) -> datetime | None:
    try:
        at = parsedate_to_datetime(http_date or "")
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _request(url: str) -> hishel.Request:
    return hishel.Request("GET", url)


def _response(answer: Fetched) -> hishel.Response:
    return hishel.Response(answer.status, hishel.Headers(dict(answer.headers)))
