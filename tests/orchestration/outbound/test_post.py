import time
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from orchestration.outbound.post import GuardedPost
from pipeline.clock import SystemClock
from stages.contract import Scope, StageError
from tests.support.origin import Origin, Reply

LOOPBACK = ip_network("127.0.0.0/8")
CLOCK = SystemClock()


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin() as server:
        yield server


def post(url: str, body: bytes = b'{"a":"\xc3\xbc"}', **options: Any) -> Any:
    client = GuardedPost(**{"user_agent": "Penstock/1", "allow_networks": [LOOPBACK], "timeout_s": 2, **options})
    return client.post(url, body, {"webhook-id": "1"}, Scope(CLOCK, CLOCK.monotonic() + 30))


def code_of(url: str, **options: Any) -> str:
    with pytest.raises(StageError) as caught:
        post(url, **options)
    return caught.value.code


def test_json_is_posted_as_it_is(origin: Origin) -> None:
    assert post(origin.on("/hook", Reply(status=202, headers={"X-A": "1"}))).status == 202
    (seen,) = origin.requests("/hook")
    assert (seen.method, seen.body) == ("POST", '{"a":"ü"}')
    headers = {name: seen.headers[name] for name in ("content-type", "user-agent", "webhook-id")}
    assert headers == {"content-type": "application/json", "user-agent": "Penstock/1", "webhook-id": "1"}


@pytest.mark.parametrize("status", [204, 400, 404, 410, 429, 500, 503])
def test_every_status_is_an_answer_and_its_body_is_not_read(origin: Origin, status: int) -> None:
    huge = 0 if status == 204 else 10**6
    answer = post(
        origin.on("/status", Reply(status=status, raw=b"x" * 1000, repeat=huge, headers={"Retry-After": "7"}))
    )
    assert (answer.status, answer.headers["retry-after"]) == (status, "7")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(origin: Origin, status: int) -> None:
    target = origin.on("/target", Reply())
    assert post(origin.on("/away", Reply(status=status, headers={"Location": target}))).status == status
    assert origin.hits("/target") == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_what_is_not_public_is_refused_in_every_spelling(origin: Origin, host: str) -> None:
    origin.on("/inner", Reply())
    assert code_of(f"http://{host}:{origin.port}/inner", allow_networks=[]) == "blocked_address"
    assert origin.hits("/inner") == 0


def test_one_who_drips_is_cut_off_in_time(origin: Origin) -> None:
    began = time.monotonic()
    assert code_of(origin.on("/drip", Reply(drip_s=0.1)), timeout_s=1) == "fetch_timeout"
    assert time.monotonic() - began < 2.5


@pytest.mark.parametrize(
    ("reply", "code"), [(Reply(close=True), "protocol_error"), (Reply(delay_s=5), "fetch_timeout")]
)
def test_no_answer_is_an_error(origin: Origin, reply: Reply, code: str) -> None:
    assert code_of(origin.on("/none", reply), timeout_s=1) == code
