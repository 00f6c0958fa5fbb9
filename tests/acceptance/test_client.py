"""The Python clients on the real stack."""

import asyncio
import os
import signal
import threading
from dataclasses import replace

import pytest

from api.client import AsyncPenstock, JobEvent, Penstock
from api.client.errors import JobNotFound, NotSucceeded
from orchestration.embedded.datadir import DataDir
from pipeline.job import JobState
from tests.support.articles import ARTICLE, TEXT
from tests.support.hosts import OrderedOrigin
from tests.support.origin import Reply
from tests.support.stack import LiveStack, Narrow
from tests.support.waiting import until

pytestmark = pytest.mark.full

PAGE = Reply(body=ARTICLE)
WHOLE = ["job.queued", *["stage.started", "stage.succeeded"] * 3, "job.succeeded"]


def client_of(stack: LiveStack) -> Penstock:
    return Penstock(str(stack.client.base_url))


def test_a_job_is_submitted_waited_for_and_erased(stack: LiveStack, origin: OrderedOrigin) -> None:
    with client_of(stack) as penstock:
        job_id = penstock.submit(url=origin.on("/slow", replace(PAGE, delay_s=1)), pipeline="extract").id
        assert penstock.wait(job_id, timeout_s=60).status is JobState.SUCCEEDED
        document = penstock.result(job_id)
        assert (document.job_id, document.metadata.title) == (job_id, "The lock keeper of Marlow")
        assert [event.event for event in penstock.iter_events(job_id)] == WHOLE
        assert penstock.replay(job_id, "extract").run == 2
        assert penstock.wait(job_id, timeout_s=60).run == 2
        penstock.purge(job_id)
        with pytest.raises(JobNotFound):
            penstock.job(job_id)


def test_a_run_tells_what_happens_while_it_happens(stack: LiveStack, origin: OrderedOrigin) -> None:
    heard: list[str] = []
    with client_of(stack) as penstock:
        url = origin.on("/told", replace(PAGE, delay_s=1))
        document = penstock.run(
            url=url, pipeline="extract", timeout_s=60, on_event=lambda event: heard.append(event.event)
        )
        assert document.source.url == url
        assert heard == WHOLE
        with pytest.raises(NotSucceeded) as failed:
            penstock.run(url=origin.on("/gone", Reply(404)), timeout_s=60)
    assert failed.value.job.error is not None
    assert failed.value.job.error.code == "http_not_found"


def test_many_jobs_are_run_at_once(stack: LiveStack) -> None:
    async def run_all() -> list[str]:
        async with AsyncPenstock(str(stack.client.base_url)) as penstock:
            runs = (penstock.run(text=f"{TEXT}\n{number}", pipeline="extract", timeout_s=90) for number in range(8))
            ids = [document.job_id for document in await asyncio.gather(*runs)]
            newest = [job.id async for job in penstock.iter_jobs(page_size=3, status="succeeded")]
            assert set(ids) <= set(newest)
            return ids

    assert len(set(asyncio.run(run_all()))) == 8


@pytest.mark.timeout(120)
def test_a_run_outlives_the_api_that_it_was_submitted_to(narrow: Narrow, origin: OrderedOrigin) -> None:
    heard: list[JobEvent] = []
    documents: list[str] = []
    url = origin.on("/restart", replace(PAGE, delay_s=4))

    def run() -> None:
        with client_of(narrow.stack) as penstock:
            document = penstock.run(url=url, pipeline="extract", timeout_s=90, on_event=heard.append)  # type: ignore[arg-type]
            documents.append(document.metadata.title or "")

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: "stage.started" in [event.event for event in heard], within_s=20, what="the fetch to start")
    before = api_pid(narrow.stack)
    os.kill(before, signal.SIGKILL)
    thread.join(90)
    assert documents == ["The lock keeper of Marlow"]
    assert api_pid(narrow.stack) != before
    assert [event.event for event in heard] == WHOLE
    assert len({event.id for event in heard}) == len(heard)


def api_pid(stack: LiveStack) -> int:
    note = DataDir(stack.data_dir).running()
    assert note is not None
    return note.pids["api"]
