from typing import Any

import pytest

from orchestration.bulk import JOBS_PER_TURN, SAMPLE, BulkWork
from tests.support.api import Api, problem_of

UNKNOWN = "01a1fb67-1800-7226-b63c-5ab791b7584a"
DEAD: dict[str, Any] = {"action": "retry", "filter": {}}


def act(api: Api, **body: Any) -> Any:
    return api.client.post("/v1/jobs/bulk-actions", json=body)


def failed(api: Api, number: int = 1, **error: Any) -> list[str]:
    ids = []
    for _ in range(number):
        ids.append(api.submit())
        api.fail(ids[-1], **error)
    return ids


def turn(api: Api) -> int:
    """What the keeper does."""
    return BulkWork(api.wiring.records, api.wiring.app, api.clock, api.wiring.reruns).turn()


def test_a_preview_counts_and_changes_nothing(api: Api) -> None:
    ids = failed(api, SAMPLE + 2)
    failed(api, code="http_gone")
    api.records.log.clear()
    answer = act(api, action="retry", filter={"code": "dns_failure"}, preview=True)
    assert answer.status_code == 200
    assert (answer.json()["count"], [job["id"] for job in answer.json()["sample"]]) == (SAMPLE + 2, ids[:1:-1])
    assert api.records.log == ["count", "jobs"]


def test_a_preview_of_ids_shows_those_there_are(api: Api) -> None:
    first, second = failed(api, 2)
    answer = act(api, action="retry", ids=[first, UNKNOWN, second.upper()], preview=True)
    assert (answer.json()["count"], [job["id"] for job in answer.json()["sample"]]) == (2, [second, first])


def test_an_action_is_accepted_with_the_place_to_ask_for_it(api: Api) -> None:
    failed(api, 3)
    answer = act(api, **DEAD)
    assert answer.status_code == 202
    view = answer.json()
    assert answer.headers["location"] == view["url"] == f"/v1/bulk-actions/{view['id']}"
    expected = {"action": "retry", "from": None, "status": "running", "total": 3, "done": 0, "failed": 0}
    assert {name: view[name] for name in expected} == expected
    assert (view["reasons"], view["failures"], view["finished_at"]) == ({}, [], None)
    assert api.client.get(view["url"]).json() == view


def test_its_runs_are_shown_on_the_bulk_lane_and_the_job_on_its_own(api: Api) -> None:
    job_id = api.submit(url="https://example.org/", lane="urgent")
    api.fail(job_id)
    act(api, **DEAD)
    turn(api)
    runs = api.client.get(f"/v1/jobs/{job_id}/runs").json()["items"]
    assert [run["lane"] for run in runs] == ["urgent", "bulk"]
    assert api.client.get(f"/v1/jobs/{job_id}").json()["lane"] == "urgent"


def test_its_progress_can_be_read_until_it_has_finished(api: Api) -> None:
    ids = failed(api, JOBS_PER_TURN + 1)
    url = act(api, **DEAD).json()["url"]
    assert turn(api) == JOBS_PER_TURN
    view = api.client.get(url).json()
    assert (view["status"], view["done"]) == ("running", JOBS_PER_TURN)
    assert (turn(api), turn(api)) == (1, 0)
    view = api.client.get(url).json()
    assert (view["status"], view["done"], view["failed"]) == ("finished", len(ids), 0)
    assert view["finished_at"] is not None
    assert {api.client.get(f"/v1/jobs/{job_id}").json()["run"] for job_id in ids} == {2}


def test_what_could_not_be_done_is_told_with_its_reason(api: Api) -> None:
    queued = api.submit()
    url = act(api, action="retry", ids=[queued, UNKNOWN]).json()["url"]
    turn(api)
    view = api.client.get(url).json()
    assert (view["status"], view["failed"]) == ("finished", 2)
    assert view["reasons"] == {"job_unfinished": 1, "job_not_found": 1}
    assert {failure["job_id"]: failure["code"] for failure in view["failures"]} == {
        queued: "job_unfinished",
        UNKNOWN: "job_not_found",
    }


def test_a_retry_means_dead_letters_unless_it_says_otherwise(api: Api) -> None:
    (letter,) = failed(api)
    (discarded,) = failed(api)
    cancelled = api.submit()
    api.client.delete(f"/v1/jobs/{cancelled}")
    api.client.delete(f"/v1/dead-letters/{discarded}")
    sample = act(api, **DEAD, preview=True).json()["sample"]
    assert [job["id"] for job in sample] == [letter]
    sample = act(api, action="retry", filter={"status": "cancelled"}, preview=True).json()["sample"]
    assert [job["id"] for job in sample] == [cancelled]


def test_a_replay_has_a_stage_and_may_have_options(api: Api) -> None:
    job_id = api.submit()
    api.finish(job_id, "fetch", "extract", "summarize", "store")
    wish = {"action": "replay", "from": "extract", "options": {"processing": "detailed"}}
    view = act(api, **wish, filter={"status": "succeeded"}).json()
    assert (view["from"], view["total"]) == ("extract", 1)
    turn(api)
    job = api.client.get(f"/v1/jobs/{job_id}").json()
    assert (job["run"], job["stage"], job["processing"]) == (2, "extract", "detailed")


