"""What redis-py is told about the connections it makes."""

import ssl

import pytest
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection

from orchestration.transport.connections import DEFAULT_TIMEOUT_S, make_pool, parameters_of, tls_of
from orchestration.transport.urls import read_url


def parameters(url, **options):
    return parameters_of(read_url(url), options)


def test_nobody_waits_for_ever():
    told = parameters("redis://cache")
    assert told["socket_timeout"] == told["socket_connect_timeout"] == DEFAULT_TIMEOUT_S


def test_redis_py_does_not_retry():
    assert parameters("redis://cache")["retry"].get_retries() == 0


def test_kombu_s_options_are_passed_on_and_the_url_wins():
    told = parameters("redis://cache?socket_timeout=7", socket_timeout=3, socket_keepalive=True, client_name="me")
    assert told["socket_timeout"] == 7
    assert told["socket_keepalive"] is True
    assert told["client_name"] == "me"


def test_options_that_are_none_or_not_redis_py_s_are_not_passed_on():
    told = parameters("redis://cache", socket_timeout=None, lease_s=5, visibility_timeout=3)
    assert told["socket_timeout"] == DEFAULT_TIMEOUT_S
    assert not {"lease_s", "visibility_timeout"} & set(told)


def test_a_unix_socket_is_told_nothing_about_tcp():
    told = parameters("unix:///r.sock", socket_keepalive=True, socket_connect_timeout=3)
    assert not {"socket_keepalive", "socket_connect_timeout"} & set(told)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://cache", Connection),
        ("rediss://cache", SSLConnection),
        ("redis+socket:///r.sock", UnixDomainSocketConnection),
        ("sentinel://a,b/0?master_name=m", SentinelManagedConnection),
    ],
)
def test_a_pool_makes_the_url_s_kind_of_connection(url, kind):
    assert make_pool(read_url(url), {}).connection_class is kind


@pytest.mark.parametrize("url", ["redis://cache", "redis+socket:///r.sock", "sentinel://a/0?master_name=m"])
def test_a_watched_connection_says_when_it_is_closed(url):
    closed = []
    pool = make_pool(read_url(url), {}, on_disconnect=closed.append)
    connection = pool.connection_class(**pool.connection_kwargs)
    connection.disconnect()
    assert closed == [connection]


def test_a_timeout_that_is_given_beats_all_others():
    pool = make_pool(read_url("redis://cache?socket_timeout=7"), {"socket_timeout": 5}, timeout_s=0.5)
    assert pool.connection_kwargs["socket_timeout"] == 0.5


def test_sentinels_are_asked_with_the_same_patience_and_their_own_password():
    options = {"socket_timeout": 2, "sentinel_kwargs": {"password": "theirs"}}
    pool = make_pool(read_url("sentinel://:masters@a:1,b:2/3"), {**options, "master_name": "m"})
    assert pool.service_name == "m"
    assert pool.connection_kwargs["password"] == "masters"
    assert pool.connection_kwargs["db"] == 3
    for client in pool.sentinel_manager.sentinels:
        told = client.connection_pool.connection_kwargs
        assert told["password"] == "theirs"
        assert told["socket_timeout"] == 2
        assert told["retry"].get_retries() == 0


def test_tls_to_the_master_that_sentinels_name():
    pool = make_pool(read_url("sentinel://a/0?master_name=m", {"ssl_cert_reqs": ssl.CERT_NONE}), {})
    assert pool.connection_class is SentinelManagedSSLConnection


def test_a_sentinel_url_without_a_master_s_name_is_refused():
    with pytest.raises(ValueError, match="master_name"):
        make_pool(read_url("sentinel://a"), {})


@pytest.mark.parametrize(
    ("setting", "tls"),
    [
        (True, {"ssl_cert_reqs": ssl.CERT_REQUIRED}),
        ({"ssl_ca_certs": "/ca"}, {"ssl_ca_certs": "/ca"}),
        (False, None),
        (None, None),
    ],
)
def test_celery_s_broker_use_ssl(setting, tls):
    assert tls_of(setting) == tls
