"""Many jobs at once by the clients: sent while they are made, sent again, waited for, and read as they ended."""

import json
from datetime import date, timedelta

import httpx
import pytest

from api.client.errors import (
    BatchReceiving,
    IdempotencyKeyReused,
    InvalidRequest,
    NotFound,
    UnexpectedAnswer,
    Unreachable,
    WaitTimedOut,
)
from pipeline.batches import BatchState
from pipeline.job import JobState, Lane
from tests.support.clients import Connection, Script
from tests.support.tools import START

URL = "https://example.org/"
STAGES = ("fetch", "extract", "summarize", "store")
NDJSON = "application/x-ndjson"
CUT_OFF = httpx.ReadError("cut off")
ACCEPTED = {
    "id": "b-1",
    "name": None,
    "status": "running",
    "accepted": 3,
    "rejected_total": 0,
    "counts": dict.fromkeys(JobState, 0),
    "progress": 0,
    "created_at": START.isoformat(),
    "received_at": START.isoformat(),
    "cancelled_at": None,
    "usage": None,
    "url": "/v1/batches/b-1",
    "rejected": [],
}


def pages(number):
    return ({"url": f"{URL}{n}"} for n in range(number))


def launch(api):
    """What the keeper does."""
    api.keep()


def line(index, **about):
    said = {"index": index, "job_id": f"j-{index}", "run": 1, "status": "cancelled", "source_url": None}
    return json.dumps({**said, "error": None, "result": None, **about}).encode() + b"\n"


def lines(*chunks):
    return httpx.Response(200, headers={"content-type": NDJSON}, stream=Connection(*chunks))


def batch_of(counts, status="running"):
    return httpx.Response(200, json={**ACCEPTED, "status": status, "counts": {**ACCEPTED["counts"], **counts}})


# sending


def test_items_become_jobs_and_those_that_cannot_are_told(penstock):
    items = [
        {"url": URL, "tags": ("a", "b"), "metadata": {"row": "7"}, "stages": ("fetch", "extract", "store")},
        {"nonsense": 1},
    ]
    batch = penstock.submit_batch(items, name="Ünïcödé", lane="normal")
    assert (batch.name, batch.accepted, batch.rejected_total) == ("Ünïcödé", 1, 1)
    assert [(each.index, each.code) for each in batch.rejected] == [(1, "invalid_request")]
    [job] = penstock.iter_jobs(batch_id=batch.id)
    assert (job.lane, job.tags, job.metadata, job.batch_index) == (Lane.NORMAL, ["a", "b"], {"row": "7"}, 0)
    assert penstock.batch(batch.id) == batch
    assert [each.id for each in penstock.iter_batches()] == [batch.id]


def test_all_pages_of_batches_are_read(penstock, api):
    ids = []
    for _ in range(5):
        api.clock.advance(0.001)
        ids.append(penstock.submit_batch(pages(1)).id)
    assert [batch.id for batch in penstock.iter_batches(page_size=2)] == ids[::-1]


def test_the_same_key_finds_the_batch(penstock):
    first = penstock.submit_batch(pages(3), idempotency_key="monday")
    assert penstock.submit_batch(list(pages(3)), idempotency_key="monday").id == first.id
    assert penstock.submit_batch(pages(3)).id != first.id
    with pytest.raises(IdempotencyKeyReused):
        penstock.submit_batch(pages(2), idempotency_key="monday")


def test_a_generator_is_read_once_however_often_its_items_are_sent(make):
    made = []
    items = (made.append(n) or {"url": f"{URL}{n}"} for n in range(4))
    service = Script(httpx.ConnectError("refused"), CUT_OFF, httpx.Response(503), httpx.Response(202, json=ACCEPTED))
    penstock = make(service)
    assert penstock.submit_batch(items, name="x").id == "b-1"
    assert made == [0, 1, 2, 3]
    assert len({request.content for request in service.asked}) == 1
    assert len({request.headers["idempotency-key"] for request in service.asked}) == 1
    request = service.asked[-1]
    assert (request.headers["content-type"], str(request.url.query)) == (NDJSON, "b'name=x'")
    assert [json.loads(each) for each in request.content.splitlines()] == list(pages(4))
    assert len(penstock.slept) == 3


