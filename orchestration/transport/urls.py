"""Broker URLs: what Celery is told, and what redis-py is told.

kombu's own reading of URLs gets three of them wrong for a transport that is named explicitly: with `redis+socket://`
it picks the stock transport, `rediss://` without further options becomes plain TCP, and of a `sentinel://` URL with
several hosts one is left once the first did not answer.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from redis.connection import SSLConnection, UnixDomainSocketConnection
from redis.connection import parse_url as _untyped_parse_url

TRANSPORT = "orchestration.transport:Transport"
SENTINEL_PORT = 26379

parse_url: Any = _untyped_parse_url


class Target(NamedTuple):
    """Which server a URL means."""

    parameters: dict[str, Any]
    """What redis-py's connections take."""
    sentinels: tuple[tuple[str, int], ...] = ()
    master_name: str | None = None


def broker_settings(url: str, **transport_options: Any) -> dict[str, Any]:
    """Celery's settings for this transport and any of the URLs that kombu's Redis transport takes.

    >>> broker_settings("redis+socket:///run/redis.sock?virtual_host=2", lease_s=5.0)["broker_url"]
    'unix:///run/redis.sock?db=2'
    >>> broker_settings("sentinel://:pw@a:26379;sentinel://b:26380/1", master_name="m")["broker_url"]
    'sentinel://:pw@a:26379,b:26380/1'
    """
    return {
        "broker_url": _canonical(url),
        "broker_transport": TRANSPORT,
        "broker_transport_options": transport_options,
    }


def _canonical(url: str) -> str:
    if url.startswith("redis+socket://"):
        return _unix(url)
    if ";" in url:
        return _joined(url.split(";"))
    return url


def _unix(url: str) -> str:
    parts = urlsplit(url)
    query = [("db" if name == "virtual_host" else name, value) for name, value in parse_qsl(parts.query)]
    return f"unix://{parts.netloc}{parts.path}" + (f"?{urlencode(query)}" if query else "")


def _joined(urls: list[str]) -> str:
    """Several URLs of one group of sentinels as one; the credentials of the first, path and query of the last."""
    scheme = urlsplit(urls[0]).scheme
    if scheme != "sentinel":
        raise ValueError("several brokers in one URL are sentinels; name one server, or put sentinels before several")
    first, *rest = [urlsplit(url if "://" in url else f"{scheme}://{url}") for url in urls]
    last = rest[-1]
    hosts = ",".join([first.netloc, *(part.netloc.rpartition("@")[2] for part in rest)])
    return f"{first.scheme}://{hosts}{last.path}" + (f"?{last.query}" if last.query else "")


def read_url(url: str, tls: Mapping[str, Any] | None = None) -> Target:
    """What a URL means; `tls` is Celery's `broker_use_ssl`.

    >>> read_url("redis://:secret@cache:6380/2").parameters == {
    ...     "password": "secret", "host": "cache", "port": 6380, "db": 2}
    True
    >>> read_url("sentinel://a,b:26380/1?master_name=m").sentinels
    (('a', 26379), ('b', 26380))

    Raises `ValueError` for another scheme, or a database that is no number.
    """
    url = _canonical(url)
    _check_database(url)
    target = _read_sentinel(url) if url.startswith("sentinel://") else Target(parse_url(url))
    if (verify := target.parameters.get("ssl_cert_reqs")) is not None:
        # Celery's documentation spells these as the constants of `ssl`.
        target.parameters["ssl_cert_reqs"] = verify.removeprefix("CERT_").lower()
    if tls:
        target.parameters.update(tls, connection_class=SSLConnection)
    return target


def _check_database(url: str) -> None:
    """redis-py would take 0 for a name, and a mistyped URL for another database."""
    parts = urlsplit(url)
    database = parts.path.strip("/")
    if parts.scheme != "unix" and database and not database.isdecimal():
        raise ValueError(f"the database of a broker URL is a number, not {database!r}")


def _read_sentinel(url: str) -> Target:
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    query = dict(parse_qsl(parts.query))
    master_name = query.pop("master_name", None)
    parameters = parse_url(f"redis://{credentials}@host{parts.path}?{urlencode(query)}")
    del parameters["host"]
    return Target(parameters, tuple(_host(host) for host in hosts.split(",")), master_name)


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    return unquote(parts.hostname or "localhost"), parts.port or SENTINEL_PORT


def is_unix(parameters: Mapping[str, Any]) -> bool:
    """Whether the connection is no TCP connection."""
    return parameters.get("connection_class") is UnixDomainSocketConnection
