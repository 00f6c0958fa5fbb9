"""Rules of the web that do no I/O: which URLs are acceptable, and what Retry-After asks for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, urlsplit

from stages.contract import Permanent

DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_URL_CHARS = 8000
"""RFC 9110, section 4.1, recommends that servers support at least this many octets."""
MAX_RETRY_AFTER_S = 15 * 60.0
DEFAULT_RATE_LIMIT_DELAY_S = 30.0

_FORBIDDEN = re.compile(r"[\s\\\x00-\x20\x7f-\x9f]")
_ASCII_HOST = re.compile(r"[a-z0-9._:-]+")
"""What ASCII names and addresses are made of: not percent-encoded, no IPv6 zone, no other marks."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a circuit breaker protects: a host and a port."""

    host: str
    """In lower case; an IPv6 address without its brackets."""
    port: int


def origin_of(url: str) -> Origin:
    """The host and port a URL is fetched from.

    Raises `Permanent` with code `invalid_url` or `unsupported_scheme`.

    >>> origin_of("https://Example.org/a?b#c")
    Origin(host='example.org', port=443)
    >>> origin_of("http://[2001:db8::1]:8080/")
    Origin(host='2001:db8::1', port=8080)
    >>> origin_of("ftp://example.org/")
    Traceback (most recent call last):
    stages.contract.errors.Permanent: unsupported_scheme: Only http and https URLs can be fetched.
    >>> origin_of("http:///path")
    Traceback (most recent call last):
    stages.contract.errors.Permanent: invalid_url: The URL names no host.
    """
    if not url or len(url) > MAX_URL_CHARS or _FORBIDDEN.search(url):
        raise Permanent("invalid_url")
    parts = _split(url)
    if not parts.scheme:
        raise Permanent("invalid_url")
    if parts.scheme not in DEFAULT_PORTS:
        raise Permanent("unsupported_scheme")
    if "@" in parts.netloc:
        raise Permanent("invalid_url", "The URL carries a user name or password; leave them out.")
    if not parts.hostname:
        raise Permanent("invalid_url", "The URL names no host.")
    if parts.hostname.isascii() and not _ASCII_HOST.fullmatch(parts.hostname):
        raise Permanent("invalid_url", "The URL's host name has characters that no host name has.")
    return Origin(parts.hostname, _port(parts))


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise Permanent("invalid_url") from None


def _port(parts: SplitResult) -> int:
    try:
        port = DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    except ValueError:
        port = 0
    if not port:
        raise Permanent("invalid_url", "The URL's port is not a number from 1 to 65535.")
    return port


def rate_limit_delay_s(headers: Mapping[str, str], now: datetime) -> float:
    """How long a 429 asks to wait, in seconds: as its Retry-After says, or 30.

    >>> rate_limit_delay_s({}, datetime(2026, 1, 2, tzinfo=UTC))
    30.0
    """
    delay_s = retry_after_s(headers, now)
    return DEFAULT_RATE_LIMIT_DELAY_S if delay_s is None else delay_s


def retry_after_s(headers: Mapping[str, str], now: datetime, *, at_most_s: float = MAX_RETRY_AFTER_S) -> float | None:
    """The wait that a Retry-After header asks for, in seconds from 0 to 15 minutes, or to `at_most_s`.

    None without a valid one.

    Takes both forms of RFC 9110, section 10.2.3. Header names are in lower case.

    >>> now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    >>> retry_after_s({"retry-after": "120"}, now)
    120.0
    >>> retry_after_s({"retry-after": "Fri, 02 Jan 2026 03:05:05 GMT"}, now)
    60.0
    >>> retry_after_s({"retry-after": "86400"}, now)
    900.0
    >>> retry_after_s({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, now)
    0.0
    >>> retry_after_s({"retry-after": "soon"}, now) is None, retry_after_s({}, now) is None
    (True, True)
    """
    value = headers.get("retry-after", "").strip()
    delay_s = float(value) if re.fullmatch(r"[0-9]{1,18}", value) else _seconds_until(value, now)
    return None if delay_s is None else min(max(delay_s, 0.0), at_most_s)


def _seconds_until(http_date: str, now: datetime) -> float | None:
    try:
        at = parsedate_to_datetime(http_date)
    except (ValueError, OverflowError):
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now.timestamp()
