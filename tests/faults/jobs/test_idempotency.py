"""The API is killed before it can answer, and its client asks again: there is one job, and it is done once."""

import pytest

from pipeline.job import JobState
from tests.support.faulty_verdict import judge

pytestmark = [pytest.mark.timeout(300), pytest.mark.full]

STARTED_WITHIN_S = 30


@pytest.mark.parametrize("point", ["accepted", "launched"])
def test_a_client_that_got_no_answer_finds_its_job(point: str, new_fleet, measured) -> None:
    """Killed between commit and publication, or between publication and answer."""
    fleet = new_fleet().start()
    request = {"token": "tok-again", "key": '"8e03978e-40d5-43dd"'}
    fleet.box.arm(point, "api")
    assert fleet.submit(**request) is None
    killed = fleet.until(fleet.faults, within_s=5, what="the end of the API")[0]
    fleet.until(fleet.answers, within_s=20, what="the API to be back")

    found = [fleet.accepted(**request) for _ in range(2)]
    assert {job.id for job in found} == {killed.job}
    began = fleet.until(lambda: fleet.box.events("claimed"), within_s=STARTED_WITHIN_S, what="the job to start")[0]
    assert began.at - killed.at <= STARTED_WITHIN_S
    measured("started after, s", began.at - killed.at)

    assert fleet.wait_ended() == {killed.job: JobState.SUCCEEDED}
    fleet.wait_quiet()
    assert fleet.accepted(**request).id == killed.job
    assert (fleet.states().keys(), fleet.web.count("tok-again")) == ({killed.job}, 1)
    assert judge(fleet, recovered_within_s=STARTED_WITHIN_S).failures == []
