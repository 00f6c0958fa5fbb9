from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import pytest

from pipeline.errors import RecordsUnavailable
from pipeline.ids import Claim, Hold
from pipeline.job import JobError
from pipeline.ports import Finished
from pipeline.work import Grant
from tests.support.api import Api, problem_of

STAGES = ("fetch", "extract", "summarize", "store")
NO_IDS = ["nope", "0198", "%00", "..", "01a1fb67180072 26b63c5ab791b7584a", "{01a1fb67-1800-7226-b63c-5ab791b7584a}"]
UNKNOWN = "01a1fb67-1800-7226-b63c-5ab791b7584a"


def test_a_fresh_job_shows_all_of_its_stages(api: Api) -> None:
    job_id = api.submit()
    job = api.client.get(f"/v1/jobs/{job_id}").json()
    assert [(stage["name"], stage["status"], stage["attempts"]) for stage in job["stages"]] == [
        ("fetch", "ready", 0),
        ("extract", "waiting", 0),
        ("summarize", "waiting", 0),
        ("store", "waiting", 0),
    ]
    assert (job["stage"], job["progress"], job["attempts"], job["run"]) == ("fetch", 0, 0, 1)
    assert (job["result_url"], job["error"], job["finished_at"]) == (None, None, None)
    assert job["url"] == f"/v1/jobs/{job_id}"


def test_a_running_job_shows_where_it_is(api: Api) -> None:
    job_id = api.submit()
    api.finish(job_id, "fetch")
    api.start(job_id, "extract")
    job = api.client.get(f"/v1/jobs/{job_id}").json()
    assert (job["status"], job["stage"], job["progress"], job["attempts"]) == ("running", "extract", 37, 1)
    fetch, extract, *_ = job["stages"]
    assert (fetch["status"], fetch["duration_s"]) == ("succeeded", 2.0)
    assert [attempt["outcome"] for attempt in fetch["timeline"]] == ["succeeded"]
    assert [attempt["outcome"] for attempt in extract["timeline"]] == [None]


def test_a_stage_that_is_done_in_parts_shows_how_many_are_done(api: Api) -> None:
    job_id = api.submit()
    hold = api.start(job_id, "fetch")
    ended = Finished(api.clock.now(), 1.0)
    inputs = [Claim(f"default/{job_id}/1/fetch.parts-{number}", f"{number}", 1, "text/plain") for number in range(3)]
    assert api.records.split(hold, inputs, 2, ended) is not None
    key = replace(hold.key, part=1)
    granted = api.records.claim(key, owner="worker", lease_s=30.0, at=api.clock.now())
    assert isinstance(granted, Grant)
    assert api.records.complete_part(Hold(key, granted.epoch), inputs[0], ended) is not None
    job = api.client.get(f"/v1/jobs/{job_id}").json()
    assert (job["status"], job["stage"], job["progress"]) == ("running", "fetch", 12)
    assert [(stage["status"], stage["parts"]) for stage in job["stages"][:2]] == [
        ("split", {"done": 1, "total": 3}),
        ("waiting", None),
    ]
    assert [attempt["outcome"] for attempt in job["stages"][0]["timeline"]] == ["split"]
    assert len(api.client.get("/v1/jobs", params={"stage": "fetch"}).json()["items"]) == 1


def test_a_stage_shows_how_many_results_it_refused_from_workers_taken_for_dead(api: Api) -> None:
    job_id = api.submit()
    hold = api.start(job_id, "fetch")
    api.clock.advance(31)
    (suspect,) = api.records.lapsed(limit=9)
    api.records.reclaim(suspect, at=api.clock.now())
    broken = JobError("dns_failure", "No such host.", "fetch")
    assert not api.records.fail(hold, broken, spends=True, ended=Finished(api.clock.now(), 1.0))
    job = api.client.get(f"/v1/jobs/{job_id}").json()
    assert [stage["stale_writes"] for stage in job["stages"]] == [1, 0, 0, 0]


