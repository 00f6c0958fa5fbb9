"""Quotas over HTTP: what answers say, and what is refused."""

from typing import Any

import pytest

from pipeline.tenants import Tenant
from tests.support.api import Api, problem_of

TEXT = {"text": "Water falls."}


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Api:
    return Api(
        monkeypatch,
        quota_requests_per_minute=5,
        quota_jobs_in_flight=2,
        quota_bytes_per_day=30,
    )


def refused(answer: Any, code: str) -> int:
    """The seconds after which to try again."""
    assert answer.status_code == 429
    problem = problem_of(answer)
    assert problem["code"] == code
    wait_s = int(answer.headers["retry-after"])
    assert f"try again in {wait_s} s" in problem["detail"]
    return wait_s


def test_without_a_quota_nothing_is_said_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Api(monkeypatch).client.get("/v1/jobs")
    assert not [name for name in answer.headers if name.startswith("ratelimit")]


def test_every_answer_says_how_many_requests_are_left(limited: Api) -> None:
    for left, path in ((4, "/v1/jobs"), (3, "/v1/nothing"), (2, "/openapi.json")):
        headers = limited.client.get(path).headers
        assert headers["ratelimit-policy"] == '"requests";q=5;w=60'
        assert headers["ratelimit"].startswith(f'"requests";r={left};t=')
    assert "ratelimit" not in limited.client.get("/healthz").headers


def test_a_request_too_many_is_refused_and_others_have_their_own(limited: Api) -> None:
    for _ in range(5):
        assert limited.client.get("/v1/jobs").status_code == 200
    answer = limited.client.get("/v1/jobs")
    assert 1 <= refused(answer, "too_many_requests") <= 60
    assert answer.headers["ratelimit"].startswith('"requests";r=0;t=')
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert limited.client.get("/v1/jobs", headers=limited.bearer(tenant_id="other")).status_code == 200
    assert limited.client.get("/healthz").status_code == 200


def test_a_tenant_may_have_quotas_of_its_own(limited: Api) -> None:
    limited.records.set_tenant(Tenant("default", quotas={"requests_per_minute": None, "jobs_in_flight": 3}))
    for _ in range(3):
        assert limited.client.post("/v1/jobs", json={"url": "https://example.org/"}).status_code == 202
    refused(limited.client.post("/v1/jobs", json={"url": "https://example.org/"}), "too_many_jobs")
    for _ in range(5):
        assert "ratelimit" not in limited.client.get("/v1/jobs").headers


def test_a_job_too_many_is_refused_and_leaves_nothing(limited: Api) -> None:
    for _ in range(2):
        limited.submit()
    refused(limited.client.post("/v1/jobs", json=TEXT), "too_many_jobs")
    assert limited.payloads.inner.objects == {}


def test_a_retry_too_many_is_refused(limited: Api) -> None:
    failed = limited.submit()
    limited.fail(failed)
    for _ in range(2):
        limited.submit()
    refused(limited.client.post(f"/v1/jobs/{failed}/retry"), "too_many_jobs")


def test_content_beyond_the_day_s_is_refused_and_not_kept(limited: Api) -> None:
    assert limited.client.post("/v1/jobs", json=TEXT).status_code == 202
    kept = set(limited.payloads.inner.objects)
    answer = limited.client.post("/v1/jobs", json={"text": "Water falls and falls."})
    assert 0 < refused(answer, "too_many_bytes") <= 86_400
    assert set(limited.payloads.inner.objects) == kept


def test_items_of_a_batch_that_are_too_many_are_told_by_their_index(limited: Api) -> None:
    view = limited.client.post("/v1/batches", json={"items": [TEXT, TEXT, TEXT, {"nonsense": 1}]}).json()
    assert (view["accepted"], view["rejected_total"]) == (2, 2)
    assert [(each["index"], each["code"]) for each in view["rejected"]] == [
        (2, "too_many_jobs"),
        (3, "invalid_request"),
    ]
    assert len(limited.payloads.inner.objects) == 2