def test_items_that_cannot_be_made_end_the_sending(make):
    def items():
        yield {"url": URL}
        raise KeyError("column")

    service = Script(httpx.Response(202, json=ACCEPTED))
    with pytest.raises(KeyError, match="column"):
        make(service).submit_batch(items())
    assert service.asked == []


def test_a_batch_that_another_request_still_sends_is_asked_for_again(make):
    receiving = httpx.Response(409, json={"code": "batch_receiving", "detail": "wait"}, headers={"retry-after": "1"})
    penstock = make(Script(receiving, receiving, httpx.Response(202, json=ACCEPTED)))
    assert penstock.submit_batch(pages(1)).id == "b-1"
    assert all(pause >= 1 for pause in penstock.slept)
    with pytest.raises(BatchReceiving):
        make(Script(receiving), retry_within_s=5).submit_batch(pages(1))


# what becomes of it


def test_a_batch_is_waited_for_until_nothing_more_happens(make):
    service = Script(batch_of({}, "receiving"), batch_of({"queued": 1}), batch_of({"failed": 3}, "finished"))
    penstock = make(service)
    assert penstock.wait_batch("b-1").counts[JobState.FAILED] == 3
    assert penstock.slept == [1.0, 1.0]


def test_a_batch_that_was_cut_off_is_over_once_its_jobs_are(make):
    service = Script(batch_of({"running": 1}, "incomplete"), batch_of({"succeeded": 1}, "incomplete"))
    assert make(service).wait_batch("b-1").status is BatchState.INCOMPLETE


def test_a_batch_is_waited_for_no_longer_than_asked(make):
    penstock = make(Script(batch_of({"queued": 1})))
    with pytest.raises(WaitTimedOut, match="batch b-1 has not ended") as late:
        penstock.wait_batch("b-1", timeout_s=4.5)
    assert (late.value.batch_id, late.value.job_id) == ("b-1", None)
    assert penstock.clock.monotonic() == pytest.approx(4.5)


def test_results_come_in_the_order_of_the_items(penstock, api):
    batch = penstock.submit_batch(pages(4))
    launch(api)
    first, second, third, _ = sorted(penstock.iter_jobs(batch_id=batch.id), key=lambda job: job.batch_index)
    document = api.finish(third.id, *STAGES)
    api.fail(first.id)
    penstock.cancel(second.id)
    failed, cancelled, done = penstock.iter_batch_results(batch.id)
    assert (failed.index, failed.status, failed.error.code) == (0, JobState.FAILED, "dns_failure")
    assert (cancelled.job_id, cancelled.error, cancelled.result) == (second.id, None, None)
    assert (done.source_url, done.result) == (f"{URL}2", document)


def test_what_failed_is_retried_and_what_has_not_ended_is_cancelled(penstock, api):
    batch = penstock.submit_batch(pages(2))
    launch(api)
    failed, _ = sorted(penstock.iter_jobs(batch_id=batch.id), key=lambda job: job.batch_index)
    api.fail(failed.id)
    action = penstock.retry_failed(batch.id)
    assert (action.action, action.total, action.from_stage) == ("retry", 1, None)
    assert penstock.cancel_batch(batch.id).status is BatchState.CANCELLING


def test_a_batch_that_is_not_there_is_an_error(penstock):
    for ask in (penstock.batch, penstock.wait_batch, penstock.cancel_batch, penstock.retry_failed):
        with pytest.raises(NotFound, match="no-such"):
            ask("no-such")
    with pytest.raises(NotFound, match="batch_not_found"):
        list(penstock.iter_batch_results("no-such"))


# results over a bad connection


