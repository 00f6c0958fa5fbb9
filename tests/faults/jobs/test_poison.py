"""Pages that hurt who parses them, and messages that come too often."""

import pytest

from orchestration.celery_app import create_app
from orchestration.launch import launch
from orchestration.settings import Settings
from pipeline.definition import CATALOG
from pipeline.ids import StageKey
from pipeline.job import MAX_LOSSES, Lane
from tests.support.faulty_effects import article
from tests.support.faulty_verdict import judge
from tests.support.job_fleet import STAGES

pytestmark = pytest.mark.timeout(300)

FATES = {
    "poison:exit": "parse_crashed",
    "poison:segfault": "parse_crashed",
    "poison:memory": "parse_memory",
    "poison:loop": "parse_timeout",
}
DELIVERIES = 10


@pytest.mark.full
@pytest.mark.parametrize("poison", FATES)
def test_a_page_that_hurts_its_parser_fails_and_others_go_on(poison: str, new_fleet) -> None:
    fleet = new_fleet().start()
    worker = fleet.workers("extract")[0]
    poisoned = fleet.accepted(html=article("tok-poisoned", poison), pipeline="extract")
    others = [fleet.accepted(html=article(f"tok-other{number}"), pipeline="extract") for number in range(4)]
    states = fleet.wait_ended([poisoned, *others], within_s=60)
    assert states.pop(poisoned.id) == "failed"
    assert set(states.values()) == {"succeeded"}
    assert fleet.view(poisoned)["error"]["code"] == FATES[poison]
    assert fleet.workers("extract") == [worker]
    fleet.wait_quiet()
    assert judge(fleet, may_fail={FATES[poison]}).failures == []


@pytest.mark.full
def test_a_page_that_kills_its_workers_is_given_up_and_others_go_on(new_fleet) -> None:
    fleet = new_fleet().start({**dict.fromkeys(STAGES, 1), "extract": 2})
    poisoned = fleet.accepted(html=article("tok-poisoned", "poison:worker"), pipeline="extract")
    others = [fleet.accepted(html=article(f"tok-other{number}"), pipeline="extract") for number in range(4)]
    states = fleet.wait_ended([poisoned, *others], within_s=90)
    assert states.pop(poisoned.id) == "failed"
    assert set(states.values()) == {"succeeded"}
    assert fleet.view(poisoned)["error"]["code"] == "worker_lost"
    assert len(fleet.faults("kill")) == MAX_LOSSES
    fleet.wait_quiet()
    assert judge(fleet, recovered_within_s=15, may_fail={"worker_lost"}).failures == []


@pytest.mark.parametrize("width", [4])
def test_a_message_that_is_delivered_ten_times_at_once_has_one_effect(width: int, new_fleet) -> None:
    fleet = new_fleet()
    fleet.web.delay_s = 0.5
    fleet.start({"extract": 1, "summarize": 1, "store": 1})
    job = fleet.accepted()
    app = create_app(Settings(broker_url=fleet.broker.url, data_dir=fleet.folder), CATALOG.stages.values())
    for number in range(2, DELIVERIES + 1):
        launch(app, StageKey(job.id, 1, "fetch"), STAGES, Lane.NORMAL, number=number)
    app.close()
    for _ in range(2):
        fleet.spawn("worker", "fetch", width=width)
    assert fleet.wait_ended([job])[job.id] == "succeeded"
    fleet.wait_quiet()
    verdict = judge(fleet)
    assert verdict.failures == []
    assert verdict.duplicate_effects == 0
    assert fleet.web.count(job.token) == 1
    assert len([event for event in fleet.box.events("refused") if event.stage == "fetch"]) == DELIVERIES - 1
