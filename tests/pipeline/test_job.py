from itertools import product

import pytest

from pipeline.errors import IllegalTransition
from pipeline.job import (
    JOB_TRANSITIONS,
    STAGE_TRANSITIONS,
    JobError,
    JobState,
    Lane,
    StageState,
    job_sources,
    percent_done,
    priority_of,
    require_legal,
    stage_sources,
)

JOB_MOVES = """
    queued   running  failed cancelled
    running  succeeded failed cancelled
"""
STAGE_MOVES = """
    waiting  ready cancelled
    ready    running failed cancelled
    running  ready waiting split succeeded failed cancelled
    split    ready waiting failed cancelled
    succeeded ready
"""


def moves(table: str) -> set[tuple[str, str]]:
    lines = [line.split() for line in table.strip().splitlines()]
    return {(source, target) for source, *targets in lines for target in targets}


@pytest.mark.parametrize(("source", "target"), list(product(JobState, JobState)))
def test_a_job_moves_as_drawn(source: JobState, target: JobState) -> None:
    drawn = (source, target) in moves(JOB_MOVES)
    assert (target in JOB_TRANSITIONS[source]) == drawn
    assert (source in job_sources(target)) == drawn


@pytest.mark.parametrize(("source", "target"), list(product(StageState, StageState)))
def test_a_stage_moves_as_drawn(source: StageState, target: StageState) -> None:
    drawn = (source, target) in moves(STAGE_MOVES)
    assert (target in STAGE_TRANSITIONS[source]) == drawn
    assert (source in stage_sources(target)) == drawn


@pytest.mark.parametrize(("source", "target"), list(product(StageState, StageState)))
def test_what_is_not_drawn_is_refused(source: StageState, target: StageState) -> None:
    if (source, target) in moves(STAGE_MOVES):
        require_legal(source, target)
    else:
        with pytest.raises(IllegalTransition, match=f"from {source} to {target}"):
            require_legal(source, target)


@pytest.mark.parametrize("states", [JobState, StageState])
def test_what_has_ended_stays_so_unless_the_output_of_a_stage_is_lost(
    states: type[JobState] | type[StageState],
) -> None:
    ended = {state for state in states if state.is_terminal}
    assert ended == {states.SUCCEEDED, states.FAILED, states.CANCELLED}
    assert not any(source in ended for source, _ in moves(JOB_MOVES))
    assert {move for move in moves(STAGE_MOVES) if move[0] in ended} == {("succeeded", "ready")}


def test_every_state_can_be_reached_and_can_end() -> None:
    for table, start in ((JOB_TRANSITIONS, JobState.QUEUED), (STAGE_TRANSITIONS, StageState.WAITING)):
        reached = {start}
        while more := {target for state in reached for target in table[state]} - reached:  # type: ignore[index]
            reached |= more
        assert reached == set(table)


def test_progress_grows_with_each_stage_and_half_for_a_running_one() -> None:
    done, running, waiting = StageState.SUCCEEDED, StageState.RUNNING, StageState.WAITING
    states = [[waiting] * 4, [running] + [waiting] * 3, [done] + [waiting] * 3, [done] * 3 + [running], [done] * 4]
    assert [percent_done(each) for each in states] == [0, 12, 25, 87, 100]
    assert percent_done([]) == 0


def test_lanes_are_served_in_order() -> None:
    assert sorted(Lane, key=priority_of) == [Lane.URGENT, Lane.NORMAL, Lane.BULK]


@pytest.mark.parametrize(
    ("code", "helps"), [("http_not_found", False), ("dns_failure", True), ("internal_error", True), ("no_code", False)]
)
def test_whether_another_try_helps_follows_from_the_code(code: str, helps: bool) -> None:
    assert JobError(code, "…").retry_helps is helps


def test_a_traceback_is_not_shown_by_accident() -> None:
    assert "secret" not in repr(JobError("internal_error", "…", traceback="secret"))
