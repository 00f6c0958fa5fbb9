from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.schemas import JobRequest
from pipeline.composition import MAX_STAGES
from pipeline.errors import PayloadsUnavailable, RecordsUnavailable
from tests.support.api import MAX_BODY_BYTES, Api, problem_of

URL = "https://example.org/"


def test_a_job_is_accepted_with_the_place_to_ask_for_it(api: Api) -> None:
    answer = api.client.post("/v1/jobs", json={"url": URL})
    assert answer.status_code == 202
    body = answer.json()
    assert body == {"id": body["id"], "status": "queued", "url": f"/v1/jobs/{body['id']}", "cached": False}
    assert answer.headers["location"] == body["url"]
    assert answer.headers["retry-after"] == "1"


def test_a_job_can_be_read_at_once(api: Api) -> None:
    answer = api.client.post("/v1/jobs", json={"url": URL, "processing": "detailed", "lane": "urgent"})
    read = api.client.get(answer.headers["location"])
    assert read.status_code == 200
    job = read.json()
    expected = {"status": "queued", "progress": 0, "source_url": URL, "processing": "detailed", "lane": "urgent"}
    assert {name: job[name] for name in expected} == expected


def test_the_handler_does_one_transaction_and_one_publish(api: Api) -> None:
    api.submit()
    assert api.records.log == ["accept"]
    assert api.broker.log == ["publish fetch"]
    assert api.payloads.log == []


@pytest.mark.parametrize(
    ("body", "content", "content_type"),
    [
        ({"html": "<p>Grüße</p>"}, "<p>Grüße</p>", "text/html; charset=utf-8"),
        ({"text": "水"}, "水", "text/plain; charset=utf-8"),
        ({"text": ""}, "", "text/plain; charset=utf-8"),
        ({"text": "a\x00b"}, "a\x00b", "text/plain; charset=utf-8"),
    ],
)
def test_submitted_content_is_kept_as_it_came(api: Api, body: dict[str, str], content: str, content_type: str) -> None:
    source = api.records.job("default", api.submit(**body)).source
    assert api.payloads.get(source.body).decode() == content
    assert (source.content_type, source.url) == (content_type, None)


def test_a_job_may_name_its_stages(api: Api) -> None:
    job = api.client.get(f"/v1/jobs/{api.submit(url=URL, stages=['fetch', 'extract', 'store'])}").json()
    assert job["pipeline"] == "custom"
    assert [stage["name"] for stage in job["stages"]] == ["fetch", "extract", "store"]


ONE_SOURCE = "give exactly one of url, html and text"


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({}, "", ONE_SOURCE),
        ({"url": URL, "text": "x"}, "", ONE_SOURCE),
        ({"html": "x", "text": "x"}, "", ONE_SOURCE),
        ({"url": None}, "", ONE_SOURCE),
        ({"url": URL, "pipeline": "extract", "stages": ["fetch"]}, "", "give pipeline or stages, not both"),
        ({"url": URL, "colour": "red"}, "colour", "Extra inputs are not permitted"),
        ({"url": 7}, "url", "valid string"),
        ({"url": "x" * 8193}, "url", "at most 8192 characters"),
        ({"html": ["x"]}, "html", "valid string"),
        ({"text": {"a": 1}}, "text", "valid string"),
        ({"url": URL, "lane": "fast"}, "lane", "'urgent', 'normal' or 'bulk'"),
        ({"url": URL, "max_age_s": -1}, "max_age_s", "greater than or equal to 0"),
        ({"url": URL, "max_age_s": "NaN"}, "max_age_s", "finite number"),
        ({"url": URL, "processing": "deep"}, "processing", "'quick' or 'detailed'"),
        ({"url": URL, "pipeline": "No Such"}, "pipeline", "match pattern"),
        ({"url": URL, "stages": []}, "stages", "at least 1 item"),
        ({"url": URL, "stages": ["fetch"] * (MAX_STAGES + 1)}, "stages", f"at most {MAX_STAGES} items"),
        ({"url": URL, "stages": ["fetch", "../etc"]}, "stages.1", "match pattern"),
        ({"url": URL, "stages": "fetch"}, "stages", "valid list"),
        ([], "", "valid dictionary"),
        ("fetch this", "", "valid dictionary"),
    ],
)
def test_what_is_not_a_job_is_refused_with_the_field_and_the_reason(
    api: Api, body: object, field: str, message: str
) -> None:
    answer = api.client.post("/v1/jobs", json=body)
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert field in [error["field"] for error in problem["errors"]]
    assert message in problem["detail"]
    assert api.records.log == []


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        ({"pipeline": "fry"}, "unknown_pipeline", "known are summarize, analyze, extract"),
        ({"stages": ["fetch", "fry"]}, "unknown_stage", "known are fetch, extract"),
        (
            {"stages": ["fetch", "store"]},
            "misordered_stages",
            '"store" takes Content, but "fetch" before it gives Page',
        ),
        ({"stages": ["fetch", "fetch"]}, "misordered_stages", "only once"),
        ({"stages": ["fetch"]}, "misordered_stages", "the last stage has to give a Document"),
    ],
)
def test_an_order_that_does_not_fit_has_its_own_code(api: Api, asked: dict[str, Any], code: str, message: str) -> None:
    answer = api.client.post("/v1/jobs", json={"text": "x", **asked})
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"]) == (422, code)
    assert message in problem["detail"]
    assert api.records.log == api.payloads.log == []


