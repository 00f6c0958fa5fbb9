"""A finished job runs again: where it stopped, or from any stage, on the outputs of the run before."""

import os
import signal
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from tests.support.articles import ARTICLE, TEXT, text_with
from tests.support.commands import penstock
from tests.support.hosts import OrderedOrigin
from tests.support.openai_server import SUMMARY, answer, failure
from tests.support.origin import Reply
from tests.support.stack import JobView, LiveStack, Narrow, outcomes, stage_of
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(180)


def again(stack: LiveStack, job_id: str, how: str = "retry", **body: object) -> JobView:
    """Open another run and return the job once it has ended."""
    answered = stack.client.post(f"/v1/jobs/{job_id}/{how}", **({"json": body} if body else {}))
    assert answered.status_code == 202, answered.text
    return stack.wait(job_id)


def tried(view: JobView) -> list[int]:
    """How many attempts each stage had in this run."""
    return [len(stage["timeline"]) for stage in view["stages"]]


def refusal(stack: LiveStack, path: str, **body: object) -> tuple[int, dict[str, Any]]:
    answered = stack.client.post(path, **({"json": body} if body else {}))
    return answered.status_code, answered.json()


def test_a_failed_job_goes_on_at_the_stage_that_failed(narrow: Narrow) -> None:
    stack, llm = narrow.stack, narrow.llm
    llm.when("mark-of-a-retry", failure(401, "no key"), answer())
    job_id = stack.submit(text=text_with("mark-of-a-retry"))
    failed = stack.wait(job_id)
    assert failed["error"]["code"] == "llm_denied"

    answered = stack.client.post(f"/v1/jobs/{job_id}/retry")
    assert answered.status_code == 202
    assert answered.headers["location"] == f"/v1/jobs/{job_id}"
    assert answered.json() == {"id": job_id, "status": "queued", "url": f"/v1/jobs/{job_id}", "run": 2}
    view = stack.wait(job_id)

    assert (view["status"], view["run"], view["error"]) == ("succeeded", 2, None)
    assert tried(view) == [0, 0, 1, 1]
    document = stack.result(job_id)
    assert (document["summary"]["text"], document["run"]) == (SUMMARY, 2)
    # What models cost is that of all runs.
    assert stack.client.get(f"/v1/jobs/{job_id}?run=1").json() == failed | {"usage": view["usage"]}


def test_a_replay_starts_at_any_stage_with_other_options_and_leaves_the_run_before(stack: LiveStack) -> None:
    job_id = stack.submit(html=ARTICLE)
    first, quick = stack.wait(job_id), stack.result(job_id)
    view = again(stack, job_id, "replay", **{"from": "summarize", "options": {"processing": "detailed"}})

    assert (view["status"], view["run"], view["processing"]) == ("succeeded", 2, "detailed")
    assert tried(view) == [0, 0, 1, 1]
    detailed = stack.result(job_id)
    assert not quick["summary"]["sections"]
    assert detailed["summary"]["sections"]
    assert detailed["text"] == quick["text"]

    assert stack.client.get(f"/v1/jobs/{job_id}?run=1").json() == first | {
        "result_url": f"/v1/jobs/{job_id}/result?run=1"
    }
    assert stack.client.get(f"/v1/jobs/{job_id}/result?run=1").json() == quick
    runs = stack.client.get(f"/v1/jobs/{job_id}/runs").json()["items"]
    assert [(run["run"], run["origin"], run["from_stage"], run["status"]) for run in runs] == [
        (1, "submit", None, "succeeded"),
        (2, "replay", "summarize", "succeeded"),
    ]
    assert [stack.client.get(run["result_url"]).json()["run"] for run in runs] == [1, 2]


def test_a_replay_from_the_start_fetches_anew(stack: LiveStack, origin: OrderedOrigin) -> None:
    url = origin.on("/", Reply(body=ARTICLE), Reply(body=ARTICLE.replace("Marlow", "Henley")))
    job_id = stack.submit(url=url, pipeline="extract")
    stack.wait(job_id)
    view = again(stack, job_id, "replay", **{"from": "fetch"})
    assert tried(view) == [1, 1, 1]
    assert "Henley" in stack.result(job_id)["text"]
    assert "Marlow" in stack.client.get(f"/v1/jobs/{job_id}/result?run=1").json()["text"]


def test_a_cancelled_job_goes_on_where_it_was(stack: LiveStack, origin: OrderedOrigin) -> None:
    url = origin.on("/", Reply(body=ARTICLE, delay_s=60), Reply(body=ARTICLE))
    job_id = stack.submit(url=url, pipeline="extract")
    until(lambda: stage_of(stack.job(job_id), "fetch")["status"] == "running", within_s=20, what="the fetch")
    stack.client.delete(f"/v1/jobs/{job_id}")
    view = again(stack, job_id)
    assert (view["status"], view["run"]) == ("succeeded", 2)
    assert stack.client.get(f"/v1/jobs/{job_id}?run=1").json()["status"] == "cancelled"