def test_a_done_job_gives_its_document(api: Api) -> None:
    job_id = api.submit()
    document = api.finish(job_id, *STAGES)
    job = api.client.get(f"/v1/jobs/{job_id}").json()
    assert (job["status"], job["progress"], job["stage"]) == ("succeeded", 100, None)
    assert job["result_url"] == f"/v1/jobs/{job_id}/result"
    answer = api.client.get(job["result_url"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.content == document.to_bytes()
    assert answer.json()["metadata"]["title"] == "Ünïcödé"


def failed(api: Api, error: JobError) -> str:
    job_id = api.submit()
    hold = api.start(job_id, "fetch")
    api.records.fail(hold, error, spends=True, ended=Finished(api.clock.now(), 1.0))
    return job_id


def test_a_failed_job_says_why_and_whether_a_retry_helps(api: Api) -> None:
    job_id = failed(api, JobError("dns_failure", "No such host.", "fetch"))
    job = api.client.get(f"/v1/jobs/{job_id}").json()
    told = {"code": "dns_failure", "message": "No such host.", "stage": "fetch", "retryable": True}
    assert (job["status"], job["error"]) == ("failed", told)
    assert job["stages"][0]["error"] == job["stages"][0]["timeline"][0]["error"] == told


def test_the_traceback_of_a_defect_stays_inside(api: Api) -> None:
    job_id = failed(api, JobError("internal_error", "KeyError in fetch", "fetch", "Traceback: password=hunter2"))
    for path in (f"/v1/jobs/{job_id}", "/v1/jobs", f"/v1/jobs/{job_id}/result"):
        assert "hunter2" not in api.client.get(path).text


def test_why_there_is_no_result(api: Api) -> None:
    unfinished, running, cancelled = (api.submit() for _ in range(3))
    api.start(running, "fetch")
    api.client.delete(f"/v1/jobs/{cancelled}")
    broken = failed(api, JobError("http_not_found", "It is not there.", "fetch"))
    expected = {
        unfinished: ("job_unfinished", f"job {unfinished} is still queued"),
        running: ("job_unfinished", f"job {running} is still running"),
        cancelled: ("job_cancelled", "The job was cancelled."),
        broken: ("job_failed", "The job failed: It is not there. (http_not_found)"),
    }
    for job_id, (code, detail) in expected.items():
        answer = api.client.get(f"/v1/jobs/{job_id}/result")
        problem = problem_of(answer)
        assert (answer.status_code, problem["code"], problem["detail"]) == (409, code, detail)
        assert ("retry-after" in answer.headers) == (code == "job_unfinished")


@pytest.mark.parametrize(("damage", "code"), [("gone", "payload_missing"), ("changed", "payload_corrupt")])
def test_a_result_that_was_lost_is_gone(api: Api, damage: str, code: str) -> None:
    job_id = api.submit()
    api.finish(job_id, *STAGES)
    objects = api.payloads.inner.objects
    for key in list(objects):
        objects[key] = b"?"
        if damage == "gone":
            del objects[key]
    answer = api.client.get(f"/v1/jobs/{job_id}/result")
    assert (answer.status_code, problem_of(answer)["code"]) == (410, code)


@pytest.mark.parametrize("job_id", [*NO_IDS, UNKNOWN])
@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("GET", "/result"), ("DELETE", "")])
def test_a_job_that_is_not_there_is_not_found_whatever_its_name(api: Api, job_id: str, method: str, tail: str) -> None:
    if job_id == "..":
        job_id = "%2E%2E"
    answer = api.client.request(method, f"/v1/jobs/{job_id}{tail}")
    assert (answer.status_code, problem_of(answer)["code"]) == (404, "job_not_found")


def test_an_id_is_known_in_capitals_too(api: Api) -> None:
    job_id = api.submit()
    assert api.client.get(f"/v1/jobs/{job_id.upper()}").json()["id"] == job_id


# listing


def pages(api: Api, path: str) -> list[list[str]]:
    found: list[list[str]] = []
    following: str | None = path
    while following:
        page: dict[str, Any] = api.client.get(following).json()
        found.append([job["id"] for job in page["items"]])
        following = page["next"]
    return found


