"""Batches from the command line and from Python, through the whole stack."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.client import AsyncPenstock, BatchResult, BatchView, JobFields
from tests.support.articles import ARTICLE, TEXT
from tests.support.commands import penstock
from tests.support.hosts import OrderedOrigin
from tests.support.origin import Reply
from tests.support.stack import LiveStack
from tests.support.waiting import until

pytestmark = pytest.mark.full

MANY = 700
"""More than are recorded in one transaction."""


def test_a_list_of_urls_is_done_and_its_results_are_printed(
    stack: LiveStack, origin: OrderedOrigin, tmp_path: Path
) -> None:
    page, gone = origin.on("/page", Reply(body=ARTICLE)), origin.on("/gone", Reply(404))
    urls = tmp_path / "urls.txt"
    urls.write_text(f"{page}\n{gone}\n")
    ran = penstock(stack, "batch", "submit", urls, "--name", "few", "--pipeline", "extract", "--wait", "--json")
    assert ran.status == 1, ran.err
    [batch] = ran.documents
    assert (batch["status"], batch["counts"]["succeeded"], batch["counts"]["failed"]) == ("finished", 1, 1)
    assert "2 of 2 items were accepted" in ran.err

    told = penstock(stack, "batch", "results", batch["id"])
    assert (told.status, "The lock keeper of Marlow" in told.out) == (0, True)
    assert f"{gone} failed: The host answered 404" in told.err
    lines = penstock(stack, "batch", "results", batch["id"], "--json").documents
    assert [(line["index"], line["status"]) for line in lines] == [(0, "succeeded"), (1, "failed")]
    assert penstock(stack, "batch", "list", "--limit", "1").out.split("\t")[0] == batch["id"]

    origin.on("/gone", Reply(body=ARTICLE))
    again = penstock(stack, "batch", "retry-failed", batch["id"], "--json")
    assert (again.status, again.documents[0]["total"]) == (0, 1)
    until(lambda: stack.job(lines[1]["job_id"])["status"] == "succeeded", within_s=60, what="the retried job")
    assert penstock(stack, "batch", "status", batch["id"], "--wait").status == 0


def test_lines_from_standard_input_wait_until_they_are_cancelled(stack: LiveStack) -> None:
    item = json.dumps({"text": TEXT, "delay_s": 3600})
    submitted = penstock(stack, "batch", "submit", "-", "--tag", "late", stdin=f"{item}\n{item}\n")
    assert submitted.status == 0, submitted.err
    batch_id = submitted.out.strip()
    assert len(penstock(stack, "jobs", "--tag", "late", "--batch", batch_id).out.splitlines()) == 2
    [cancelled] = penstock(stack, "batch", "cancel", batch_id, "--json").documents
    assert cancelled["counts"]["cancelled"] == 2


def test_a_generator_is_sent_over_a_real_connection(stack: LiveStack) -> None:
    def items() -> Iterator[JobFields]:
        for number in range(MANY):
            yield {"text": f"{TEXT} {number}", "delay_s": 0 if number < 2 else 3600, "pipeline": "extract"}

    async def run() -> tuple[BatchView, list[BatchResult]]:
        async with AsyncPenstock(str(stack.client.base_url)) as penstock:
            batch = await penstock.submit_batch(items())
            first = [job.id async for job in penstock.iter_jobs(batch_id=batch.id) if job.not_before is None]
            await asyncio.gather(*map(penstock.wait, first))
            await penstock.cancel_batch(batch.id)
            ended = await penstock.wait_batch(batch.id, timeout_s=60)
            return ended, [result async for result in penstock.iter_batch_results(batch.id)]

    batch, results = asyncio.run(run())
    assert (batch.accepted, batch.rejected, batch.status) == (MANY, [], "cancelled")
    assert [result.index for result in results] == list(range(MANY))
    assert [result.result is not None for result in results] == [True] * 2 + [False] * (MANY - 2)
