"""Schedules from the command line, and files and jobs that are done from Python, through the whole stack."""

import io
from pathlib import Path

import pytest

from api.client import Penstock
from api.client.errors import InvalidRequest
from tests.support.articles import ARTICLE, TEXT
from tests.support.commands import penstock
from tests.support.hosts import OrderedOrigin
from tests.support.origin import Reply
from tests.support.stack import LiveStack

pytestmark = pytest.mark.full


def test_a_schedule_is_made_paused_fired_resumed_and_erased(stack: LiveStack, origin: OrderedOrigin) -> None:
    url = origin.on("/page", Reply(body=ARTICLE))
    words = ("--name", "front page", "--every", "3600", "--pipeline", "extract", "--tag", "scheduled")
    made = penstock(stack, "schedule", "create", url, *words)
    assert (made.status, "fires next at" in made.err) == (0, True), made.err
    schedule_id = made.out.strip()
    try:
        paused = penstock(stack, "schedule", "pause", schedule_id, "--json")
        assert (paused.documents[0]["status"], paused.documents[0]["next_at"]) == ("paused", None)
        job_id = penstock(stack, "schedule", "run", schedule_id).out.strip()
        assert stack.wait(job_id)["status"] == "succeeded"
        assert penstock(stack, "jobs", "--tag", "scheduled").out.split("\t")[0] == job_id
        assert penstock(stack, "schedule", "runs", schedule_id).out.split("\t")[1:3] == ["by hand", job_id]
        assert penstock(stack, "schedule", "resume", schedule_id, "--json").documents[0]["status"] == "active"
        assert penstock(stack, "schedule", "list", "--limit", "1").out.startswith(f"{schedule_id}\tactive\t")
        assert f"a job for {url}" in penstock(stack, "schedule", "show", schedule_id).out
    finally:
        assert penstock(stack, "schedule", "delete", schedule_id).status == 0
    assert penstock(stack, "schedule", "show", schedule_id).status == 4


def test_a_file_of_urls_is_scheduled_as_a_batch(stack: LiveStack, origin: OrderedOrigin, tmp_path: Path) -> None:
    urls = tmp_path / "urls.txt"
    urls.write_text(f"{origin.on('/a', Reply(body=ARTICLE))}\n{origin.on('/b', Reply(body=ARTICLE))}\n")
    words = ("--name", "pages", "--cron", "0 3 1 1 *", "--time-zone", "Europe/Berlin", "--pipeline", "extract")
    schedule_id = penstock(stack, "schedule", "create", "--batch", urls, *words).out.strip()
    try:
        batch_id = penstock(stack, "schedule", "run", schedule_id).out.strip()
        ended = penstock(stack, "batch", "status", batch_id, "--wait", "--json")
        assert (ended.status, ended.documents[0]["counts"]["succeeded"]) == (0, 2)
    finally:
        assert penstock(stack, "schedule", "delete", schedule_id).status == 0


def test_a_job_that_has_done_the_same_is_reused(stack: LiveStack) -> None:
    words = ("submit", "--text", f"{TEXT} Reused.", "--pipeline", "extract", "--reuse", "3600", "--json")
    [first] = penstock(stack, *words).documents
    stack.wait(first["id"])
    [again] = penstock(stack, *words).documents
    assert (first["cached"], again["cached"], again["id"]) == (False, True, first["id"])
    waited = penstock(stack, *words, "--wait")
    assert (waited.status, waited.documents) == (0, [stack.result(first["id"])])


def test_a_file_is_sent_with_a_key_over_a_real_connection(stack: LiveStack) -> None:
    words = ("keys", "create", "--name", "files", "--scope", "submit,read", "--expires", "1h")
    key, where = penstock(stack, *words).out.strip(), str(stack.client.base_url)
    content = (TEXT * (3_000_000 // len(TEXT))).encode()
    with Penstock(where, api_key=key) as client:
        job = client.submit_file(io.BytesIO(content), name="long.txt", pipeline="extract")
        assert client.wait(job.id, timeout_s=60).stages[0].status == "succeeded"
    with Penstock(where) as client, pytest.raises(InvalidRequest, match="API key"):
        client.submit_file(io.BytesIO(content * 5))
