"""A job that is due later starts then, soon and not before, whatever happens to the stack in between."""

from datetime import datetime, timedelta

import pytest

from tests.support.articles import ARTICLE
from tests.support.hosts import OrderedOrigin
from tests.support.origin import Reply
from tests.support.stack import LiveStack, Narrow

SOON_S = 2.0


def late_by_s(view) -> float:
    due_at, started_at = (datetime.fromisoformat(view[name]) for name in ("not_before", "started_at"))
    return (started_at - due_at).total_seconds()


def test_a_job_starts_when_it_is_due(stack: LiveStack) -> None:
    due, at_once = (stack.submit(html=ARTICLE, pipeline="extract", **asked) for asked in ({"delay_s": 3}, {}))
    waiting = stack.job(due)
    assert (waiting["status"], waiting["stage"]) == ("queued", "fetch")
    assert datetime.fromisoformat(waiting["not_before"]) - datetime.fromisoformat(waiting["created_at"]) == timedelta(
        seconds=3
    )
    views = stack.wait_all([due, at_once])
    assert [view["status"] for view in views] == ["succeeded"] * 2
    assert 0 <= late_by_s(views[0]) < SOON_S
    assert views[1]["finished_at"] < views[0]["started_at"]


@pytest.mark.timeout(180)
def test_a_job_that_is_due_later_outlives_the_stack(narrow: Narrow, origin: OrderedOrigin) -> None:
    stack = narrow.stack
    job_id = stack.submit(url=origin.on("/later", Reply(body=ARTICLE)), pipeline="extract", delay_s=8)
    stack.kill()
    assert origin.order == []
    stack.start()
    view = stack.wait(job_id)
    assert view["status"] == "succeeded"
    assert late_by_s(view) >= 0
    assert origin.order == ["/later"]


def test_a_job_may_ask_for_a_single_attempt(stack: LiveStack, origin: OrderedOrigin) -> None:
    url = origin.on("/flaky", Reply(500), Reply(body=ARTICLE))
    view = stack.wait(stack.submit(url=url, pipeline="extract", max_attempts=1))
    assert (view["status"], view["error"]["code"], view["attempts"]) == ("failed", "http_server_error", 1)
    assert origin.order == ["/flaky"]