@pytest.mark.parametrize("field", ["url", "html", "text", "pipeline"])
def test_half_of_a_surrogate_pair_is_refused(api: Api, field: str) -> None:
    body = f'{{"{field}": "http://example.org/\\ud800"}}'
    answer = api.client.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, problem_of(answer)["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    "body", [b"{", b'{"url": }', b"\xff\xfe{", b"[" * 5000, b'{"url": "a\nb"}', b'{"text": "\xff"}']
)
def test_what_is_not_json_is_refused(api: Api, body: bytes) -> None:
    answer = api.client.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, problem_of(answer)["code"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json", "text/json"]
)
def test_a_body_of_another_type_is_refused(api: Api, content_type: str) -> None:
    answer = api.client.post("/v1/jobs", content=b'{"url": "x"}', headers={"Content-Type": content_type})
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"]) == (415, "unsupported_media_type")
    assert "application/json" in problem["detail"]


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", "application/x+json"])
def test_json_by_any_of_its_names_is_accepted(api: Api, content_type: str) -> None:
    answer = api.client.post("/v1/jobs", content=b'{"url": "x"}', headers={"Content-Type": content_type})
    assert answer.status_code == 202


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_the_limit_is_refused_whether_it_says_so_or_not(api: Api, declared: bool) -> None:
    body = b'{"text": "' + b"x" * MAX_BODY_BYTES + b'"}'
    content = body if declared else (body[start : start + 1000] for start in range(0, len(body), 1000))
    answer = api.client.post("/v1/jobs", content=content, headers={"Content-Type": "application/json"})
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"]) == (413, "body_too_large")
    assert str(MAX_BODY_BYTES) in problem["detail"]
    assert api.records.log == []


def test_a_body_at_the_limit_is_accepted(api: Api) -> None:
    body = b'{"text": "' + b"x" * (MAX_BODY_BYTES - 12) + b'"}'
    assert len(body) == MAX_BODY_BYTES
    answer = api.client.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("service", "method", "error"),
    [
        ("records", "accept", RecordsUnavailable("password=hunter2")),
        ("payloads", "put", PayloadsUnavailable("password=hunter2")),
    ],
)
def test_when_it_cannot_be_recorded_nothing_is_accepted(api: Api, service: str, method: str, error: Exception) -> None:
    getattr(api, service).broken[method] = error
    answer = api.client.post("/v1/jobs", json={"text": "x"})
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"]) == (503, "service_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "hunter2" not in answer.text
    assert not api.broker.all_waiting()


def test_without_a_broker_jobs_are_accepted_all_the_same(api: Api) -> None:
    api.broker.is_down = True
    job_id = api.submit()
    assert api.client.get(f"/v1/jobs/{job_id}").json()["status"] == "queued"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from([*JobRequest.model_fields, "other"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=20),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=5,
        ),
        max_size=4,
    )
)
def test_no_body_is_a_defect(api: Api, body: dict[str, Any]) -> None:
    answer = api.client.post("/v1/jobs", json=body)
    assert answer.status_code in (202, 422), answer.text
    if answer.status_code == 422:
        problem_of(answer)


def test_without_a_browser_a_job_that_asks_for_one_is_refused(api: Api) -> None:
    answer = api.client.post("/v1/jobs", json={"url": URL, "render": True})
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"]) == (422, "render_unavailable")
    assert "penstock[render]" in problem["detail"]
    assert api.records.log == []


def test_a_job_may_ask_for_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(monkeypatch, render=True)
    accepted = api.client.post("/v1/jobs", json={"url": URL, "render": True, "pipeline": "extract"}).json()
    view = api.client.get(accepted["url"]).json()
    assert [stage["name"] for stage in view["stages"]] == ["render", "extract", "store"]
    content = api.client.post("/v1/jobs", json={"html": "<p>x", "render": True})
    assert "render needs a url" in problem_of(content)["detail"]
