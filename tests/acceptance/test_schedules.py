"""Schedules fire in the running stack, by the keeper and by hand, and what they submit is done."""

import os
import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestration.embedded.datadir import DataDir
from tests.support.articles import TEXT
from tests.support.stack import LiveStack, Narrow
from tests.support.waiting import until

WITHIN_S = 60
JOB = {"text": TEXT, "pipeline": "extract"}


def create(stack: LiveStack, **about: Any) -> dict[str, Any]:
    answer = stack.client.post("/v1/schedules", json={"name": "test", "interval_s": 3600, **about})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def in_s(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def runs(stack: LiveStack, schedule: dict[str, Any]) -> list[dict[str, Any]]:
    return list(stack.client.get(schedule["runs_url"]).json()["items"])


def withdraw(stack: LiveStack, schedule: dict[str, Any]) -> None:
    """The stack is shared: let nothing more be submitted."""
    assert stack.client.delete(schedule["url"]).status_code == 204


def test_a_schedule_fires_when_it_is_due_and_by_hand(stack: LiveStack) -> None:
    schedule = create(stack, job=JOB, starts_at=in_s(1))
    by_hand = stack.client.post(f"{schedule['url']}/run").json()
    planned = until(
        lambda: [run for run in runs(stack, schedule) if run["due_at"]], within_s=WITHIN_S, what="the firing"
    )
    assert [run["due_at"] for run in planned] == [schedule["next_at"]]
    views = stack.wait_all([by_hand["job_id"], planned[0]["job_id"]])
    assert [view["status"] for view in views] == ["succeeded"] * 2
    withdraw(stack, schedule)


@pytest.mark.full
def test_a_batch_that_is_due_is_launched_and_delivered(stack: LiveStack) -> None:
    batch = {"items": [{"text": TEXT}] * 3, "defaults": {"pipeline": "extract"}}
    schedule = create(stack, batch=batch, starts_at=in_s(1), ends_at=in_s(2))
    (run,) = until(lambda: runs(stack, schedule), within_s=WITHIN_S, what="the firing")
    url = f"/v1/batches/{run['batch_id']}"

    def is_finished() -> bool:
        return stack.client.get(url).json()["status"] == "finished"

    until(is_finished, within_s=WITHIN_S, what="the batch")
    assert stack.client.get(url).json()["counts"]["succeeded"] == 3
    assert stack.client.get(schedule["url"]).json()["status"] == "ended"
    withdraw(stack, schedule)


@pytest.mark.full
@pytest.mark.timeout(240)
def test_a_keeper_that_is_killed_while_it_fires_loses_none_and_doubles_none(narrow: Narrow) -> None:
    stack = narrow.stack
    tagged = {**JOB, "tags": ["killed-keeper"]}
    due = in_s(3)
    schedules = [create(stack, job=tagged, starts_at=due) for _ in range(15)]
    until(lambda: any(runs(stack, each) for each in schedules), within_s=WITHIN_S, what="the first firing")
    note = DataDir(stack.data_dir).running()
    assert note is not None
    os.kill(note.pids["keeper"], signal.SIGKILL)
    until(lambda: all(runs(stack, each) for each in schedules), within_s=40, what="all firings")
    fired = [run["job_id"] for each in schedules for run in runs(stack, each)]
    assert [view["status"] for view in stack.wait_all(fired)] == ["succeeded"] * 15
    listed = stack.client.get("/v1/jobs?tag=killed-keeper").json()["items"]
    assert sorted(job["id"] for job in listed) == sorted(fired)
    for each in schedules:
        withdraw(stack, each)


@pytest.mark.full
@pytest.mark.timeout(240)
def test_what_the_stack_missed_while_it_was_down_is_made_up_for_once(narrow: Narrow) -> None:
    stack = narrow.stack
    schedule = create(stack, job=JOB, interval_s=60, starts_at=in_s(4), catch_up="once")
    stack.kill()
    down_until = datetime.fromisoformat(schedule["next_at"]) + timedelta(seconds=62)
    until(lambda: datetime.now(UTC) > down_until, within_s=90, what="two times to pass")
    stack.start()
    (run,) = until(lambda: runs(stack, schedule), within_s=WITHIN_S, what="the firing")
    assert stack.wait(run["job_id"])["status"] == "succeeded"
    second = datetime.fromisoformat(schedule["next_at"]) + timedelta(seconds=60)
    assert datetime.fromisoformat(run["due_at"]) == second
    withdraw(stack, schedule)
