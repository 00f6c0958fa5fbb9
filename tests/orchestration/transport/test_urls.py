"""What the URL of a broker means."""

import pytest
from kombu import Connection
from redis.connection import SSLConnection, UnixDomainSocketConnection

from orchestration.transport import broker_settings
from orchestration.transport.urls import TRANSPORT, is_unix, read_url

SOCKET = {"connection_class": UnixDomainSocketConnection}


@pytest.mark.parametrize(
    ("url", "parameters"),
    [
        ("redis://", {}),
        ("redis://cache", {"host": "cache"}),
        ("redis://cache:6380/2", {"host": "cache", "port": 6380, "db": 2}),
        ("redis://cache?db=2", {"host": "cache", "db": 2}),
        ("redis://:s3cr%40t@cache/0", {"host": "cache", "password": "s3cr@t", "db": 0}),
        ("redis://user:word@cache/0", {"host": "cache", "username": "user", "password": "word", "db": 0}),
        ("redis://[::1]:6380/1", {"host": "::1", "port": 6380, "db": 1}),
        ("redis://cache?socket_timeout=3.5", {"host": "cache", "socket_timeout": 3.5}),
        (
            "rediss://cache/0?ssl_cert_reqs=none&ssl_ca_certs=/ca.pem",
            {
                "host": "cache",
                "db": 0,
                "ssl_cert_reqs": "none",
                "ssl_ca_certs": "/ca.pem",
                "connection_class": SSLConnection,
            },
        ),
        ("redis+socket:///run/r.sock", {"path": "/run/r.sock", **SOCKET}),
        ("redis+socket:///run/r.sock?virtual_host=3", {"path": "/run/r.sock", "db": 3, **SOCKET}),
        ("redis+socket:///run/a%20b.sock?virtual_host=3", {"path": "/run/a b.sock", "db": 3, **SOCKET}),
        (
            "redis+socket://user:p%2Fw@/run/r.sock",
            {"path": "/run/r.sock", "username": "user", "password": "p/w", **SOCKET},
        ),
        ("unix:///run/r.sock?db=1", {"path": "/run/r.sock", "db": 1, **SOCKET}),
    ],
)
def test_a_url_names_a_server(url, parameters):
    assert read_url(url) == (parameters, (), None)


@pytest.mark.parametrize(
    ("url", "parameters", "sentinels", "master_name"),
    [
        ("sentinel://a", {}, [("a", 26379)], None),
        ("sentinel://a:1,b/2", {"db": 2}, [("a", 1), ("b", 26379)], None),
        ("sentinel://a:1,b:2/0?master_name=m", {"db": 0}, [("a", 1), ("b", 2)], "m"),
        ("sentinel://[::1]:5,b/0", {"db": 0}, [("::1", 5), ("b", 26379)], None),
        (
            "sentinel://user:p%40w@a:1,b:2/3",
            {"username": "user", "password": "p@w", "db": 3},
            [("a", 1), ("b", 2)],
            None,
        ),
        (
            "sentinel://:pw@a:1;sentinel://:pw@b:2;sentinel://c:3/1",
            {"password": "pw", "db": 1},
            [("a", 1), ("b", 2), ("c", 3)],
            None,
        ),
        ("sentinel://a/0?socket_timeout=3", {"db": 0, "socket_timeout": 3.0}, [("a", 26379)], None),
    ],
)
def test_a_sentinel_url_names_those_who_know_the_server(url, parameters, sentinels, master_name):
    assert read_url(url) == (parameters, tuple(sentinels), master_name)


@pytest.mark.parametrize("url", ["amqp://cache", "cache:6379", "", "http://cache"])
def test_other_schemes_are_refused(url):
    with pytest.raises(ValueError, match="scheme"):
        read_url(url)


def test_celery_s_tls_settings_make_a_tls_connection():
    target = read_url("redis://cache", {"ssl_ca_certs": "/ca.pem"})
    assert target.parameters == {"host": "cache", "ssl_ca_certs": "/ca.pem", "connection_class": SSLConnection}


def test_what_is_a_unix_socket():
    assert is_unix(read_url("redis+socket:///r.sock").parameters)
    assert not is_unix(read_url("redis://cache").parameters)


def test_celery_is_told_the_transport_by_name_and_its_options():
    assert broker_settings("redis://cache/1", lease_s=2.0) == {
        "broker_url": "redis://cache/1",
        "broker_transport": TRANSPORT,
        "broker_transport_options": {"lease_s": 2.0},
    }


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:word@cache:6380/2?socket_timeout=3",
        "rediss://cache/0?ssl_cert_reqs=none",
        "redis+socket://:word@/run/r.sock?virtual_host=3",
        "sentinel://:word@a:1;sentinel://b:2/1",
        "sentinel://a:1,b:2/1?master_name=m",
    ],
)
def test_kombu_hands_the_url_on_as_it_was(url):
    """What `Channel` asks its connection for; nothing connects here."""
    settings = broker_settings(url)
    connection = Connection(settings["broker_url"], transport=settings["broker_transport"])
    assert read_url(connection.hostname) == read_url(url)
    assert connection.alt == []


@pytest.mark.parametrize("url", ["redis://:word@cache/1", "sentinel://:word@a:1;sentinel://:word@b:2/1"])
def test_people_see_no_password(url):
    settings = broker_settings(url)
    connection = Connection(settings["broker_url"], transport=settings["broker_transport"])
    assert "word" not in connection.as_uri()
    assert "word" in connection.as_uri(include_password=True)
