"""What happens to a job is told while it happens, to those who come late and to those who were cut off, too."""

import time
from dataclasses import replace

import pytest

from tests.support.articles import ARTICLE
from tests.support.hosts import OrderedOrigin
from tests.support.origin import Reply
from tests.support.sse import Listener, listen
from tests.support.stack import LiveStack, Narrow
from tests.support.waiting import until

PAGE = Reply(body=ARTICLE)
WHOLE = [
    "job.queued",
    *(f"stage.{what}" for _ in range(3) for what in ("started", "succeeded")),
    "job.succeeded",
]


def test_a_job_is_told_from_its_beginning_to_its_end(stack: LiveStack, origin: OrderedOrigin) -> None:
    job_id = stack.submit(url=origin.on("/slow", replace(PAGE, delay_s=1)), pipeline="extract")
    began_at = time.time()
    heard = list(listen(stack.client, f"/v1/jobs/{job_id}/events"))
    assert [one.event for one in heard] == WHOLE
    assert {one.data["job_id"] for one in heard} == {job_id}
    assert [one.data["stage"] for one in heard if one.event == "stage.started"] == ["fetch", "extract", "store"]
    ids = [tuple(map(int, str(one.id).split("-"))) for one in heard]
    assert ids == sorted(set(ids))
    # Live: what was told before the page came was heard before it came.
    assert heard[1].at < began_at + 0.9 < heard[-1].at


def test_one_who_comes_late_hears_all_and_one_who_was_cut_off_the_rest(stack: LiveStack, origin: OrderedOrigin) -> None:
    job_id = stack.submit(url=origin.on("/late", PAGE), pipeline="extract")
    stack.wait(job_id)
    heard = list(listen(stack.client, f"/v1/jobs/{job_id}/events"))
    assert [one.event for one in heard] == WHOLE
    for number, one in enumerate(heard[:-1], 1):
        assert list(listen(stack.client, f"/v1/jobs/{job_id}/events", seen=one.id)) == heard[number:]


def test_a_retry_says_why_and_when(stack: LiveStack, origin: OrderedOrigin) -> None:
    job_id = stack.submit(url=origin.on("/flaky", Reply(500), PAGE), pipeline="extract")
    heard = list(listen(stack.client, f"/v1/jobs/{job_id}/events"))
    waiting = next(one for one in heard if one.event == "stage.waiting")
    assert (waiting.data["stage"], waiting.data["code"], waiting.data["attempt"]) == ("fetch", "http_server_error", 1)
    assert waiting.data["delay_s"] > 0
    assert heard[-1].event == "job.succeeded"


def test_how_a_job_failed_is_told(stack: LiveStack, origin: OrderedOrigin) -> None:
    job_id = stack.submit(url=origin.on("/gone", Reply(404)), pipeline="extract")
    last = list(listen(stack.client, f"/v1/jobs/{job_id}/events"))[-1]
    assert (last.event, last.data["code"], last.data["stage"]) == ("job.failed", "http_not_found", "fetch")


def test_a_cancelled_job_ends_its_stream(stack: LiveStack, origin: OrderedOrigin) -> None:
    job_id = stack.submit(url=origin.on("/long", replace(PAGE, delay_s=8)), pipeline="extract")
    listener = Listener(str(stack.client.base_url), job_id)
    until(lambda: "stage.started" in listener.names, within_s=10, what="the fetch to start")
    stack.client.delete(f"/v1/jobs/{job_id}")
    until(listener.over.is_set, within_s=3, what="the stream to end")
    assert listener.names[-1] == "job.cancelled"


def test_what_the_stream_has_forgotten_comes_as_a_snapshot(stack: LiveStack, origin: OrderedOrigin) -> None:
    job_id = stack.submit(url=origin.on("/forgotten", PAGE), pipeline="extract")
    stack.wait(job_id)
    heard = list(listen(stack.client, f"/v1/jobs/{job_id}/events", seen="1-0"))
    assert [one.event for one in heard] == ["snapshot", "job.succeeded"]
    assert (heard[0].data["id"], heard[0].data["status"]) == (job_id, "succeeded")


def test_all_jobs_are_told_to_one_who_listens_to_all(stack: LiveStack, origin: OrderedOrigin) -> None:
    first = stack.submit(url=origin.on("/first", PAGE), pipeline="extract", lane="urgent")
    stack.wait(first)
    seen = list(listen(stack.client, f"/v1/jobs/{first}/events"))[-1].id
    ids = [stack.submit(url=origin.on(f"/{lane}", PAGE), pipeline="extract", lane=lane) for lane in ("urgent", "bulk")]
    stack.wait_all(ids)
    wanted = {"event": ["job.queued", "job.succeeded"], "lane": "bulk"}
    stream = listen(stack.client, "/v1/events", seen=seen, **wanted)
    assert [(one.event, one.data["job_id"]) for one in (next(stream), next(stream))] == [
        ("job.queued", ids[1]),
        ("job.succeeded", ids[1]),
    ]
    stream.close()


def test_a_long_poll_answers_as_soon_as_the_job_has_ended(stack: LiveStack, origin: OrderedOrigin) -> None:
    job_id = stack.submit(url=origin.on("/polled", replace(PAGE, delay_s=1.5)), pipeline="extract")
    began_at = time.monotonic()
    still = stack.client.get(f"/v1/jobs/{job_id}", params={"wait_s": 0.5}).json()
    assert still["status"] in {"queued", "running"}
    assert 0.4 < time.monotonic() - began_at < 1.4
    done = stack.client.get(f"/v1/jobs/{job_id}", params={"wait_s": 20}).json()
    assert done["status"] == "succeeded"
    assert time.monotonic() - began_at < 10


def test_streams_are_of_jobs_that_exist(stack: LiveStack) -> None:
    answer = stack.client.get("/v1/jobs/01a1fd20-974e-7463-a83b-e6c45a3d90b5/events")
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
    answer = stack.client.get("/v1/events", headers={"Last-Event-ID": "yesterday"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.full
@pytest.mark.timeout(120)
def test_an_open_stream_does_not_keep_the_service_from_stopping_and_goes_on_after_it(
    narrow: Narrow, origin: OrderedOrigin
) -> None:
    stack = narrow.stack
    job_id = stack.submit(url=origin.on("/restart", replace(PAGE, delay_s=6)), pipeline="extract")
    listener = Listener(str(stack.client.base_url), job_id)
    until(lambda: "stage.started" in listener.names, within_s=10, what="the fetch to start")
    began_at = time.monotonic()
    stack.stop()
    assert time.monotonic() - began_at < 30
    stack.start()
    listener.stop()
    again = Listener(str(stack.client.base_url), job_id, listener.heard)
    until(again.over.is_set, within_s=60, what="the end to be told")
    ids = [one.id for one in again.heard if one.id]
    assert len(ids) == len(set(ids))
    assert again.names[-1] == "job.succeeded"