def test_a_job_may_be_retried_until_it_succeeds(stack: LiveStack, origin: OrderedOrigin) -> None:
    url = origin.on("/", Reply(404), Reply(410), Reply(body=ARTICLE))
    job_id = stack.submit(url=url, pipeline="extract")
    ends = [stack.wait(job_id), again(stack, job_id), again(stack, job_id)]
    codes = [view["error"] and view["error"]["code"] for view in ends]
    assert codes == ["http_not_found", "http_gone", None]
    runs = stack.client.get(f"/v1/jobs/{job_id}/runs").json()["items"]
    assert [run["error"] and run["error"]["code"] for run in runs] == codes


@pytest.mark.full
def test_a_run_survives_its_worker_as_the_first_one_does(narrow: Narrow) -> None:
    stack, llm = narrow.stack, narrow.llm
    mark = "mark-of-a-lost-retry"
    llm.when(mark, failure(401, "no key"), replace(answer(), delay_s=300), answer())
    job_id = stack.submit(text=text_with(mark))
    stack.wait(job_id)
    assert stack.client.post(f"/v1/jobs/{job_id}/retry").status_code == 202
    until(lambda: llm.hits(mark) == 2, within_s=20, what="the second run to ask")
    os.kill(stack.worker_pid("summarize"), signal.SIGKILL)
    view = stack.wait(job_id)
    assert (view["status"], view["run"]) == ("succeeded", 2)
    assert outcomes(stage_of(view, "summarize")) == ["lost", "succeeded"]


@pytest.mark.full
def test_a_retry_is_kept_while_the_broker_is_gone(narrow: Narrow, origin: OrderedOrigin) -> None:
    stack = narrow.stack
    job_id = stack.submit(url=origin.on("/", Reply(404), Reply(body=ARTICLE)), pipeline="extract")
    stack.wait(job_id)
    [broker] = [process for process in stack.family() if process.name() == "valkey-server"]
    broker.kill()
    view = again(stack, job_id)
    assert (view["status"], view["run"]) == ("succeeded", 2)


@pytest.mark.full
def test_new_work_goes_before_replays_in_bulk(narrow: Narrow) -> None:
    stack, llm, number = narrow.stack, narrow.llm, 60
    llm.when("mark-of-many", *[answer()] * number, replace(answer(), delay_s=0.4))
    ids = [stack.submit(text=text_with("mark-of-many")) for _ in range(number)]
    stack.wait_all(ids)
    wish = {"action": "replay", "from": "summarize", "ids": ids}
    assert stack.client.post("/v1/jobs/bulk-actions", json=wish).status_code == 202
    until(lambda: stack.job(ids[number // 2])["run"] == 2, within_s=30, what="a backlog of replays")

    assert stack.wait(stack.submit(text=TEXT))["status"] == "succeeded"
    unfinished = [view for view in map(stack.job, ids) if view["status"] != "succeeded"]
    assert len(unfinished) > number // 3
    assert {view["run"] for view in stack.wait_all(ids)} == {2}


def test_what_cannot_run_again_is_refused_with_the_reason(stack: LiveStack, origin: OrderedOrigin) -> None:
    slow = stack.submit(url=origin.on("/slow", Reply(delay_s=60)))
    failed = stack.submit(url=origin.on("/gone", Reply(404)))
    done = stack.submit(text=TEXT, pipeline="extract")
    stack.wait_all([failed, done])

    status, problem = refusal(stack, f"/v1/jobs/{slow}/retry")
    assert (status, problem["code"]) == (409, "job_unfinished")
    status, problem = refusal(stack, f"/v1/jobs/{done}/retry")
    assert (status, problem["code"]) == (409, "job_finished")
    status, problem = refusal(stack, f"/v1/jobs/{failed}/replay", **{"from": "summarize"})
    assert (status, problem["code"], problem["earliest_stage"]) == (409, "input_expired", "fetch")
    status, problem = refusal(stack, f"/v1/jobs/{done}/replay", **{"from": "summarize"})
    assert (status, problem["code"]) == (422, "unknown_stage")
    status, problem = refusal(stack, f"/v1/jobs/{uuid4()}/retry")
    assert (status, problem["code"]) == (404, "job_not_found")
    assert stack.client.get(f"/v1/jobs/{done}?run=2").json()["code"] == "run_not_found"
    stack.client.delete(f"/v1/jobs/{slow}")


@pytest.mark.full
def test_the_command_line_retries_and_replays(stack: LiveStack, origin: OrderedOrigin) -> None:
    url = origin.on("/", Reply(404), Reply(body=ARTICLE))
    job_id = stack.submit(url=url)
    stack.wait(job_id)
    retried = penstock(stack, "retry", job_id, "--json")
    assert retried.status == 0, retried.err
    assert [(document["run"], document["source"]["url"]) for document in retried.documents] == [(2, url)]

    replayed = penstock(stack, "replay", job_id, "--from", "summarize", "--processing", "detailed", "--json")
    assert replayed.status == 0, replayed.err
    assert replayed.documents[0]["summary"]["processing"] == "detailed"
    assert tried(stack.job(job_id)) == [0, 0, 1, 1]

    refused = penstock(stack, "replay", job_id, "--from", "translate")
    assert (refused.status, refused.out) == (1, "")
    assert "translate" in refused.err
