"""What need not be kept any more goes: outputs of stages, then jobs, and objects that belong to no job."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.articles import ARTICLE, TEXT
from tests.support.hosts import OrderedOrigin
from tests.support.origin import Reply
from tests.support.stack import LiveStack, live_stack
from tests.support.waiting import until

pytestmark = [pytest.mark.timeout(180), pytest.mark.full]

GONE_WITHIN_S = 40
GRACE_S = 3


@pytest.fixture(scope="module")
def stack() -> Iterator[LiveStack]:
    """Forgets outputs and failures at once, and keeps results."""
    short = {"retention_intermediates_s": 0.5, "retention_dead_letters_s": 0.5}
    with live_stack(**short, orphan_grace_s=GRACE_S) as stack:
        yield stack


def stored(stack: LiveStack, job_id: str) -> list[str]:
    """The stages of which the payload folder holds something."""
    return [path.name.partition(".")[0] for path in stack.payload_files(job_id)]


def test_a_job_that_succeeded_keeps_its_result_and_nothing_else(stack: LiveStack, origin: OrderedOrigin) -> None:
    fetched = stack.submit(url=origin.on("/", Reply(body=ARTICLE)), pipeline="extract")
    submitted = stack.submit(text=TEXT, pipeline="extract")
    for view in stack.wait_all([fetched, submitted]):
        assert view["status"] == "succeeded"
    for job_id in (fetched, submitted):
        until(lambda: stored(stack, job_id) == ["store"], within_s=GONE_WITHIN_S, what="the outputs to go")  # noqa: B023
        assert stack.result(job_id)["text"]

    for job_id, earliest in ((fetched, "fetch"), (submitted, None)):
        answer = stack.client.post(f"/v1/jobs/{job_id}/replay", json={"from": "extract"})
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (409, "input_expired")
        assert problem.get("earliest_stage") == earliest
    answer = stack.client.post(f"/v1/jobs/{fetched}/replay", json={"from": "fetch"})
    assert answer.status_code == 202
    assert stack.wait(fetched)["run"] == 2


def test_a_failed_job_goes_with_all_it_left(stack: LiveStack) -> None:
    job_id = stack.submit(html="<nav>Home</nav>", pipeline="extract")
    gone = f"/v1/jobs/{job_id}"
    until(lambda: stack.client.get(gone).status_code == 404, within_s=GONE_WITHIN_S, what="the job to go")
    until(lambda: stored(stack, job_id) == [], within_s=GONE_WITHIN_S, what="its objects to go")


def test_what_belongs_to_no_job_goes_after_a_while(stack: LiveStack) -> None:
    kept = stack.submit(text=TEXT, pipeline="extract")
    stack.wait(kept)
    payloads = stack.data_dir / "payloads"
    orphan = left(payloads / "default" / str(uuid4()) / "1" / f"fetch.0-{'0' * 64}")
    torn = left(payloads / ".incoming" / "tmp12345")
    of_job = orphan.parents[1]
    until(lambda: not of_job.exists() and not torn.exists(), within_s=GONE_WITHIN_S, what="both to go")
    assert stack.result(kept)["text"]


def left(path: Path) -> Path:
    """A file that was left behind a day ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"left behind")
    for each in (path, *path.parents[:2]):
        os.utime(each, (1_000_000, 1_000_000))
    return path


def test_results_go_in_the_end(stack: LiveStack) -> None:
    job_id = stack.submit(text=TEXT, pipeline="extract")
    stack.wait(job_id)
    stack.stop()
    stack.environ["PENSTOCK_RETENTION_RESULTS_S"] = "0.5"
    stack.start()
    gone = f"/v1/jobs/{job_id}/result"
    until(lambda: stack.client.get(gone).status_code == 404, within_s=GONE_WITHIN_S, what="the job to go")
    until(lambda: stored(stack, job_id) == [], within_s=GONE_WITHIN_S, what="its objects to go")
