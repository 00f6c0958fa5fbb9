"""Over TLS: a whole worker, its publisher and its remote control; and nothing with a server that cannot be trusted."""

import kombu.pools
import pytest
from kombu.exceptions import OperationalError

from tests.support.brokers import KINDS, Broker
from tests.support.celery_fleet import Fleet, Variant
from tests.support.parity_app import make_app
from tests.support.ports import free_port
from tests.support.tls_redis import Authority, TlsProxy

WORKER = "secure@parity"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def tls_port(authority, tmp_path_factory):
    with (
        Broker(KINDS["valkey"].binary(), tmp_path_factory.mktemp("broker"), port=free_port()) as server,
        TlsProxy(server.port, authority) as proxy,
    ):
        yield proxy.port


@pytest.fixture
def publish(backend):
    """Publishes one task over an app of its own, and tries once."""

    def publish(url, **settings):
        app = make_app("streams", url, backend.url, max_retries=0, interval_start=0)
        app.conf.update(settings)
        try:
            app.tasks["add"].apply_async((1, 1), retry=False)
        finally:
            # kombu takes connections that differ in TLS alone for the same.
            kombu.pools.reset()
            app.close()

    return publish


@pytest.mark.full
def test_a_worker_works_over_tls(authority, tls_port, backend, tmp_path):
    url = f"rediss://127.0.0.1:{tls_port}/0?ssl_cert_reqs=required&ssl_ca_certs={authority.ca_file}"
    works_in_full(url, backend, tmp_path)


def test_celery_s_own_setting_leads_over_tls_too(authority, tls_port, publish):
    publish(f"redis://127.0.0.1:{tls_port}/0", broker_use_ssl={"ssl_ca_certs": str(authority.ca_file)})


def test_a_server_of_an_unknown_authority_is_not_talked_to(tls_port, publish):
    with pytest.raises(OperationalError, match="CERTIFICATE_VERIFY_FAILED"):
        publish(f"rediss://127.0.0.1:{tls_port}/0")
    with pytest.raises(OperationalError, match="CERTIFICATE_VERIFY_FAILED"):
        publish(f"redis://127.0.0.1:{tls_port}/0", broker_use_ssl=True)


def test_a_server_of_another_name_is_not_talked_to(authority, tls_port, publish):
    with pytest.raises(OperationalError, match=r"(?i)hostname|IP address"):
        publish(f"rediss://localhost:{tls_port}/0?ssl_ca_certs={authority.ca_file}")


def test_verification_ends_only_where_it_is_told_to(tls_port, publish):
    publish(f"rediss://127.0.0.1:{tls_port}/0?ssl_cert_reqs=none")


def test_there_is_no_way_back_to_plain_text(tls_port, publish):
    with pytest.raises(OperationalError):
        publish(f"redis://127.0.0.1:{tls_port}/0")


@pytest.mark.full
def test_a_server_that_demands_certificates_gets_one(authority, backend, tmp_path):
    tls_port = free_port()
    settings = {
        "tls_port": tls_port,
        "tls_cert_file": authority.server_file,
        "tls_key_file": authority.server_key_file,
        "tls_ca_cert_file": authority.ca_file,
        "tls_auth_clients": "yes",
    }
    with Broker(KINDS["redis7"].binary(), tmp_path, port=free_port(), **settings):
        query = (
            f"ssl_ca_certs={authority.ca_file}"
            f"&ssl_certfile={authority.client_file}&ssl_keyfile={authority.client_key_file}"
        )
        works_in_full(f"rediss://127.0.0.1:{tls_port}/0?{query}", backend, tmp_path)


def works_in_full(url, backend, folder):
    with Fleet(Variant("streams"), folder, url, backend.url) as fleet:
        fleet.start_worker(WORKER, "parity", 1, "--without-mingle", "--without-gossip")
        assert fleet.run("add", 1, 1) == 2
        assert fleet.run("retrying", "over-tls", 1, 0.1) == 1
        assert fleet.size("parity") == 0
