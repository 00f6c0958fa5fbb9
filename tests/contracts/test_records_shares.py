"""Records: which runs are held back, in which lines, and how they are admitted."""

from datetime import timedelta
from typing import Any

import pytest

from pipeline.job import JobState, Lane, StageState
from pipeline.runs import NewRun
from pipeline.shares import AT_ONCE, Flow, Load
from tests.support.batches import full_batch
from tests.support.jobs import BROKEN, LEASE_S, STAGES, TENANT, World, ended, key_of, new_job
from tests.support.tools import START


@pytest.fixture
def records(world: World) -> Any:
    return world.records


def accepted(world: World, number: int, **about: Any) -> list[bool]:
    """Whether each of so many new jobs was launched as it came."""
    return [world.records.accept(new_job(**about)) for _ in range(number)]


def rerun(world: World, job: Any, **about: Any) -> None:
    again = NewRun(None, None, deadline_at=START + timedelta(days=1), at=START, **about)
    world.records.open_run(job.tenant_id, job.id, again)


def test_a_tenant_has_so_many_jobs_of_a_lane_launched_as_they_come(world: World, records: Any) -> None:
    assert accepted(world, AT_ONCE + 2) == [True] * AT_ONCE + [False] * 2
    assert accepted(world, 1, tenant_id="theirs") == [True]
    assert accepted(world, 1, lane=Lane.URGENT) == [True]
    assert records.flows() == [Flow(TENANT, Lane.NORMAL, ":extract")]
    assert records.flows()[0].stages == STAGES


def test_what_is_held_waits_and_is_nobodys_to_launch_again(world: World, records: Any) -> None:
    accepted(world, AT_ONCE)
    held = world.accept()
    assert {(stage.state, stage.launches) for stage in world.read(held).stages} == {(StageState.WAITING, 0)}
    world.pass_time(10_000)
    assert held.id not in {suspect.key.job_id for suspect in records.unstarted(older_than_s=0, limit=99)}
    assert records.relaunch_all() == AT_ONCE


def test_nothing_overtakes_what_is_held_in_its_line(world: World, records: Any) -> None:
    first = [world.accept() for _ in range(AT_ONCE)]
    held = world.accept()
    for job in first:
        records.request_cancel(TENANT, job.id, START)
    assert accepted(world, 1) == [False]
    assert accepted(world, 1, pipeline="other") == [True]
    (flow,) = records.flows()
    assert [each.job.id for each in records.admit({flow: 1})] == [held.id]
    assert accepted(world, 1) == [False]
    assert len(records.admit({flow: 9})) == 2
    assert records.flows() == []
    assert accepted(world, 1) == [True]
    world.do(held, *STAGES)
    assert world.read(held).state is JobState.SUCCEEDED


def test_what_runs_takes_a_place_and_what_waits_for_later_or_is_over_does_not(world: World, records: Any) -> None:
    jobs = [world.accept() for _ in range(AT_ONCE)]
    world.do(jobs[0], STAGES[0])
    world.hold(jobs[1])
    assert accepted(world, 1, pipeline="a") == [False]
    world.do(jobs[0], *STAGES[1:])
    assert accepted(world, 2, pipeline="b") == [True, False]
    records.release(world.hold(jobs[2]), BROKEN, delay_s=60, spends=True, ended=ended())
    assert accepted(world, 2, pipeline="c") == [True, False]
    assert records.loads() == [
        Load(TENANT, Lane.NORMAL, STAGES[0], waiting=AT_ONCE - 1, running=1, parked=1),
    ]
    world.pass_time(61)
    assert records.loads() == [Load(TENANT, Lane.NORMAL, STAGES[0], waiting=AT_ONCE, running=1)]


def test_loads_are_told_by_tenant_lane_and_stage(world: World, records: Any) -> None:
    mine, theirs, urgent = world.accept(), world.accept(tenant_id="theirs"), world.accept(lane=Lane.URGENT)
    world.do(mine, STAGES[0])
    full_batch(records, 3)
    assert sorted(records.loads(), key=str) == sorted(
        [
            Load(TENANT, Lane.NORMAL, STAGES[1], waiting=1),
            Load("theirs", Lane.NORMAL, STAGES[0], waiting=1),
            Load(TENANT, Lane.URGENT, STAGES[0], waiting=1),
        ],
        key=str,
    )
    for job in (mine, theirs, urgent):
        records.request_cancel(job.tenant_id, job.id, START)
    assert records.loads() == []


def test_each_batch_and_each_pipeline_has_a_line_of_its_own(world: World, records: Any) -> None:
    batch, _ = full_batch(records, 2)
    accepted(world, AT_ONCE + 1)
    accepted(world, 1, pipeline="other")
    theirs, _ = full_batch(records, 1, tenant_id="theirs")
    names = [(flow.tenant_id, flow.name) for flow in records.flows()]
    assert sorted(names) == sorted(
        [
            (TENANT, ":extract"),
            (TENANT, ":other"),
            (TENANT, f"{batch.id}:extract"),
            ("theirs", f"{theirs.id}:extract"),
        ]
    )


def test_as_many_of_each_line_are_admitted_as_are_asked_for(world: World, records: Any) -> None:
    big, jobs = full_batch(records, 5)
    _, other = full_batch(records, 2)
    first, second = sorted(records.flows(), key=lambda flow: not flow.name.startswith(big.id))
    admitted = records.admit({first: 3, second: 9})
    assert [each.job.id for each in admitted] == [job.id for job in (*jobs[:3], *other)]
    assert {(world.stage(job).state, world.stage(job).launches) for job in jobs[:3]} == {(StageState.READY, 1)}
    assert world.stage(jobs[3]).state is StageState.WAITING
    assert records.flows() == [first]
    assert records.admit({}) == []


def test_a_run_that_is_opened_again_is_held_like_a_new_job(world: World, records: Any) -> None:
    job = world.accept()
    world.do(job, STAGES[0])
    world.fail(job, STAGES[1])
    accepted(world, AT_ONCE)
    rerun(world, job)
    (flow,) = records.flows()
    assert (flow, flow.stages) == (Flow(TENANT, Lane.NORMAL, "again:extract"), STAGES[1:])
    refused = records.claim(key_of(job, STAGES[1], 2), owner="w", lease_s=LEASE_S, at=START)
    assert not hasattr(refused, "epoch")
    (admitted,) = records.admit({flow: 5})
    assert (admitted.job.id, admitted.job.run, admitted.stage) == (job.id, 2, STAGES[1])
    world.do(job, *STAGES[1:], run=2)
    assert world.read(job).state is JobState.SUCCEEDED


def test_a_run_is_held_on_its_own_lane(world: World, records: Any) -> None:
    job = world.accept()
    world.fail(job)
    accepted(world, AT_ONCE, lane=Lane.BULK)
    rerun(world, job, lane=Lane.BULK)
    (flow,) = records.flows()
    assert flow.lane is Lane.BULK
    assert [each.lane for each in records.admit({flow: 1})] == [Lane.BULK]


def test_what_ended_while_it_was_held_is_let_go(world: World, records: Any) -> None:
    accepted(world, AT_ONCE)
    cancelled, purged, again, late = (world.accept() for _ in range(4))
    for job in (cancelled, purged, again):
        records.request_cancel(TENANT, job.id, START)
    records.purge(TENANT, purged.id)
    rerun(world, again)
    lines = dict.fromkeys(records.flows(), 9)
    assert sorted((each.job.id, each.job.run) for each in records.admit(lines)) == sorted([(again.id, 2), (late.id, 1)])
    assert records.flows() == []
