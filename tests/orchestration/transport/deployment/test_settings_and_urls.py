"""What an app that was configured by `broker_settings` connects with: our transport, and all that its URL says."""

import ssl

import pytest
import redis
import redis.sentinel
from celery import Celery

from orchestration.transport import Transport, broker_settings


@pytest.fixture
def connect(monkeypatch):
    """Opens a channel of an app and returns its pool; no server has to be there."""
    monkeypatch.setattr(redis.Redis, "ping", lambda _client: True)
    opened = []

    def connect(url, *, broker_use_ssl=None, **options):
        app = Celery(set_as_current=False)
        app.conf.update(broker_settings(url, **options), broker_use_ssl=broker_use_ssl)
        connection = app.connection_for_write()
        opened.append((app, connection))
        assert isinstance(connection.transport, Transport)
        return connection.channel().pool

    yield connect
    for app, connection in opened:
        connection.release()
        app.close()


def items(pool, *names):
    return tuple(pool.connection_kwargs.get(name) for name in names)


def is_kind(pool, kind):
    return issubclass(pool.connection_class, kind)


def test_tcp(connect):
    pool = connect("redis://user:p%40ss@cache:6380/3")
    assert items(pool, "host", "port", "db", "username", "password") == ("cache", 6380, 3, "user", "p@ss")
    assert not is_kind(pool, redis.SSLConnection)


def test_tcp_has_time_limits_unless_told_otherwise(connect):
    assert None not in items(connect("redis://cache"), "socket_timeout", "socket_connect_timeout")
    pool = connect("redis://cache?socket_timeout=3", socket_connect_timeout=4, socket_keepalive=True)
    assert items(pool, "socket_timeout", "socket_connect_timeout", "socket_keepalive") == (3, 4, True)


def test_tls_options_of_the_query_are_kept(connect):
    pool = connect(
        "rediss://cache/1?ssl_cert_reqs=required&ssl_ca_certs=/ca.pem&ssl_certfile=/c.pem&ssl_keyfile=/k.pem"
    )
    assert is_kind(pool, redis.SSLConnection)
    assert items(pool, "host", "db", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile") == (
        *("cache", 1, "/ca.pem", "/c.pem", "/k.pem"),
    )
    assert verifies(pool) is True


def test_tls_verifies_unless_told_otherwise(connect):
    assert verifies(connect("rediss://cache")) is True
    assert verifies(connect("rediss://cache?ssl_cert_reqs=none")) is False


@pytest.mark.parametrize(("name", "required"), [("CERT_REQUIRED", True), ("CERT_NONE", False)])
def test_verification_may_be_named_as_kombu_names_it(connect, name, required):
    assert verifies(connect(f"rediss://cache?ssl_cert_reqs={name}")) is required


def test_celery_s_own_tls_setting_is_kept(connect):
    pool = connect("redis://cache", broker_use_ssl={"ssl_ca_certs": "/ca.pem", "ssl_cert_reqs": ssl.CERT_REQUIRED})
    assert is_kind(pool, redis.SSLConnection)
    assert items(pool, "ssl_ca_certs") == ("/ca.pem",)
    assert verifies(pool) is True
    assert verifies(connect("rediss://cache", broker_use_ssl=True)) is True


@pytest.mark.parametrize("url", ["redis+socket:///run/redis.sock?virtual_host=2", "unix:///run/redis.sock?db=2"])
def test_unix_sockets(connect, url):
    pool = connect(url, socket_keepalive=True, socket_connect_timeout=1)
    assert is_kind(pool, redis.UnixDomainSocketConnection)
    assert items(pool, "path", "db") == ("/run/redis.sock", 2)


def test_a_unix_socket_s_password(connect):
    pool = connect("redis+socket://user:p%40ss@/run/redis.sock")
    assert items(pool, "path", "db", "username", "password") == ("/run/redis.sock", 0, "user", "p@ss")


@pytest.mark.parametrize(
    "url",
    [
        "sentinel://:pw@a:1,b:2,c/4?master_name=m",
        "sentinel://:pw@a:1;sentinel://:pw@b:2;sentinel://:pw@c/4?master_name=m",
    ],
)
def test_all_sentinels_are_kept(connect, url):
    pool = connect(url)
    sentinels = [items(node.connection_pool, "host", "port") for node in pool.sentinel_manager.sentinels]
    assert sentinels == [("a", 1), ("b", 2), ("c", 26379)]
    assert pool.service_name == "m"
    assert pool.is_master
    assert items(pool, "db", "password") == (4, "pw")


def test_the_master_s_name_and_the_sentinels_credentials_may_be_options(connect):
    pool = connect("sentinel://a:1/0", master_name="m", sentinel_kwargs={"password": "theirs"}, min_other_sentinels=1)
    assert pool.service_name == "m"
    assert pool.sentinel_manager.min_other_sentinels == 1
    assert items(pool.sentinel_manager.sentinels[0].connection_pool, "password") == ("theirs",)


def test_tls_to_the_master_that_sentinels_name(connect):
    pool = connect("sentinel://a:1/0?master_name=m", broker_use_ssl={"ssl_ca_certs": "/ca.pem"})
    assert is_kind(pool, redis.sentinel.SentinelManagedSSLConnection)
    assert items(pool, "ssl_ca_certs") == ("/ca.pem",)


def test_sentinels_without_the_name_of_a_master_are_refused(connect):
    with pytest.raises(ValueError, match="master_name"):
        connect("sentinel://a:1/0")


@pytest.mark.parametrize("url", ["amqp://host", "http://host", "memory://"])
def test_other_schemes_are_refused(connect, url):
    with pytest.raises(ValueError, match=r"(?i)scheme"):
        connect(url)


def test_a_database_that_is_no_number_is_refused(connect):
    with pytest.raises(ValueError, match=r"(?i)database"):
        connect("redis://cache/penstock")


def test_a_password_is_not_shown(connect):
    app = Celery(set_as_current=False)
    app.conf.update(broker_settings("sentinel://:secret@a:1,b:2/0?master_name=m"))
    with app.connection_for_write() as connection:
        assert "secret" not in connection.as_uri()
        assert "secret" not in repr(connection)
    app.close()


def verifies(pool):
    """Whether connections of this pool would check the server's certificate."""
    connection = pool.connection_class(**{**pool.connection_kwargs, "ssl_ca_certs": None})
    return connection.cert_reqs == ssl.CERT_REQUIRED
