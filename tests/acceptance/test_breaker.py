"""A host that keeps failing is left alone for a while; jobs for it wait without spending attempts."""

import pytest

from tests.support.articles import ARTICLE
from tests.support.hosts import OrderedOrigin
from tests.support.origin import Reply
from tests.support.stack import BREAKER_RESET_S, LiveStack, outcomes, stage_of
from tests.support.waiting import until

pytestmark = [pytest.mark.timeout(180), pytest.mark.full]

FAIL_MAX = 5


def test_a_failing_host_is_left_alone_until_it_may_have_recovered(stack: LiveStack, origin: OrderedOrigin) -> None:
    url = origin.on("/", *[Reply(500)] * FAIL_MAX, Reply(body=ARTICLE))
    blamed = [stack.submit(url=url, pipeline="extract") for _ in range(FAIL_MAX)]
    until(lambda: spent(stack, blamed) == FAIL_MAX, within_s=60, what="the breaker to open")
    later = [stack.submit(url=url, pipeline="extract") for _ in range(3)]
    views = stack.wait_all([*blamed, *later], within_s=60 + 10 * BREAKER_RESET_S)

    assert {view["status"] for view in views} == {"succeeded"}
    # Every request after the breaker had opened was one that succeeded.
    assert origin.hits("/") == FAIL_MAX + len(views) == spent(stack, [*blamed, *later])
    for job_id in later:
        stage = stage_of(stack.job(job_id), "fetch")
        assert stage["attempts"] == 1
        assert outcomes(stage) == ["postponed"] * (len(stage["timeline"]) - 1) + ["succeeded"]
        assert len(stage["timeline"]) > 1
        assert stage["timeline"][0]["error"]["code"] == "dependency_unavailable"


def spent(stack: LiveStack, job_ids: list[str]) -> int:
    """Attempts that fetches of these jobs have spent."""
    return sum(stack.stage(job_id, "fetch")["attempts"] for job_id in job_ids)
