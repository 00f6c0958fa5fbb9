"""What operators see and do on the command line, on a stack that works."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.articles import ARTICLE, TEXT
from tests.support.commands import Ran, penstock
from tests.support.hosts import OrderedOrigin
from tests.support.origin import Reply
from tests.support.stack import LiveStack
from tests.support.waiting import until

pytestmark = [pytest.mark.full, pytest.mark.timeout(180)]

KNOWS_WITHIN_S = 2.0
"""Until then a worker may begin what comes to a paused stage."""
STAGES = ["fetch", "extract", "summarize", "store", "analyze"]


@pytest.fixture(autouse=True)
def _nothing_paused(stack: LiveStack) -> Iterator[None]:
    yield
    stack.client.post("/v1/queues/analyze/resume").raise_for_status()


def done(stack: LiveStack, *words: str) -> Ran:
    ran = penstock(stack, *words)
    assert ran.status == 0, ran.err
    return ran


def queue(stack: LiveStack, stage: str) -> dict[str, Any]:
    return next(item for item in stack.client.get("/v1/queues").json()["items"] if item["stage"] == stage)


def test_a_paused_stage_waits_and_goes_on_when_it_is_resumed(stack: LiveStack) -> None:
    assert "analyze is paused" in done(stack, "queues", "pause", "analyze").err
    time.sleep(KNOWS_WITHIN_S)
    job_id = stack.submit(text=TEXT, pipeline="analyze")
    until(lambda: queue(stack, "analyze")["waiting"], within_s=20, what="a message at the paused stage")
    ran = done(stack, "queues")
    (row,) = (line.split() for line in ran.out.splitlines() if line.startswith("analyze"))
    assert row[:6] == ["analyze", "paused", "1", "0", "1", "0"]
    (seen,) = (each for each in done(stack, "queues", "--json").documents if each["stage"] == "analyze")
    assert (seen["paused"], seen["waiting"], seen["running"]) == (True, 1, 0)
    assert stack.stage(job_id, "analyze")["timeline"] == []
    (answer,) = done(stack, "queues", "resume", "analyze", "--json").documents
    assert answer == {"stage": "analyze", "paused": False, "paused_at": None}
    assert stack.wait(job_id)["status"] == "succeeded"
    until(lambda: queue(stack, "analyze")["finished_per_s"], within_s=10, what="the rate of what was finished")


def test_a_stage_that_does_not_exist_cannot_be_paused(stack: LiveStack) -> None:
    ran = penstock(stack, "queues", "pause", "translate")
    assert (ran.status, ran.out) == (1, "")
    assert 'there is no stage "translate"' in ran.err


def test_there_is_a_worker_for_each_stage(stack: LiveStack) -> None:
    workers = done(stack, "workers", "--json").documents
    assert sorted(worker["stages"] for worker in workers) == sorted([stage] for stage in STAGES)
    assert {worker["stages"][0]: worker["pid"] for worker in workers} == {
        stage: stack.worker_pid(stage) for stage in STAGES
    }
    table = done(stack, "workers").out
    assert all(worker["name"] in table for worker in workers)


def test_a_host_is_left_alone_for_as_long_as_an_operator_wants(stack: LiveStack, origin: OrderedOrigin) -> None:
    url = origin.on("/page", Reply(body=ARTICLE))
    name = f"origin:{url.removeprefix('http://').removesuffix('/page')}"
    row = done(stack, "breakers", "open", name, "--for", "600").out.splitlines()[-1].split()
    assert row[:3] == [name, "open", "0"]
    job_id = stack.submit(url=url, pipeline="extract")
    until(lambda: stack.stage(job_id, "fetch")["timeline"], within_s=20, what="an attempt")
    (seen,) = (each for each in done(stack, "breakers", "--json").documents if each["dependency"] == name)
    assert (seen["state"], seen["id"]) == ("open", name.replace(":", "~3A"))
    assert name in done(stack, "breakers").out
    assert done(stack, "breakers", "reset", seen["id"]).out.splitlines()[-1].split() == [name, "closed", "0"]
    assert origin.hits("/page") == 0
    stack.client.delete(f"/v1/jobs/{job_id}")
    assert penstock(stack, "breakers", "reset", name).status == 1
