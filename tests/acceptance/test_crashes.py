"""What was accepted is kept, whatever dies: workers, the supervisor, the broker with it. Real signals."""

import os
import signal
from dataclasses import replace
from functools import partial
from typing import Any

import psutil
import pytest

from pipeline.job import MAX_LOSSES
from tests.support.articles import ARTICLE, text_with
from tests.support.hosts import MarkedLlm, OrderedOrigin
from tests.support.openai_server import SUMMARY, answer
from tests.support.origin import Reply
from tests.support.stack import JobView, LiveStack, Narrow, outcomes, stage_of
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(240)

NEVER_S = 300.0
"""Of the first answer: only a second attempt can succeed."""
PAGE = Reply(body=ARTICLE)
PROCESSES = {"supervisor", "guardian", "valkey", "api", "keeper", "fetch", "extract", "summarize", "analyze", "store"}


def test_jobs_survive_the_workers_that_run_them(narrow: Narrow, origin: OrderedOrigin) -> None:
    stack = narrow.stack
    text, page = submit_slow_text(stack, narrow.llm, "mark-of-a-worker"), submit_slow_page(stack, origin, "/slow")
    killed = {stage: stack.worker_pid(stage) for stage in ("summarize", "fetch")}
    for pid in killed.values():
        os.kill(pid, signal.SIGKILL)
    views = stack.wait_all([text, page])

    for view, interrupted in zip(views, killed, strict=True):
        assert view["status"] == "succeeded", view["error"]
        assert_lost_once(view, interrupted)
        assert_stored_once(stack, view)
    assert stack.result(text)["summary"]["text"] == SUMMARY
    assert all(stack.worker_pid(stage) != pid for stage, pid in killed.items())


def assert_lost_once(view: JobView, interrupted: str) -> None:
    """One stage was lost with its worker and done by another; a loss is no attempt. The others were done once."""
    stage = stage_of(view, interrupted)
    assert outcomes(stage) == ["lost", "succeeded"]
    assert stage["timeline"][0]["error"]["code"] == "worker_lost"
    assert stage["attempts"] == 1
    assert all(outcomes(other) == ["succeeded"] for other in view["stages"] if other is not stage)


def assert_stored_once(stack: LiveStack, view: JobView) -> None:
    """There is one object for each stage, and one for what was submitted."""
    submitted: list[Any] = [] if view["source_url"] else ["source"]
    objects = [path.name.partition(".")[0] for path in stack.payload_files(view["id"])]
    assert sorted(objects) == sorted([*submitted, *(stage["name"] for stage in view["stages"])])


def test_a_killed_parsing_worker_takes_its_children_with_it(narrow: Narrow) -> None:
    stack = narrow.stack
    worker = psutil.Process(stack.worker_pid("extract"))
    children = until(lambda: parsing_children(worker), within_s=20, what="the parsing children")
    worker.kill()
    until(lambda: not any(is_alive(child) for child in children), within_s=10, what="the end of the children")
    assert stack.wait(stack.submit(html=ARTICLE, pipeline="extract"))["status"] == "succeeded"


def parsing_children(worker: psutil.Process) -> list[psutil.Process]:
    """The family of a parsing worker once it is complete: fork server, resource tracker, and a child at least."""
    children = worker.children(recursive=True)
    return children if len(children) >= 3 else []


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.full
def test_nothing_survives_the_supervisor_and_the_next_start_finishes_its_jobs(
    narrow: Narrow, origin: OrderedOrigin
) -> None:
    stack = narrow.stack
    done = stack.wait(stack.submit(html=ARTICLE, pipeline="extract"))
    text, page = submit_slow_text(stack, narrow.llm, "mark-of-a-crash"), submit_slow_page(stack, origin, "/slow")
    queued = [stack.submit(url=origin.on(f"/{number}", PAGE), pipeline="extract") for number in range(4)]
    assert len(stack.family()) >= len(PROCESSES)

    stack.kill()
    stack.assert_gone()
    stack.start()

    views = stack.wait_all([text, page, *queued])
    assert [view["status"] for view in views] == ["succeeded"] * len(views)
    for view, interrupted in zip(views, ("summarize", "fetch"), strict=False):
        assert_lost_once(view, interrupted)
        assert_stored_once(stack, view)
    for view in views[2:]:
        assert all(outcomes(stage) == ["succeeded"] for stage in view["stages"])
    assert stack.job(done["id"]) == done