def test_broken_results_go_on_with_the_next_item(make):
    service = Script(
        lines(line(0), line(2)[:20], CUT_OFF), httpx.Response(503), lines(line(0) + line(1) + line(2), line(5))
    )
    penstock = make(service)
    assert [result.index for result in penstock.iter_batch_results("b-1")] == [0, 1, 2, 5]
    assert {request.url.path for request in service.asked} == {"/v1/batches/b-1/results"}
    assert len(penstock.slept) == 2


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_results_may_come_in_any_pieces(make, size):
    whole = b"".join(line(n, source_url="a\u2028b") for n in range(5))
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    results = list(make(Script(lines(*pieces))).iter_batch_results("b-1"))
    assert [(result.index, result.source_url) for result in results] == [(n, "a\u2028b") for n in range(5)]


def test_results_that_break_again_and_again_at_the_same_item_are_given_up(make):
    penstock = make(Script(lambda _: lines(line(0), CUT_OFF)), retry_within_s=30)
    results = penstock.iter_batch_results("b-1")
    assert next(results).index == 0
    with pytest.raises(Unreachable):
        next(results)
    assert 10 < penstock.clock.monotonic() <= 31


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: lines(line(0), line(1)[:-9]),
        lambda _: lines(b'{"index": "x"}\n'),
        httpx.Response(200, text="<h1>It works!</h1>"),
    ],
    ids=["within a line", "no result", "another"],
)
def test_what_are_no_results_is_an_error_at_once(make, answer):
    service = Script(answer)
    with pytest.raises(UnexpectedAnswer):
        list(make(service).iter_batch_results("b-1"))
    assert len(service.asked) == 1


# single jobs


def test_a_job_is_submitted_with_its_terms(penstock, api):
    due = api.clock.now() + timedelta(hours=1)
    terms = {"tags": ("a", "b", "a"), "metadata": {"row": "7"}, "max_attempts": 2, "not_before": due}
    job = penstock.job(penstock.submit(url=URL, expires_at=due + timedelta(hours=1), **terms).id)
    assert (job.tags, job.metadata, job.max_attempts, job.not_before) == (["a", "b"], {"row": "7"}, 2, due)
    assert job.deadline_at == due + timedelta(hours=1)
    later = penstock.job(penstock.submit(url=URL, delay_s=60).id)
    assert later.not_before == api.clock.now() + timedelta(seconds=60)
    with pytest.raises(InvalidRequest, match="not both"):
        penstock.submit(url=URL, delay_s=60, not_before=due)


def test_jobs_are_found_by_all_that_the_service_knows(penstock, api):
    news = api.submit(url="https://news.example.org/a/1", tags=["a", "b"], lane="bulk")
    text = api.submit(text="x", tags=["a"], pipeline="analyze")
    api.fail(news)

    def found(**filters):
        return [job.id for job in penstock.iter_jobs(**filters)]

    assert found(status=["failed", JobState.QUEUED]) == [text, news]
    assert found(tag="a") == [text, news]
    assert found(tag=("a", "b")) == found(host="news.example.org") == found(q="news.example.org/a") == [news]
    assert found(lane="bulk") == found(stage="fetch", status="failed") == [news]
    assert found(pipeline="analyze") == [text]
    assert found(host="example.org") == []


def test_a_source_is_submitted_and_the_batch_is_not_over_before_it_is_read(make):
    service = Script(httpx.Response(202, json={**ACCEPTED, "status": "expanding", "accepted": 0}))
    batch = make(service).submit_source(
        URL, limit=5, since=date(2026, 2, 1), pipeline="extract", tags=("a",), name="daily", idempotency_key="monday"
    )
    (request,) = service.asked
    assert json.loads(request.content) == {
        "source": {"url": URL, "limit": 5, "since": "2026-02-01"},
        "defaults": {"pipeline": "extract", "tags": ["a"]},
        "name": "daily",
    }
    assert request.headers["idempotency-key"] == '"monday"'
    assert not batch.is_over
    script = Script(batch_of({}, "expanding"), batch_of({"succeeded": 1}, "expanding"), batch_of({}, "finished"))
    assert make(script).wait_batch("b-1").is_over
    assert len(script.asked) == 3
