"""A cancelled job stops at once, lets go of what it holds, and leaves no result."""

from uuid import uuid4

from tests.support.articles import TEXT
from tests.support.hosts import SilentHost
from tests.support.stack import LiveStack, stage_of

DROPPED_WITHIN_S = 2.0
"""A worker learns of a cancellation once a second, and a connection looks up twice a second."""


def test_cancelling_drops_a_running_fetch(stack: LiveStack) -> None:
    with SilentHost() as host:
        job_id = stack.submit(url=host.url)
        assert host.asked.wait(20)
        answer = stack.client.delete(f"/v1/jobs/{job_id}")
        assert host.dropped.wait(DROPPED_WITHIN_S)

    assert answer.status_code == 200
    assert answer.json()["status"] == "cancelled"
    view = stack.job(job_id)
    assert view["status"] == "cancelled"
    assert {stage["status"] for stage in view["stages"]} == {"cancelled"}
    assert view["result_url"] is None
    assert stack.payload_files(job_id) == []


def test_a_cancelled_job_has_no_result_and_says_so(stack: LiveStack) -> None:
    with SilentHost() as host:
        job_id = stack.submit(url=host.url)
        assert host.asked.wait(20)
        stack.client.delete(f"/v1/jobs/{job_id}")
    answer = stack.client.get(f"/v1/jobs/{job_id}/result")
    assert answer.status_code == 409
    assert answer.json()["code"] == "job_cancelled"


def test_cancelling_twice_changes_nothing(stack: LiveStack) -> None:
    with SilentHost() as host:
        job_id = stack.submit(url=host.url)
        assert host.asked.wait(20)
        first, second = (stack.client.delete(f"/v1/jobs/{job_id}") for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["finished_at"] == second.json()["finished_at"]


def test_a_finished_job_cannot_be_cancelled(stack: LiveStack) -> None:
    job_id = stack.submit(text=TEXT)
    stack.wait(job_id)
    answer = stack.client.delete(f"/v1/jobs/{job_id}")
    assert answer.status_code == 409
    assert answer.json()["code"] == "job_finished"
    assert stack.job(job_id)["status"] == "succeeded"


def test_an_unknown_job_cannot_be_cancelled(stack: LiveStack) -> None:
    answer = stack.client.delete(f"/v1/jobs/{uuid4()}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "job_not_found"


def test_an_unfinished_job_says_that_its_result_will_come(stack: LiveStack) -> None:
    with SilentHost() as host:
        job_id = stack.submit(url=host.url)
        assert host.asked.wait(20)
        answer = stack.client.get(f"/v1/jobs/{job_id}/result")
        assert stage_of(stack.job(job_id), "fetch")["status"] == "running"
        stack.client.delete(f"/v1/jobs/{job_id}")
    assert answer.status_code == 409
    assert answer.json()["code"] == "job_unfinished"
    assert int(answer.headers["retry-after"]) > 0