def test_a_broker_that_dies_is_started_again_and_the_jobs_go_on(narrow: Narrow, origin: OrderedOrigin) -> None:
    stack = narrow.stack
    running = stack.submit(url=origin.on("/running", replace(PAGE, delay_s=1)), pipeline="extract")
    until(lambda: origin.order, within_s=20, what="the fetch to begin")
    queued = stack.submit(url=origin.on("/queued", PAGE), pipeline="extract")
    [broker] = [process for process in stack.family() if process.name() == "valkey-server"]

    broker.kill()
    assert [view["status"] for view in stack.wait_all([running, queued])] == ["succeeded", "succeeded"]


@pytest.mark.full
def test_nothing_survives_a_stop_just_after_the_death_of_the_broker_s_guardian(narrow: Narrow) -> None:
    stack = narrow.stack
    [broker] = [process for process in stack.family() if process.name() == "valkey-server"]
    broker.parent().kill()
    stack.stop()
    stack.assert_gone()


@pytest.mark.full
def test_an_interrupt_lets_what_is_running_finish_and_the_next_start_goes_on(
    narrow: Narrow, origin: OrderedOrigin
) -> None:
    stack = narrow.stack
    running = stack.submit(url=origin.on("/running", replace(PAGE, delay_s=2)), pipeline="extract")
    until(lambda: origin.order, within_s=20, what="the fetch to begin")
    waiting = stack.submit(url=origin.on("/waiting", PAGE), pipeline="extract")

    stack.stop(signal.SIGINT)
    assert origin.order == ["/running"]
    stack.start()

    views = stack.wait_all([running, waiting])
    assert [view["status"] for view in views] == ["succeeded", "succeeded"]
    assert all(outcomes(stage) == ["succeeded"] for view in views for stage in view["stages"])
    assert origin.order == ["/running", "/waiting"]


@pytest.mark.full
def test_a_stage_that_keeps_killing_its_workers_is_given_up(narrow: Narrow, origin: OrderedOrigin) -> None:
    stack = narrow.stack
    job_id = stack.submit(url=origin.on("/deadly", replace(PAGE, delay_s=NEVER_S)))
    for death in range(1, MAX_LOSSES + 1):
        until(partial(fetched_times, origin, death), within_s=40, what=f"fetch {death}")
        os.kill(stack.worker_pid("fetch"), signal.SIGKILL)
    view = stack.wait(job_id)
    assert (view["status"], view["error"]["code"]) == ("failed", "worker_lost")
    assert outcomes(stage_of(view, "fetch")) == ["lost"] * MAX_LOSSES
    assert stage_of(view, "fetch")["attempts"] == 0


def fetched_times(origin: OrderedOrigin, times: int) -> bool:
    return len(origin.order) == times


def submit_slow_page(stack: LiveStack, origin: OrderedOrigin, path: str) -> str:
    """A job that hangs in `fetch` at its first attempt; returns once it does."""
    job_id = stack.submit(url=origin.on(path, replace(PAGE, delay_s=NEVER_S), PAGE), pipeline="extract")
    until(lambda: origin.hits(path), within_s=20, what="the fetch to begin")
    return job_id


def submit_slow_text(stack: LiveStack, llm: MarkedLlm, mark: str) -> str:
    """A job that hangs in `summarize` at its first attempt; returns once it does."""
    llm.when(mark, replace(answer(), delay_s=NEVER_S), answer())
    job_id = stack.submit(text=text_with(mark))
    until(lambda: llm.hits(mark), within_s=20, what="the summary to begin")
    return job_id
