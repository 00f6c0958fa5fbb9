"""A job that has done the same may be taken instead of a new one."""

from typing import Any

import pytest

from tests.support.api import Api, problem_of

STAGES = ("fetch", "extract", "summarize", "store")
DAY = {"max_age_s": 86_400}
TEXT = {"text": "Water falls."}


def post(api: Api, **body: Any) -> tuple[int, dict[str, Any]]:
    api.clock.advance(0.001)
    answer = api.client.post("/v1/jobs", json=body)
    return answer.status_code, answer.json()


@pytest.mark.parametrize("source", [TEXT, {"html": "<p>Water"}, {"url": "https://example.org/"}])
def test_a_finished_job_is_named_instead(api: Api, source: dict[str, str]) -> None:
    job_id = api.submit(**source)
    api.finish(job_id, *STAGES)
    api.payloads.log.clear()
    status, body = post(api, **source, dedupe=DAY, tags=["other"])
    assert (status, body) == (200, {"id": job_id, "status": "succeeded", "url": f"/v1/jobs/{job_id}", "cached": True})
    assert api.payloads.log == []
    assert len(api.client.get("/v1/jobs").json()["items"]) == 1


def test_what_differs_is_a_new_job(api: Api) -> None:
    job_id = api.submit(**TEXT)
    api.finish(job_id, *STAGES)
    for body in ({"text": "Water fell."}, {**TEXT, "pipeline": "extract"}, {**TEXT, "processing": "detailed"}):
        status, answer = post(api, **body, dedupe=DAY)
        assert (status, answer["status"], answer["cached"]) == (202, "queued", False)


def test_without_asking_there_is_always_a_new_one(api: Api) -> None:
    api.finish(api.submit(**TEXT), *STAGES)
    assert post(api, **TEXT)[0] == 202


def test_one_that_is_too_old_unfinished_or_failed_will_not_do(api: Api) -> None:
    old, failed, _unfinished = api.submit(**TEXT), api.submit(**TEXT), api.submit(**TEXT)
    api.finish(old, *STAGES)
    api.clock.advance(11)
    api.fail(failed)
    assert post(api, **TEXT, dedupe={"max_age_s": 10})[0] == 202
    assert post(api, **TEXT, dedupe={"max_age_s": 20})[1]["id"] == old


def test_uploads_too(api: Api) -> None:
    key = api.bearer()

    def upload(content: bytes) -> Any:
        data = {"job": '{"dedupe": {"max_age_s": 60}}'}
        return api.client.post("/v1/jobs", files={"file": ("a.txt", content)}, data=data, headers=key)

    first = upload(b"Water falls.")
    assert first.status_code == 202
    api.finish(first.json()["id"], *STAGES)
    again = upload(b"Water falls.")
    assert (again.status_code, again.json()["id"], again.json()["cached"]) == (200, first.json()["id"], True)
    assert upload(b"Water fell.").status_code == 202


@pytest.mark.parametrize("dedupe", [{}, {"max_age_s": 0}, {"max_age_s": 1e9}, {"max_age_s": 1, "more": 1}, 60, "yes"])
def test_a_limit_that_makes_no_sense_is_refused(api: Api, dedupe: Any) -> None:
    answer = api.client.post("/v1/jobs", json={**TEXT, "dedupe": dedupe})
    assert (answer.status_code, problem_of(answer)["code"]) == (422, "invalid_request")


def test_an_unknown_pipeline_is_refused_as_ever(api: Api) -> None:
    answer = api.client.post("/v1/jobs", json={**TEXT, "pipeline": "none", "dedupe": DAY})
    assert (answer.status_code, problem_of(answer)["code"]) == (422, "unknown_pipeline")
