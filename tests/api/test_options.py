from collections.abc import Iterator

import pytest

from tests.support.api import Api, problem_of

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}}
ASKED = {
    "length": "short",
    "language": "de",
    "audience": "sailors",
    "prompt": "Mind the tides.",
    "model": "large",
    "schema": SCHEMA,
}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    api = Api(monkeypatch, llm_base_url="http://localhost:9/v1", llm_model="small", llm_other_models="large, huge")
    yield api
    api.client.close()


def test_all_options_go_with_the_job(api: Api) -> None:
    answer = api.client.post("/v1/jobs", json={"text": "Boats.", **ASKED})
    assert answer.status_code == 202, answer.text
    job = api.records.inner.job("default", answer.json()["id"])
    kept = job.options.model_dump(mode="json")
    assert {name: kept[name] for name in ASKED} == ASKED


def test_jobs_with_other_options_are_not_alike(api: Api) -> None:
    first = api.client.post("/v1/jobs", json={"text": "Boats.", "schema": SCHEMA})
    other = {**SCHEMA, "required": ["name"]}
    again = api.client.post("/v1/jobs", json={"text": "Boats.", "schema": other, "dedupe": {"max_age_s": 60}})
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] != again.json()["id"]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"model": "unknown"}, "model_not_allowed"),
        ({"prompt": "x" * 2_001}, "prompt_not_allowed"),
        ({"schema": {"type": "object", "$ref": "http://169.254.169.254/"}}, "invalid_request"),
        ({"schema": {"type": "object", "properties": {"a": {"pattern": "(a+)+"}}}}, "invalid_request"),
        ({"length": "endless"}, "invalid_request"),
    ],
)
def test_what_is_not_on_offer_is_refused(api: Api, asked: dict[str, object], code: str) -> None:
    answer = api.client.post("/v1/jobs", json={"text": "Boats.", **asked})
    assert (answer.status_code, problem_of(answer)["code"]) == (422, code)


def test_without_a_language_model_data_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(monkeypatch)
    answer = api.client.post("/v1/jobs", json={"text": "Boats.", "schema": SCHEMA})
    assert (answer.status_code, problem_of(answer)["code"]) == (422, "no_language_model")
    assert "schema" in problem_of(answer)["detail"]


def test_a_replay_and_a_bulk_action_are_held_to_the_same(api: Api) -> None:
    job = api.client.post("/v1/jobs", json={"text": "Boats."}).json()["id"]
    options = {"model": "unknown"}
    replay = api.client.post(f"/v1/jobs/{job}/replay", json={"from": "summarize", "options": options})
    bulk = {"action": "replay", "ids": [job], "from": "summarize", "options": options}
    many = api.client.post("/v1/jobs/bulk-actions", json=bulk)
    assert [problem_of(answer)["code"] for answer in (replay, many)] == ["model_not_allowed"] * 2
