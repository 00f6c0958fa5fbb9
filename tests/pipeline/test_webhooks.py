from datetime import timedelta
from random import Random

import pytest

from pipeline.job import JobError
from pipeline.memory import MemoryRecords
from pipeline.webhook_rules import DELAYS_S, JITTER, Health, Try, Verdict, code_of, judge
from pipeline.webhooks import document
from tests.support.jobs import TENANT, World
from tests.support.tools import START, ManualClock
from tests.support.webhooks import new_webhook

DAY_S = 86_400.0


def tried(status: int | None) -> Try:
    return Try(START, 0.5, status, "fetch_timeout" if status is None else code_of(status))


def verdict(status: int | None, attempts: int = 0, retry_after_s: float | None = None) -> Verdict:
    return judge(tried(status), attempts, retry_after_s, Random(attempts))


@pytest.mark.parametrize("status", [None, 302, 400, 404, 500])
def test_what_is_not_taken_is_tried_again_ever_more_rarely_for_three_days(status: int | None) -> None:
    delays_s = [verdict(status, attempts).delay_s for attempts in range(len(DELAYS_S) + 1)]
    assert delays_s.pop() is None
    for delay_s, least_s in zip(delays_s, DELAYS_S, strict=True):
        assert delay_s is not None
        assert least_s <= delay_s <= least_s * (1 + JITTER)
    assert delays_s == sorted(delays_s, key=lambda delay_s: delay_s or 0)
    assert 3 * DAY_S < sum(DELAYS_S) < 4 * DAY_S


def test_two_that_failed_together_are_not_tried_together() -> None:
    random = Random(1)
    assert len({judge(tried(500), 3, None, random).delay_s for _ in range(5)}) == 5


@pytest.mark.parametrize("status", [200, 201, 204, 299, 410])
def test_what_was_taken_and_what_is_gone_is_not_tried_again(status: int) -> None:
    assert verdict(status) == Verdict(tried(status))


@pytest.mark.parametrize(("status", "patience_s"), [(429, 900.0), (503, 900.0), (500, 0.0), (404, 0.0)])
def test_an_endpoint_may_ask_for_patience(status: int, patience_s: float) -> None:
    asked = verdict(status, retry_after_s=900.0)
    assert asked.patience_s == patience_s
    assert (asked.delay_s == 900.0) == (patience_s > 0)


def test_patience_makes_no_delay_shorter() -> None:
    assert (verdict(503, 8, 1.0).delay_s or 0) >= DAY_S


def test_failures_are_counted_from_the_first_one_on_until_a_success() -> None:
    first = Health().after(verdict(500))
    later = first.after(Verdict(Try(START + timedelta(days=1), 0.5, 500, "not_accepted")))
    assert (later.failures, later.failing_since) == (2, START)
    assert later.after(verdict(200)) == Health()


def test_the_body_says_what_happened_to_which_run() -> None:
    clock = ManualClock()
    records = MemoryRecords(clock)
    world, webhook = World(records, clock.advance), new_webhook()
    records.add_webhook(webhook)
    job = world.accept()
    world.fail(job, traceback="Traceback: secret")
    (delivery,) = records.deliveries(TENANT, webhook.id, before=None, limit=1).items
    read = world.read(job)
    assert read.error == JobError("dns_failure", "The host name could not be resolved.", "fetch", "Traceback: secret")
    body = document(delivery, read)
    assert (body["type"], body["timestamp"]) == ("job.failed", "2026-01-02T03:04:07+00:00")
    assert body["data"]["error"] == {
        "code": "dns_failure",
        "message": "The host name could not be resolved.",
        "stage": "fetch",
        "retryable": True,
    }
    told = {name: body["data"][name] for name in ("id", "status", "run", "lane", "url")}
    assert told == {
        "id": job.id,
        "status": "failed",
        "run": 1,
        "lane": "normal",
        "url": f"/v1/jobs/{job.id}?run=1",
    }
