"""Makes connection pools of what a URL and the transport's options say."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelManagedConnection, SentinelManagedSSLConnection

from orchestration.transport.line import Pool
from orchestration.transport.urls import Target, is_unix

TCP_ONLY = ("socket_connect_timeout", "socket_keepalive", "socket_keepalive_options")
DEFAULT_TIMEOUT_S = 10.0
"""redis-py's default is to wait for ever for a server that stopped answering."""

OnDisconnect = Callable[[Any], None]


def parameters_of(target: Target, options: Mapping[str, Any]) -> dict[str, Any]:
    """What redis-py's connections are told; what the URL says wins."""
    names = (*TCP_ONLY, "socket_timeout", "health_check_interval", "client_name", "max_connections", "protocol")
    parameters = {
        "socket_timeout": DEFAULT_TIMEOUT_S,
        "socket_connect_timeout": DEFAULT_TIMEOUT_S,
        "db": 0,
        # kombu and Celery retry, and with them our publisher; redis-py would try ten times below each of these.
        "retry": Retry(NoBackoff(), 0),
        **{name: options[name] for name in names if options.get(name) is not None},
        **target.parameters,
    }
    if is_unix(parameters):
        parameters = {name: value for name, value in parameters.items() if name not in TCP_ONLY}
    return parameters


def make_pool(
    target: Target,
    options: Mapping[str, Any],
    *,
    on_disconnect: OnDisconnect | None = None,
    timeout_s: float | None = None,
) -> Pool:
    """A pool of connections to the server, or to the master that the sentinels name."""
    parameters = parameters_of(target, options)
    if timeout_s is not None:
        parameters["socket_timeout"] = timeout_s
    if target.sentinels:
        return _master_pool(target, parameters, options, on_disconnect)
    kind = parameters.pop("connection_class", Connection)
    return redis.ConnectionPool(connection_class=_watched(kind, on_disconnect), **parameters)


def _master_pool(
    target: Target, parameters: dict[str, Any], options: Mapping[str, Any], on_disconnect: OnDisconnect | None
) -> Pool:
    name = options.get("master_name") or target.master_name
    if name is None:
        raise ValueError("a sentinel:// URL needs the transport option master_name, or ?master_name=... in its query")
    tls = parameters.pop("connection_class", None) is not None
    kind = SentinelManagedSSLConnection if tls else SentinelManagedConnection
    make_sentinel: Any = Sentinel
    sentinel = make_sentinel(
        target.sentinels,
        min_other_sentinels=options.get("min_other_sentinels", 0),
        sentinel_kwargs=_of_sentinels(parameters) | (options.get("sentinel_kwargs") or {}),
        connection_class=_watched(kind, on_disconnect),
        **parameters,
    )
    return sentinel.master_for(name).connection_pool


def _of_sentinels(parameters: dict[str, Any]) -> dict[str, Any]:
    """Short waits: when one sentinel is gone the next is asked."""
    names = (*TCP_ONLY, "socket_timeout", "retry")
    return {name: value for name, value in parameters.items() if name in names}


def _watched(kind: type[Any], on_disconnect: OnDisconnect | None) -> type[Any]:
    """The kind of connection that says when it is closed, for the poller."""
    if on_disconnect is None:
        return kind
    tell = on_disconnect

    class Watched(kind):  # type: ignore[misc]
        def disconnect(self, *args: Any, **kwargs: Any) -> None:
            super().disconnect(*args, **kwargs)
            tell(self)

    return Watched


def tls_of(setting: object) -> Mapping[str, Any] | None:
    """Celery's `broker_use_ssl` as redis-py takes it."""
    if setting is True:
        return {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    return setting if isinstance(setting, Mapping) else None
