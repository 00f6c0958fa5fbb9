from typing import Any

import pytest

from pipeline.errors import RecordsUnavailable
from tests.support.api import Api, problem_of

STAGES = ("fetch", "extract", "summarize", "store")
UNKNOWN = "01a1fb67-1800-7226-b63c-5ab791b7584a"


@pytest.fixture
def failed(api: Api) -> str:
    """A job that failed at `summarize`."""
    job_id = api.submit()
    api.finish(job_id, "fetch", "extract")
    api.fail(job_id, "summarize")
    return job_id


@pytest.fixture
def done(api: Api) -> str:
    job_id = api.submit()
    api.finish(job_id, *STAGES)
    return job_id


def replayed(api: Api, job_id: str, **body: Any) -> Any:
    return api.client.post(f"/v1/jobs/{job_id}/replay", json=body)


def test_a_retry_is_accepted_with_the_place_to_ask_for_it(api: Api, failed: str) -> None:
    api.broker.log.clear()
    answer = api.client.post(f"/v1/jobs/{failed}/retry")
    assert answer.status_code == 202
    assert answer.json() == {"id": failed, "status": "queued", "url": f"/v1/jobs/{failed}", "run": 2}
    assert answer.headers["location"] == f"/v1/jobs/{failed}"
    assert answer.headers["retry-after"] == "1"
    assert api.broker.log == ["publish summarize"]


def test_the_new_run_shows_what_it_took_over(api: Api, failed: str) -> None:
    api.client.post(f"/v1/jobs/{failed}/retry")
    job = api.client.get(f"/v1/jobs/{failed}").json()
    assert (job["status"], job["run"], job["stage"], job["progress"]) == ("queued", 2, "summarize", 50)
    assert [stage["status"] for stage in job["stages"]] == ["succeeded", "succeeded", "ready", "waiting"]
    assert (job["error"], job["finished_at"]) == (None, None)


def test_the_run_before_stays_readable(api: Api, failed: str) -> None:
    before = api.client.get(f"/v1/jobs/{failed}").json()
    api.client.post(f"/v1/jobs/{failed}/retry")
    api.finish(failed, "summarize", "store", run=2)
    assert api.client.get(f"/v1/jobs/{failed}?run=1").json() == before
    answer = api.client.get(f"/v1/jobs/{failed}/result?run=1")
    assert (answer.status_code, problem_of(answer)["code"]) == (409, "job_failed")
    assert api.client.get(f"/v1/jobs/{failed}/result?run=2").json()["run"] == 2
    assert api.client.get(f"/v1/jobs/{failed}/result").json()["run"] == 2


def test_a_run_that_is_asked_for_says_where_its_own_result_is(api: Api, done: str) -> None:
    replayed(api, done, **{"from": "store"})
    job = api.client.get(f"/v1/jobs/{done}?run=1").json()
    assert job["result_url"] == f"/v1/jobs/{done}/result?run=1"
    assert api.client.get(job["result_url"]).json()["run"] == 1


@pytest.mark.parametrize(("run", "status", "code"), [(2, 404, "run_not_found"), (0, 422, "invalid_request")])
@pytest.mark.parametrize("tail", ["", "/result"])
def test_a_run_that_is_not_there_is_not_found(
    api: Api, failed: str, tail: str, run: int, status: int, code: str
) -> None:
    answer = api.client.get(f"/v1/jobs/{failed}{tail}?run={run}")
    assert (answer.status_code, problem_of(answer)["code"]) == (status, code)


def test_all_runs_are_listed(api: Api, failed: str) -> None:
    api.client.post(f"/v1/jobs/{failed}/retry")
    api.finish(failed, "summarize", "store", run=2)
    replayed(api, failed, **{"from": "extract"})
    first, second, third = api.client.get(f"/v1/jobs/{failed}/runs").json()["items"]
    assert (first["run"], first["origin"], first["from_stage"], first["status"]) == (1, "submit", None, "failed")
    assert (first["error"]["code"], first["result_url"]) == ("dns_failure", None)
    assert (second["origin"], second["from_stage"], second["status"]) == ("retry", "summarize", "succeeded")
    assert second["result_url"] == f"/v1/jobs/{failed}/result?run=2"
    assert second["url"] == f"/v1/jobs/{failed}?run=2"
    assert (third["origin"], third["from_stage"], third["status"]) == ("replay", "extract", "queued")


def test_a_replay_may_have_other_options(api: Api, done: str) -> None:
    answer = replayed(api, done, **{"from": "extract", "options": {"processing": "detailed"}})
    assert (answer.status_code, answer.json()["run"]) == (202, 2)
    job = api.client.get(f"/v1/jobs/{done}").json()
    assert (job["processing"], job["stage"]) == ("detailed", "extract")
    assert api.client.get(f"/v1/jobs/{done}?run=1").json()["processing"] == "quick"


