"""Requests with an `Idempotency-Key`, sent again because no answer came."""

from typing import Any

import pytest

from pipeline.errors import RecordsUnavailable
from pipeline.idempotency import KEPT
from tests.support.api import Api, problem_of

URL = "https://example.org/"
KEY = '"8e03978e-40d5-43dd-bc93-6894a57f9324"'


def send(api: Api, path: str = "/v1/jobs", key: str = KEY, **body: Any) -> Any:
    """Submit `URL`, unless told otherwise; a retry has no body."""
    json = None if path.endswith("/retry") else body or {"url": URL}
    return api.client.post(path, json=json, headers={"Idempotency-Key": key})


def runs_of(api: Api, job_id: str) -> list[int]:
    return [run["run"] for run in api.client.get(f"/v1/jobs/{job_id}/runs").json()["items"]]


def count_jobs(api: Api) -> int:
    return len(api.client.get("/v1/jobs").json()["items"])


def assert_same_answer(first: Any, again: Any) -> None:
    assert first.status_code == again.status_code == 202
    assert first.content == again.content
    assert "idempotency-replayed" not in first.headers
    assert dict(again.headers) == {**first.headers, "idempotency-replayed": "true"}


@pytest.fixture
def failed(api: Api) -> str:
    job_id = api.submit()
    api.fail(job_id)
    return job_id


@pytest.mark.parametrize("body", [{"url": URL}, {"text": "水"}, {"html": "<p>x", "pipeline": "extract"}])
def test_a_submission_sent_again_finds_its_job(api: Api, body: dict[str, Any]) -> None:
    first = send(api, **body)
    stored = dict(api.payloads.inner.objects)
    assert_same_answer(first, send(api, **body))
    assert count_jobs(api) == 1
    assert len(api.broker.log) == 1
    assert api.payloads.inner.objects == stored


def test_a_new_key_costs_one_look_and_no_second_transaction(api: Api) -> None:
    send(api)
    assert api.records.log == ["check_key", "accept"]


def test_what_is_answered_again_touches_nothing_but_the_key(api: Api) -> None:
    send(api, text="x")
    api.records.log.clear()
    api.payloads.log.clear()
    send(api, text="x")
    assert (api.records.log, api.payloads.log) == (["check_key"], [])


def test_without_a_key_the_same_request_is_another_job(api: Api) -> None:
    assert api.submit(url=URL) != api.submit(url=URL)
    assert api.records.log == ["accept", "accept"]


def test_the_same_request_may_be_written_differently(api: Api) -> None:
    job_id = send(api, url=URL).json()["id"]
    written = b' {"lane": "normal", "processing": "quick",\n "text": null, "url": "https:\\/\\/example.org/"}'
    headers = {"Idempotency-Key": KEY.strip('"'), "Content-Type": "application/json; charset=utf-8"}
    assert api.client.post("/v1/jobs", content=written, headers=headers).json()["id"] == job_id


@pytest.mark.parametrize(
    "body",
    [{"url": URL + "x"}, {"text": URL}, {"url": URL, "lane": "bulk"}, {"url": URL, "stages": ["fetch", "store"]}],
)
def test_another_request_with_the_same_key_is_refused(api: Api, body: dict[str, Any]) -> None:
    send(api)
    answer = send(api, **body)
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"]) == (422, "idempotency_key_reused")
    assert KEY.strip('"') in problem["detail"]
    assert (count_jobs(api), api.payloads.inner.objects) == (1, {})


def test_a_request_that_was_refused_leaves_its_key_free(api: Api) -> None:
    assert send(api, url=URL, pipeline="fry").status_code == 422
    api.records.broken["accept"] = RecordsUnavailable("away")
    assert send(api).status_code == 503
    del api.records.broken["accept"]
    answer = send(api)
    assert (answer.status_code, "idempotency-replayed" in answer.headers) == (202, False)


def test_without_the_records_nothing_is_accepted(api: Api) -> None:
    api.records.broken["check_key"] = RecordsUnavailable("away")
    answer = send(api, text="x")
    assert (answer.status_code, problem_of(answer)["code"]) == (503, "service_unavailable")
    assert api.payloads.log == []


def test_after_a_day_the_key_is_new(api: Api) -> None:
    first = send(api)
    api.clock.advance(KEPT.total_seconds() - 1)
    assert_same_answer(first, send(api))
    api.clock.advance(1)
    assert send(api).json()["id"] != first.json()["id"]