def test_jobs_are_listed_newest_first(api: Api) -> None:
    ids = [api.submit() for _ in range(3)]
    page = api.client.get("/v1/jobs").json()
    assert [job["id"] for job in page["items"]] == ids[::-1]
    assert page["next"] is None
    assert "stages" not in page["items"][0]
    assert all(newer["created_at"] > older["created_at"] for newer, older in pairwise(page["items"]))


@pytest.mark.parametrize(("limit", "sizes"), [(2, [2, 2, 1]), (5, [5]), (4, [4, 1]), (1, [1] * 5), (200, [5])])
def test_the_pages_together_are_all_jobs_once(api: Api, limit: int, sizes: list[int]) -> None:
    ids = [api.submit() for _ in range(5)]
    found = pages(api, f"/v1/jobs?limit={limit}")
    assert [len(page) for page in found] == sizes
    assert [job_id for page in found for job_id in page] == ids[::-1]


def test_a_job_submitted_meanwhile_shifts_no_page(api: Api) -> None:
    ids = [api.submit() for _ in range(4)]
    following = api.client.get("/v1/jobs?limit=2").json()["next"]
    api.submit()
    assert [job["id"] for job in api.client.get(following).json()["items"]] == ids[1::-1]


def test_the_filter_goes_along_with_the_pages(api: Api) -> None:
    ids = [api.submit() for _ in range(6)]
    for job_id in ids[::2]:
        api.client.delete(f"/v1/jobs/{job_id}")
    assert pages(api, "/v1/jobs?limit=2&status=cancelled") == [ids[4:1:-2], ids[:1]]
    assert pages(api, "/v1/jobs?status=queued") == [ids[::-2]]
    assert pages(api, "/v1/jobs?status=succeeded") == [[]]


def test_failed_jobs_are_found_by_what_failed(api: Api) -> None:
    ids = [
        failed(api, JobError(code, "No.", stage)) for stage, code in (("fetch", "dns_failure"), ("fetch", "http_gone"))
    ]
    assert pages(api, "/v1/jobs?stage=fetch&limit=1") == [[ids[1]], [ids[0]]]
    assert pages(api, "/v1/jobs?code=dns_failure") == [[ids[0]]]
    assert pages(api, "/v1/jobs?stage=extract") == [[]]


def test_jobs_are_found_by_when_they_were_submitted(api: Api) -> None:
    ids = [api.submit() for _ in range(3)]
    moments = [quote(api.client.get(f"/v1/jobs/{job_id}").json()["created_at"]) for job_id in ids]
    assert pages(api, f"/v1/jobs?created_after={moments[1]}&limit=1") == [[ids[2]], [ids[1]]]
    assert pages(api, f"/v1/jobs?created_before={moments[1]}") == [[ids[0]]]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("status=odd", "status"),
        ("status=failed&status=odd", "status"),
        ("tag=", "tag"),
        ("tag=a%00b", "tag"),
        ("&".join(["tag=a"] * 21), "tag"),
        ("stage=%00", "stage"),
        ("code=%00", "code"),
        ("host=%00", "host"),
        ("lane=fast", "lane"),
        ("q=", "q"),
        ("q=a%0Ab", "q"),
        (f"q={'x' * 513}", "q"),
        ("fields=id,colour", "fields"),
        ("fields=", "fields"),
        ("created_after=0001-01-01T00:00:00%2B12:00", "created_after"),
        ("cursor=x", "cursor"),
        ("created_after=yesterday", "created_after"),
        ("created_before=2026-01-01T00:00:00", "created_before"),
        ("colour=red", "colour"),
    ],
)
def test_what_cannot_be_listed_is_refused(api: Api, query: str, field: str) -> None:
    answer = api.client.get(f"/v1/jobs?{query}")
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert [error["field"] for error in problem["errors"]] == [field]


def test_jobs_are_listed_by_what_they_were_submitted_with(api: Api) -> None:
    site = "https://Example.org/News/1"
    both = api.submit(url=site, tags=["a", "b"], pipeline="extract", lane="bulk")
    one = api.submit(url="https://example.com/news/2", tags=["a"])
    found = {
        "tag=a": [one, both],
        "tag=a&tag=b": [both],
        "host=EXAMPLE.org": [both],
        "pipeline=extract": [both],
        "lane=bulk": [both],
        "stage=fetch": [one, both],
        "q=example.": [one, both],
        f"q={quote(site)}": [both],
        "q=example.org/n": [],
        "q=example.org/N&tag=a": [both],
        "created_after=0001-01-01T00:00:00Z&created_before=9999-12-31T23:59:59Z": [one, both],
    }
    for query, ids in found.items():
        listed = pages(api, f"/v1/jobs?{query}&limit=1")
        assert [job_id for page in listed for job_id in page] == ids, query


