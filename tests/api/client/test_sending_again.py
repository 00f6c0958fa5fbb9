"""What the clients do when no answer comes, or one that asks for patience."""

import json
from email.utils import format_datetime

import httpx
import pytest

from api.client.errors import (
    ApiError,
    JobNotFound,
    RateLimited,
    ServerError,
    ServiceUnavailable,
    UnexpectedAnswer,
    Unreachable,
)
from tests.support.clients import Script
from tests.support.tools import START

ACCEPTED = httpx.Response(202, json={"id": "7", "status": "queued", "url": "/v1/jobs/7"})
NOT_FOUND = httpx.Response(404, json={"code": "job_not_found", "detail": "there is no job 7"})
REFUSED = httpx.ConnectError("Connection refused")
UNAVAILABLE = httpx.Response(503, json={"code": "service_unavailable", "detail": "down"}, headers={"retry-after": "5"})


@pytest.mark.parametrize(
    "failure",
    [
        REFUSED,
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("cut off"),
        UNAVAILABLE,
        *(httpx.Response(status) for status in (429, 502, 503, 504)),
    ],
    ids=repr,
)
def test_a_submission_is_sent_again_with_the_same_key(make, failure):
    service = Script(failure, failure, ACCEPTED)
    penstock = make(service)
    assert penstock.submit(url="https://example.org/").id == "7"
    assert len({request.headers["idempotency-key"] for request in service.asked}) == 1
    assert len({request.content for request in service.asked}) == 1
    assert len(penstock.slept) == 2


@pytest.mark.parametrize("status", [400, 404, 409, 410, 413, 415, 422, 418, 500, 501])
def test_what_would_be_answered_in_the_same_way_is_not_sent_again(make, status):
    service = Script(httpx.Response(status, text="<h1>no</h1>"))
    with pytest.raises(ApiError) as refused:
        make(service).job("7")
    assert (refused.value.status, refused.value.code, len(service.asked)) == (status, "http_error", 1)


def test_pauses_are_drawn_between_nothing_and_twice_as_much_each_time(make):
    service = Script(*[REFUSED] * 6, ACCEPTED)
    penstock = make(service)
    penstock.submit(text="x")
    assert all(0 <= pause <= 0.5 * 2**n for n, pause in enumerate(penstock.slept))
    assert len(set(penstock.slept)) == 6
    assert penstock.slept[-1] > 0.5


@pytest.mark.parametrize("value", ["7", format_datetime(START.replace(second=12), usegmt=True)])
def test_a_service_that_asks_for_patience_gets_it(make, value):
    penstock = make(Script(httpx.Response(429, headers={"retry-after": value}), ACCEPTED))
    penstock.submit(text="x")
    assert 7 <= penstock.slept[0] <= 7.5


def test_it_is_given_up_after_the_total_time(make):
    penstock = make(Script(REFUSED), retry_within_s=30)
    with pytest.raises(Unreachable, match=r"no answer from http://127.0.0.1:8000: Connection refused"):
        penstock.job("7")
    assert 10 < penstock.clock.monotonic() <= 30
    late = make(Script(httpx.Response(429, headers={"retry-after": "40"})), retry_within_s=30)
    with pytest.raises(RateLimited) as limited:
        late.job("7")
    assert (late.slept, limited.value.retry_after_s) == ([], 40)


def test_waiting_for_a_job_gives_up_in_time_when_nobody_answers(make):
    penstock = make(Script(REFUSED))
    with pytest.raises(Unreachable):
        penstock.wait("7", timeout_s=5)
    assert penstock.clock.monotonic() <= 5


def test_what_was_erased_by_a_request_without_an_answer_is_erased(make):
    assert make(Script(httpx.ReadError("cut off"), NOT_FOUND)).purge("7") is None
    with pytest.raises(JobNotFound):
        make(Script(NOT_FOUND)).purge("7")


def test_another_service_at_the_address_is_noticed(make):
    for answer in (httpx.Response(200, text="<h1>It works!</h1>"), httpx.Response(200, json=[1])):
        with pytest.raises(UnexpectedAnswer, match="does not answer as Penstock does"):
            make(Script(answer)).job("7")
    with pytest.raises(ServerError) as gateway:
        make(Script(httpx.Response(500, json=["not", "a", "problem"]))).job("7")
    assert (gateway.value.code, gateway.value.detail) == ("http_error", "Internal Server Error")


def test_each_error_can_be_caught_by_what_it_is_about(make):
    with pytest.raises(ServiceUnavailable, match="down") as down:
        make(Script(UNAVAILABLE), retry_within_s=0).job("7")
    assert (down.value.status, down.value.code, down.value.retry_after_s) == (503, "service_unavailable", 5)


def test_the_key_is_sent_and_never_shown(make):
    service = Script(REFUSED)
    penstock = make(service, url="https://example.org/behind", api_key="secret-key", retry_within_s=0)
    with pytest.raises(Unreachable) as unreachable:
        penstock.job("7")
    [request] = service.asked
    assert request.headers["authorization"] == "Bearer secret-key"
    assert str(request.url) == "https://example.org/behind/v1/jobs/7"
    assert "secret" not in f"{penstock.client!r} {unreachable.value!r}"


@pytest.mark.parametrize(
    "wrong",
    [
        {"api_key": "secret\n"},
        {"api_key": "sécret"},
        {"api_key": ""},
        {"url": "localhost:8000"},
        {"url": "https://user:secret@example.org"},
    ],
)
def test_what_is_no_key_and_no_url_is_refused_without_showing_it(make, wrong):
    with pytest.raises(ValueError, match="has to be") as refused:
        make(Script(ACCEPTED), **wrong)
    assert "secret" not in str(refused.value)


def test_what_is_asked_is_json(make):
    service = Script(ACCEPTED)
    make(service).submit(html="<p>Grüße", stages=("fetch", "store"))
    [request] = service.asked
    assert json.loads(request.content) == {"html": "<p>Grüße", "stages": ["fetch", "store"]}
    assert request.headers["content-type"] == "application/json"
    assert "authorization" not in request.headers
