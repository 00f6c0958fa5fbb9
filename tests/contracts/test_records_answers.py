"""Records: answers of language models that are kept, who may have them, and what becomes of them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.answers import Answer, KeptAnswer
from pipeline.ids import Hold
from pipeline.job import NewJob
from pipeline.spending import Caller, Spending, Spent
from tests.support.jobs import BROKEN, TENANT, World, ended, output_of
from tests.support.tools import START

DIGEST = "d" * 64
ANSWER = Answer("Locks lift boats.\x00\U0001f6a4", "small-1", 1000, 200)
SPENT = {"small": Spent(1, input_tokens=1000, output_tokens=200)}


def caller(world: World, job: NewJob, hold: Hold | None = None) -> Caller:
    return Caller(job.tenant_id, hold or world.hold(job))


def found(world: World, by: Caller) -> KeptAnswer | None:
    return world.records.answer(by, DIGEST, START - timedelta(days=1))


def asked(world: World, **job: str) -> Caller:
    """An attempt that was answered."""
    by = caller(world, world.accept(**job))
    world.records.keep_answer(by, DIGEST, ANSWER, START)
    return by


def end(world: World, by: Caller, *, accepts: bool | None) -> None:
    """Record what an attempt has to say of its answer."""
    finished = replace(ended(), spending=Spending(by.tenant_id, SPENT, (DIGEST,), accepts))
    if accepts:
        assert world.records.complete(by.hold, output_of("fetch"), finished)
    else:
        assert world.records.release(by.hold, BROKEN, delay_s=0, spends=accepts is False, ended=finished)


def test_a_new_answer_is_for_its_own_job(world: World) -> None:
    by = asked(world)
    assert found(world, by) == KeptAnswer(ANSWER, is_paid=False)
    assert found(world, caller(world, world.accept())) is None


def test_an_accepted_answer_is_for_all_jobs_of_the_tenant(world: World) -> None:
    end(world, asked(world), accepts=True)
    assert found(world, caller(world, world.accept())) == KeptAnswer(ANSWER, is_paid=True)
    assert found(world, caller(world, world.accept(tenant_id="other"))) is None


def test_an_answer_that_was_no_good_is_not_had_again(world: World) -> None:
    by = asked(world)
    end(world, by, accepts=False)
    assert found(world, by) is None


def test_an_answer_that_nobody_judged_waits_for_the_next_attempt_and_is_paid(world: World) -> None:
    by = asked(world)
    end(world, by, accepts=None)
    assert found(world, by) == KeptAnswer(ANSWER, is_paid=True)
    assert found(world, caller(world, world.accept())) is None


def test_an_accepted_answer_is_not_replaced_and_stays_accepted(world: World) -> None:
    end(world, asked(world), accepts=True)
    other = caller(world, world.accept())
    world.records.keep_answer(other, DIGEST, replace(ANSWER, text="Another."), START)
    end(world, other, accepts=None)
    assert found(world, caller(world, world.accept())) == KeptAnswer(ANSWER, is_paid=True)


def test_of_two_that_ask_at_once_the_latest_answer_is_kept(world: World) -> None:
    first, second = asked(world), caller(world, world.accept())
    world.records.keep_answer(second, DIGEST, replace(ANSWER, text="Another."), START)
    end(world, second, accepts=True)
    end(world, first, accepts=None)
    kept = found(world, first)
    assert kept is not None
    assert kept.answer.text == "Another."


@pytest.mark.parametrize("age", [timedelta(days=1), timedelta(days=40)])
def test_old_answers_are_not_had_and_are_erased(world: World, age: timedelta) -> None:
    by = asked(world)
    assert world.records.answer(by, DIGEST, START + age) is None
    assert world.records.forget_answers(before=START) == 0
    assert world.records.forget_answers(before=START + age) == 1
    assert found(world, by) is None


def test_answers_go_with_the_job_that_paid_for_them(world: World) -> None:
    job = world.accept()
    by = caller(world, job)
    world.records.keep_answer(by, DIGEST, ANSWER, START)
    finished = replace(ended(), spending=Spending(TENANT, SPENT, (DIGEST,), accepts=True))
    assert world.records.complete(by.hold, output_of("fetch"), finished)
    world.records.request_cancel(TENANT, job.id, START)
    world.records.purge(TENANT, job.id)
    later = caller(world, world.accept())
    assert found(world, later) is None
    world.records.keep_answer(by, DIGEST, ANSWER, START)
    assert found(world, by) is None
