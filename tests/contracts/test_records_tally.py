"""Records: how many jobs there are that somebody watches."""

from tests.support.jobs import STAGES, TENANT, World
from tests.support.tools import START


def test_what_is_worth_an_alarm_is_counted(world: World) -> None:
    _queued, running, done, cancelled = (world.accept() for _ in range(4))
    world.hold(running)
    world.do(done, *STAGES)
    world.records.request_cancel(TENANT, cancelled.id, START)
    for stage, code in (("fetch", "http_not_found"), ("fetch", "http_not_found"), ("extract", "no_content")):
        failed = world.accept(tenant_id="other" if stage == "extract" else TENANT)
        world.do(failed, *STAGES[: STAGES.index(stage)])
        world.fail(failed, stage, code=code)
    discarded = world.accept()
    world.fail(discarded)
    world.records.discard(TENANT, discarded.id, START)
    tally = world.records.tally()
    assert tally.unfinished == {"queued": 1, "running": 1}
    assert tally.dead_letters == {("http_not_found", "fetch"): 2, ("no_content", "extract"): 1}


def test_where_nothing_is_nothing_is_counted(world: World) -> None:
    tally = world.records.tally()
    assert (tally.unfinished, tally.dead_letters) == ({}, {})
