from typing import Any

import pytest

from pipeline.errors import RecordsUnavailable
from tests.support.api import Api, problem_of

UNKNOWN = "01a1fb67-1800-7226-b63c-5ab791b7584a"


def letters(api: Api, query: str = "") -> list[str]:
    return [letter["job_id"] for letter in api.client.get(f"/v1/dead-letters{query}").json()["items"]]


def failed(api: Api, stage: str = "fetch", **error: Any) -> str:
    job_id = api.submit()
    if stage == "extract":
        api.finish(job_id, "fetch")
    api.fail(job_id, stage, **error)
    return job_id


def test_failed_jobs_are_listed_and_no_others(api: Api) -> None:
    first, second = failed(api), failed(api, "extract")
    api.submit()
    done, cancelled = api.submit(), api.submit()
    api.finish(done, "fetch", "extract", "summarize", "store")
    api.client.delete(f"/v1/jobs/{cancelled}")
    assert letters(api) == [second, first]


def test_a_letter_says_what_failed_and_why(api: Api) -> None:
    job_id = failed(api, "extract", code="internal_error", message="KeyError", traceback="Traceback: at line 7")
    summary = api.client.get("/v1/dead-letters").json()["items"][0]
    letter = api.client.get(f"/v1/dead-letters/{job_id}").json()
    assert {name: letter[name] for name in summary} == summary
    expected = {
        "job_id": job_id,
        "run": 1,
        "code": "internal_error",
        "reason": "KeyError",
        "stage": "extract",
        "retryable": True,
        "source_url": "https://example.org/",
        "url": f"/v1/dead-letters/{job_id}",
        "job_url": f"/v1/jobs/{job_id}",
    }
    assert {name: summary[name] for name in expected} == expected
    assert "traceback" not in summary
    assert (letter["traceback"], letter["attempts"], letter["losses"]) == ("Traceback: at line 7", 1, 0)
    assert letter["input"] == api.records.job("default", job_id).stages[0].claim.as_dict()
    assert [(tried["number"], tried["outcome"]) for tried in letter["timeline"]] == [(1, "failed")]
    assert letter["failed_at"] == api.client.get(f"/v1/jobs/{job_id}").json()["finished_at"]


def test_the_first_stage_reads_what_was_submitted(api: Api) -> None:
    fetched, submitted = failed(api), api.submit(text="Some text.")
    api.fail(submitted)
    assert api.client.get(f"/v1/dead-letters/{fetched}").json()["input"] is None
    claim = api.client.get(f"/v1/dead-letters/{submitted}").json()["input"]
    assert claim["key"].startswith(f"default/{submitted}/1/source.0-")


def test_letters_are_found_by_stage_and_code_page_by_page(api: Api) -> None:
    ids = [failed(api) for _ in range(3)]
    other = failed(api, "extract", code="no_article")
    page = api.client.get("/v1/dead-letters?stage=fetch&limit=2").json()
    assert [letter["job_id"] for letter in page["items"]] == ids[:0:-1]
    following = api.client.get(page["next"]).json()
    assert ([letter["job_id"] for letter in following["items"]], following["next"]) == (ids[:1], None)
    assert letters(api, "?code=no_article") == [other]
    assert letters(api, "?code=no_article&stage=fetch") == []


@pytest.mark.parametrize("query", ["limit=0", "cursor=x", "colour=red", "code="])
def test_what_cannot_be_listed_is_refused(api: Api, query: str) -> None:
    answer = api.client.get(f"/v1/dead-letters?{query}")
    assert (answer.status_code, problem_of(answer)["code"]) == (422, "invalid_request")


def test_a_retry_takes_a_letter_off_the_list_until_it_fails_again(api: Api) -> None:
    job_id = failed(api)
    answer = api.client.post(f"/v1/dead-letters/{job_id}/retry")
    assert (answer.status_code, answer.json()["run"]) == (202, 2)
    assert answer.headers["location"] == f"/v1/jobs/{job_id}"
    assert letters(api) == []
    api.fail(job_id, run=2)
    assert letters(api) == [job_id]


def test_a_discarded_letter_is_none_any_more_and_the_job_stays(api: Api) -> None:
    job_id = failed(api)
    for _ in range(2):
        answer = api.client.delete(f"/v1/dead-letters/{job_id}")
        assert (answer.status_code, answer.content) == (204, b"")
    assert letters(api) == []
    gone = api.client.get(f"/v1/dead-letters/{job_id}")
    assert (gone.status_code, problem_of(gone)["code"]) == (404, "dead_letter_not_found")
    assert "discarded" in problem_of(gone)["detail"]
    job = api.client.get(f"/v1/jobs/{job_id}").json()
    assert (job["status"], job["discarded_at"]) == ("failed", job["finished_at"])
    assert api.client.get(f"/v1/jobs/{failed(api)}").json()["discarded_at"] is None


def test_what_did_not_fail_is_no_letter(api: Api) -> None:
    queued, cancelled = api.submit(), api.submit()
    api.client.delete(f"/v1/jobs/{cancelled}")
    for job_id, code in ((queued, "job_unfinished"), (cancelled, "job_finished")):
        read = api.client.get(f"/v1/dead-letters/{job_id}")
        assert (read.status_code, problem_of(read)["code"]) == (404, "dead_letter_not_found")
        discarded = api.client.delete(f"/v1/dead-letters/{job_id}")
        assert (discarded.status_code, problem_of(discarded)["code"]) == (409, code)


@pytest.mark.parametrize("job_id", [UNKNOWN, "nope"])
@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("DELETE", ""), ("POST", "/retry")])
def test_a_job_that_is_not_there_is_not_found(api: Api, job_id: str, method: str, tail: str) -> None:
    answer = api.client.request(method, f"/v1/dead-letters/{job_id}{tail}")
    assert (answer.status_code, problem_of(answer)["code"]) == (404, "job_not_found")


def test_without_the_records_it_says_when_to_try_again(api: Api) -> None:
    api.records.broken["jobs"] = RecordsUnavailable("away")
    answer = api.client.get("/v1/dead-letters")
    assert (answer.status_code, problem_of(answer)["code"]) == (503, "service_unavailable")


def test_dead_letters_are_filtered_like_jobs(api: Api) -> None:
    tagged = api.submit(url="https://example.org/a", tags=["x"])
    other = api.submit(url="https://example.com/a")
    for job_id in (tagged, other):
        api.fail(job_id)
    api.submit(url="https://example.org/a", tags=["x"])
    for query in ("tag=x", "q=example.org", "host=example.org", "stage=fetch&tag=x"):
        page = api.client.get(f"/v1/dead-letters?{query}").json()
        assert [letter["job_id"] for letter in page["items"]] == [tagged]