def test_jobs_are_cancelled_and_letters_discarded_in_bulk(api: Api) -> None:
    (letter,) = failed(api)
    queued = api.submit()
    act(api, action="discard", filter={})
    act(api, action="cancel", filter={"status": "queued"})
    assert turn(api) == 2
    assert api.client.get("/v1/dead-letters").json()["items"] == []
    assert api.client.get(f"/v1/jobs/{queued}").json()["status"] == "cancelled"
    assert api.client.get(f"/v1/jobs/{letter}").json()["status"] == "failed"


def test_an_action_can_be_aborted_and_says_so(api: Api) -> None:
    ids = failed(api, JOBS_PER_TURN + 3)
    url = act(api, **DEAD).json()["url"]
    turn(api)
    for _ in range(2):
        aborted = api.client.post(f"{url}/abort")
        assert aborted.status_code == 200
        view = aborted.json()
        assert (view["status"], view["total"], view["done"]) == ("aborted", len(ids), JOBS_PER_TURN)
    assert turn(api) == 0


def test_actions_are_listed_in_pages_the_newest_first(api: Api) -> None:
    failed(api)
    views = []
    for _ in range(3):
        api.clock.advance(1)
        views.append(act(api, **DEAD).json())
    first = api.client.get("/v1/bulk-actions?limit=2").json()
    for view in views:
        assert view.pop("failures") == []
    assert first["items"] == [views[2], views[1]]
    second = api.client.get(first["next"]).json()
    assert (second["items"], second["next"]) == ([views[0]], None)


@pytest.mark.parametrize(("query", "field"), [("limit=0", "limit"), ("cursor=x", "cursor"), ("code=no", "code")])
def test_a_page_that_makes_no_sense_is_refused(api: Api, query: str, field: str) -> None:
    problem = problem_of(api.client.get(f"/v1/bulk-actions?{query}"))
    assert (problem["code"], [error["field"] for error in problem["errors"]]) == ("invalid_request", [field])


@pytest.mark.parametrize("action_id", [UNKNOWN, "nope"])
def test_an_action_that_is_not_there_is_not_found(api: Api, action_id: str) -> None:
    url = f"/v1/bulk-actions/{action_id}"
    for answer in (api.client.get(url), api.client.post(f"{url}/abort")):
        assert (answer.status_code, problem_of(answer)["code"]) == (404, "bulk_action_not_found")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"action": "retry"}, "give either filter or ids"),
        ({"action": "retry", "filter": {}, "ids": [UNKNOWN]}, "give either filter or ids"),
        ({"action": "fry", "filter": {}}, "'retry', 'replay', 'discard' or 'cancel'"),
        ({"action": "retry", "ids": []}, "at least 1 item"),
        ({"action": "retry", "ids": ["nope"]}, "ids.0"),
        ({"action": "retry", "ids": [UNKNOWN] * 1001}, "at most 1000 items"),
        ({"action": "retry", "filter": {"colour": "red"}}, "filter.colour"),
        ({"action": "retry", "filter": {"created_after": "2026-01-01T00:00:00"}}, "filter.created_after"),
        ({"action": "retry", "filter": {"status": "succeeded"}}, "one of failed, cancelled for retry"),
        ({"action": "discard", "filter": {"status": "cancelled"}}, "one of failed for discard"),
        ({"action": "cancel", "filter": {}}, "one of queued, running for cancel"),
        ({"action": "replay", "from": "fetch", "filter": {}}, "one of succeeded, failed, cancelled for replay"),
        ({"action": "replay", "filter": {"status": "failed"}}, "give from for a replay"),
        ({"action": "retry", "filter": {}, "from": "fetch"}, "give from for a replay"),
        ({"action": "retry", "filter": {}, "options": {}}, "give options for a replay only"),
    ],
)
def test_what_makes_no_sense_is_refused(api: Api, body: dict[str, Any], message: str) -> None:
    answer = act(api, **body)
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert message in problem["detail"]
    assert api.records.log == []


def test_a_filter_takes_several_states_and_what_jobs_were_submitted_with(api: Api) -> None:
    meant = {api.submit(url="https://example.org/", tags=["old", "x"]) for _ in range(3)}
    api.start(min(meant), "fetch")
    api.submit(url="https://example.org/", tags=["x"])
    api.submit(url="https://example.com/", tags=["old"])
    asked = {"status": ["queued", "running"], "tag": ["old"], "host": "example.org", "q": "https://example.org/"}
    answer = api.client.post("/v1/jobs/bulk-actions", json={"action": "cancel", "filter": asked, "preview": True})
    assert answer.status_code == 200, answer.text
    assert {job["id"] for job in answer.json()["sample"]} == meant


@pytest.mark.parametrize("status", [["queued", "failed"], [], None])
def test_each_of_several_states_has_to_fit(api: Api, status: object) -> None:
    answer = api.client.post("/v1/jobs/bulk-actions", json={"action": "cancel", "filter": {"status": status}})
    assert (answer.status_code, problem_of(answer)["code"]) == (422, "invalid_request")
    assert "filter.status" in problem_of(answer)["detail"]
