"""Records: which jobs ended in a time."""

from datetime import timedelta

from pipeline.runs import NewRun
from tests.support.jobs import STAGES, TENANT, World
from tests.support.tools import START


def ids(world: World, after_s: float, before_s: float, limit: int = 10) -> list[str]:
    after, before = START + timedelta(seconds=after_s), START + timedelta(seconds=before_s)
    return [job.id for job in world.records.endings(after, before, limit=limit)]


def test_jobs_that_ended_are_found_in_the_order_in_which_they_did(world: World) -> None:
    cancelled, failed, done, _unfinished = (world.accept() for _ in range(4))
    world.do(done, *STAGES, at=START + timedelta(seconds=8))
    world.fail(failed)
    world.records.request_cancel(TENANT, cancelled.id, START + timedelta(seconds=5))
    assert ids(world, 0, 10) == [failed.id, cancelled.id, done.id]
    assert ids(world, 0, 10, limit=2) == [failed.id, cancelled.id]
    assert ids(world, 5, 10) == [cancelled.id, done.id]
    assert ids(world, 2.5, 4.9) == []


def test_those_of_one_moment_are_found_in_parts(world: World) -> None:
    at, until = START + timedelta(seconds=5), START + timedelta(seconds=10)
    jobs = [world.accept() for _ in range(4)]
    for job in jobs:
        world.records.request_cancel(TENANT, job.id, at)
    first, second, *others = sorted(job.id for job in jobs)
    assert [job.id for job in world.records.endings(at, until, beyond=first, limit=1)] == [second]
    assert [job.id for job in world.records.endings(at, until, beyond=second, limit=9)] == others
    assert world.records.endings(at, until, beyond=others[-1], limit=9) == []
    assert ids(world, 4, 10) == [first, second, *others]


def test_those_of_all_tenants_are_found_with_how_they_ended(world: World) -> None:
    job = world.accept(tenant_id="other")
    world.fail(job)
    [found] = world.records.endings(START, START + timedelta(seconds=10), limit=10)
    assert (found.tenant_id, found.id, found.state, found.stages) == ("other", job.id, "failed", ())
    assert found.error == world.read(job).error


def test_one_that_runs_again_has_not_ended(world: World) -> None:
    job = world.accept()
    world.fail(job)
    again = START + timedelta(minutes=1)
    world.records.open_run(TENANT, job.id, NewRun(None, None, deadline_at=again + timedelta(days=1), at=again))
    assert ids(world, 0, 10) == []
