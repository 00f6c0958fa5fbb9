"""A worker is killed after the language model has answered and before the attempt is recorded: nobody pays twice."""

import pytest

from tests.support.faulty_verdict import judge
from tests.support.job_fleet import STAGES

pytestmark = [pytest.mark.timeout(120)]


def test_a_worker_that_is_killed_with_an_answer_in_hand_does_not_cost_another(new_fleet) -> None:
    fleet = new_fleet().start({**dict.fromkeys(STAGES, 1), "summarize": 2})
    fleet.box.arm("payload_written", "summarize")
    job = fleet.accepted(token="tok-once")
    assert fleet.wait_ended([job], within_s=60)[job.id] == "succeeded"
    fleet.wait_quiet()
    assert [fault.stage for fault in fleet.faults("kill")] == ["summarize"]
    assert fleet.model.count("tok-once") == 1
    view = fleet.view(job)
    outcomes = [attempt["outcome"] for attempt in view["stages"][2]["timeline"]]
    assert outcomes == ["lost", "succeeded"]
    assert (view["usage"]["calls"], view["usage"]["cached_calls"]) == (1, 0)
    assert judge(fleet).failures == []
    again = fleet.accepted(token="tok-once")
    assert fleet.wait_ended([again], within_s=60)[again.id] == "succeeded"
    assert fleet.model.count("tok-once") == 1
    assert fleet.view(again)["usage"]["cached_calls"] == 1