def test_jobs_in_one_of_several_states_are_listed_together(api: Api) -> None:
    ids = [api.submit() for _ in range(6)]
    for job_id in ids[::3]:
        api.client.delete(f"/v1/jobs/{job_id}")
    for job_id in ids[1::3]:
        api.fail(job_id)
    meant = [ids[4], ids[3], ids[1], ids[0]]
    assert pages(api, "/v1/jobs?limit=3&status=cancelled&status=failed") == [meant[:3], meant[3:]]


def test_fields_that_are_not_asked_for_are_left_out_on_every_page(api: Api) -> None:
    ids = [api.submit() for _ in range(3)]
    page = api.client.get("/v1/jobs?fields=id,status&limit=2")
    assert page.headers["content-type"] == "application/json"
    assert page.json()["items"] == [{"id": job_id, "status": "queued"} for job_id in ids[:0:-1]]
    assert api.client.get(page.json()["next"]).json() == {"items": [{"id": ids[0], "status": "queued"}], "next": None}


# cancelling


def test_cancelling_ends_a_job_at_once_and_can_be_repeated(api: Api) -> None:
    job_id = api.submit()
    api.finish(job_id, "fetch")
    answer = api.client.delete(f"/v1/jobs/{job_id}")
    assert answer.status_code == 200
    job = answer.json()
    assert (job["status"], job["error"]) == ("cancelled", None)
    assert [stage["status"] for stage in job["stages"]] == ["succeeded", "cancelled", "cancelled", "cancelled"]
    assert api.client.get(f"/v1/jobs/{job_id}").json() == job
    assert api.client.delete(f"/v1/jobs/{job_id}").json() == job


def test_what_has_ended_cannot_be_cancelled(api: Api) -> None:
    job_id = api.submit()
    api.finish(job_id, *STAGES)
    late = api.submit()
    api.records.expire(at=api.clock.now() + timedelta(days=30), limit=10)
    for job, state in ((job_id, "succeeded"), (late, "failed")):
        answer = api.client.delete(f"/v1/jobs/{job}")
        problem = problem_of(answer)
        assert (answer.status_code, problem["code"]) == (409, "job_finished")
        assert state in problem["detail"]


# failures


@pytest.mark.parametrize(
    ("method", "path", "broken"),
    [
        ("GET", "/v1/jobs", "jobs"),
        ("GET", "/v1/bulk-actions", "bulks"),
        ("GET", f"/v1/jobs/{UNKNOWN}", "job"),
        ("GET", f"/v1/jobs/{UNKNOWN}/result", "job"),
        ("DELETE", f"/v1/jobs/{UNKNOWN}", "request_cancel"),
    ],
)
def test_without_the_records_it_says_when_to_try_again(api: Api, method: str, path: str, broken: str) -> None:
    api.records.broken[broken] = RecordsUnavailable("password=hunter2")
    answer = api.client.request(method, path)
    assert (answer.status_code, problem_of(answer)["code"]) == (503, "service_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "hunter2" not in answer.text


def test_a_defect_shows_nothing_of_the_inside(api: Api) -> None:
    api.records.broken["jobs"] = KeyError("password=hunter2")
    answer = api.client.get("/v1/jobs")
    assert (answer.status_code, problem_of(answer)["code"]) == (500, "internal_error")
    assert "hunter2" not in answer.text
    assert "KeyError" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v2", 404, "not_found"),
        ("PUT", "/v1/jobs", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
    ],
)
def test_other_errors_of_http_are_problems_too(api: Api, method: str, path: str, status: int, code: str) -> None:
    answer = api.client.request(method, path)
    assert (answer.status_code, problem_of(answer)["code"]) == (status, code)