def test_what_was_answered_is_answered_again_when_the_job_is_purged(api: Api) -> None:
    first = send(api)
    job_id = first.json()["id"]
    api.client.delete(f"/v1/jobs/{job_id}")
    assert api.client.delete(f"/v1/jobs/{job_id}?purge=true").status_code == 204
    assert_same_answer(first, send(api))
    assert count_jobs(api) == 0


# running again


@pytest.mark.parametrize("path", ["/v1/jobs/{}/retry", "/v1/dead-letters/{}/retry"])
def test_a_retry_sent_again_finds_its_run(api: Api, failed: str, path: str) -> None:
    url = path.format(failed)
    first = send(api, url)
    assert first.json()["run"] == 2
    assert_same_answer(first, send(api, url))
    api.fail(failed, run=2)
    assert_same_answer(first, send(api, url))
    assert runs_of(api, failed) == [1, 2]
    assert send(api, url, key='"another"').json()["run"] == 3


def test_a_replay_sent_again_finds_its_run(api: Api, failed: str) -> None:
    url = f"/v1/jobs/{failed}/replay"
    first = send(api, url, **{"from": "fetch"})
    assert_same_answer(first, send(api, url, **{"from": "fetch", "options": None}))
    assert runs_of(api, failed) == [1, 2]
    answer = send(api, url, **{"from": "fetch", "options": {"processing": "detailed"}})
    assert (answer.status_code, problem_of(answer)["code"]) == (422, "idempotency_key_reused")


def test_a_key_is_for_one_path(api: Api, failed: str) -> None:
    send(api)
    answer = send(api, f"/v1/jobs/{failed}/retry")
    assert (answer.status_code, problem_of(answer)["code"]) == (422, "idempotency_key_reused")
    assert runs_of(api, failed) == [1]


def test_the_run_of_a_purged_job_is_answered_again(api: Api, failed: str) -> None:
    first = send(api, f"/v1/jobs/{failed}/retry")
    api.fail(failed, run=2)
    assert api.client.delete(f"/v1/jobs/{failed}?purge=true").status_code == 204
    assert_same_answer(first, send(api, f"/v1/jobs/{failed}/retry"))


# the header


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ("abc", '"abc"'),
        ("8e03978e-40d5", '"8e03978e-40d5"'),
        ("*a/b:c~", '"*a/b:c~"'),
        (r'"a\\b\"c"', r'"a\\b\"c"'),
        ("k" * 255, f'"{"k" * 255}"'),
        ('"a,b;c=d"', '"a,b;c=d"'),
    ],
)
def test_a_key_may_be_quoted_or_not(api: Api, first: str, again: str) -> None:
    assert_same_answer(send(api, key=first), send(api, key=again))
    assert send(api, key="other").json()["id"] != send(api, key=first).json()["id"]


@pytest.mark.parametrize(
    "key",
    [
        *["", '""', '"', '"a', 'a"', '"a"b', "a b", '"a b"', "a,b", '"a", "b"', '"a";b=1', "a=b", "?1"],
        *[r'"\a"', '"ü"', "ü", '"a\x7f"', '"a\tb"', "k" * 256, f'"{"k" * 256}"'],
    ],
)
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/01a1fb67-1800-7226-b63c-5ab791b7584a/retry"])
def test_what_is_no_key_is_refused(api: Api, path: str, key: str) -> None:
    answer = api.client.post(path, json={"url": URL}, headers={b"Idempotency-Key": key.encode("latin-1")})
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"]) == (400, "invalid_idempotency_key")
    assert api.records.log == []


def test_two_keys_are_none(api: Api) -> None:
    answer = api.client.post(
        "/v1/jobs", json={"url": URL}, headers=[("Idempotency-Key", "a"), ("idempotency-key", "a")]
    )
    assert (answer.status_code, problem_of(answer)["code"]) == (400, "invalid_idempotency_key")


def test_the_header_is_described(api: Api) -> None:
    paths = api.client.get("/openapi.json").json()["paths"]
    described = {
        path
        for path, operations in paths.items()
        for parameter in operations.get("post", {}).get("parameters", ())
        if (parameter["name"], parameter["in"], parameter["required"]) == ("Idempotency-Key", "header", False)
    }
    rerun = {"/v1/jobs/{job_id}/retry", "/v1/jobs/{job_id}/replay", "/v1/dead-letters/{job_id}/retry"}
    assert described == {"/v1/jobs", "/v1/batches"} | rerun