def test_a_replay_without_options_keeps_those_of_the_run_before(api: Api) -> None:
    job_id = api.submit(url="https://example.org/", processing="detailed")
    api.fail(job_id)
    for body in ({"from": "fetch"}, {"from": "fetch", "options": None}):
        assert replayed(api, job_id, **body).status_code == 202
        run = api.client.get(f"/v1/jobs/{job_id}").json()
        assert run["processing"] == "detailed"
        api.fail(job_id, run=run["run"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "from"),
        ({"from": 7}, "from"),
        ({"from": "../etc"}, "from"),
        ({"from": "extract", "stage": "x"}, "stage"),
        ({"from": "extract", "options": {"processing": "deep"}}, "options.processing"),
        ({"from": "extract", "options": {"colour": "red"}}, "options.colour"),
    ],
)
def test_what_is_no_replay_is_refused_with_the_field(api: Api, done: str, body: dict[str, Any], field: str) -> None:
    answer = replayed(api, done, **body)
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert [error["field"] for error in problem["errors"]] == [field]


def test_an_unfinished_job_is_not_run_again(api: Api) -> None:
    job_id = api.submit()
    for answer in (api.client.post(f"/v1/jobs/{job_id}/retry"), replayed(api, job_id, **{"from": "fetch"})):
        assert (answer.status_code, problem_of(answer)["code"]) == (409, "job_unfinished")
        assert answer.headers["retry-after"] == "1"


def test_what_succeeded_is_not_retried(api: Api, done: str) -> None:
    answer = api.client.post(f"/v1/jobs/{done}/retry")
    assert (answer.status_code, problem_of(answer)["code"]) == (409, "job_finished")


def test_a_stage_of_no_or_another_pipeline_is_unknown(api: Api, done: str) -> None:
    for stage in ("translate", "analyze"):
        answer = replayed(api, done, **{"from": stage})
        problem = problem_of(answer)
        assert (answer.status_code, problem["code"]) == (422, "unknown_stage")
        assert "fetch, extract, summarize, store" in problem["detail"]


def test_a_stage_whose_input_is_not_kept_names_the_earliest_that_can_run(api: Api, failed: str) -> None:
    answer = replayed(api, failed, **{"from": "store"})
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"], problem["earliest_stage"]) == (409, "input_expired", "fetch")


@pytest.mark.parametrize("job_id", [UNKNOWN, "nope"])
def test_a_job_that_is_not_there_has_no_runs(api: Api, job_id: str) -> None:
    answers = [
        api.client.post(f"/v1/jobs/{job_id}/retry"),
        replayed(api, job_id, **{"from": "fetch"}),
        api.client.get(f"/v1/jobs/{job_id}/runs"),
        api.client.get(f"/v1/jobs/{job_id}?run=1"),
    ]
    assert {(answer.status_code, problem_of(answer)["code"]) for answer in answers} == {(404, "job_not_found")}


def test_without_a_broker_a_retry_is_accepted_and_left_to_the_keeper(api: Api, failed: str) -> None:
    api.broker.is_down = True
    assert api.client.post(f"/v1/jobs/{failed}/retry").status_code == 202
    (suspect,) = api.records.unstarted(older_than_s=1000, limit=9)
    assert (suspect.key.job_id, suspect.key.run, suspect.key.stage) == (failed, 2, "summarize")


def test_without_the_records_nothing_is_accepted(api: Api, failed: str) -> None:
    api.records.broken["open_run"] = RecordsUnavailable("away")
    for answer in (api.client.post(f"/v1/jobs/{failed}/retry"), replayed(api, failed, **{"from": "fetch"})):
        assert (answer.status_code, problem_of(answer)["code"]) == (503, "service_unavailable")


# purging


def test_a_finished_job_is_purged_the_record_before_the_objects(api: Api, done: str) -> None:
    api.records.log.clear()
    api.payloads.log = api.records.log
    answer = api.client.delete(f"/v1/jobs/{done}?purge=true")
    assert (answer.status_code, answer.content) == (204, b"")
    assert api.records.log == ["purge", "delete_job"]
    assert api.payloads.inner.objects == {}
    assert api.client.get(f"/v1/jobs/{done}").status_code == 404
    again = api.client.delete(f"/v1/jobs/{done}?purge=true")
    assert (again.status_code, problem_of(again)["code"]) == (404, "job_not_found")


def test_an_unfinished_job_is_not_purged(api: Api) -> None:
    job_id = api.submit(text="Some text.")
    answer = api.client.delete(f"/v1/jobs/{job_id}?purge=true")
    assert (answer.status_code, problem_of(answer)["code"]) == (409, "job_unfinished")
    assert len(api.payloads.inner.objects) == 1
    assert api.client.get(f"/v1/jobs/{job_id}").json()["status"] == "queued"


def test_without_purge_a_delete_cancels(api: Api) -> None:
    job_id = api.submit()
    assert api.client.delete(f"/v1/jobs/{job_id}?purge=false").json()["status"] == "cancelled"
