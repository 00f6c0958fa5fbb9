from dataclasses import replace
from datetime import timedelta
from random import Random
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import BrokerUnavailable, PayloadCorrupt, PayloadMissing, PayloadsUnavailable, RecordsUnavailable
from pipeline.ids import StageKey
from pipeline.job import JobSource, Lane
from pipeline.outcome import LAST_LOOK_S, MACHINERY_DELAY_S, MAX_PARKED_S, Again, Cancelled, Dead, Returned, judge
from pipeline.work import Grant
from stages.contract import CODES, Awaited, Options, Permanent, Postponed, RetryPolicy, Transient
from stages.contract import Cancelled as CallOff
from tests.support.catalogs import translate
from tests.support.tools import START

POLICY = RetryPolicy(max_attempts=3, base_s=10, cap_s=15)


def grant(**changes: Any) -> Grant:
    fresh = Grant(
        key=StageKey("0198", 1, "translate"),
        epoch=1,
        attempts=0,
        losses=0,
        parked_s=0.0,
        tenant_id="default",
        pipeline="translated",
        stages=("fetch", "translate"),
        source=JobSource(url="https://example.org/"),
        options=Options(),
        lane=Lane.NORMAL,
        created_at=START,
        deadline_at=START + timedelta(days=1),
        done=(),
    )
    return replace(fresh, **changes)


def verdict(error: Exception, policy: RetryPolicy = POLICY, seed: int = 1, **changes: Any) -> Any:
    return judge(error, replace(translate, retry=policy), grant(**changes), START, Random(seed))


@given(spent=st.integers(0, 1), seed=st.integers())
def test_what_may_pass_spends_an_attempt_and_backs_off(spent: int, seed: int) -> None:
    again = verdict(Transient("dns_failure"), seed=seed, attempts=spent)
    assert again.spends
    assert 0 <= again.delay_s <= POLICY.ceiling_s(spent + 1)
    assert (again.error.code, again.error.message) == ("dns_failure", CODES["dns_failure"].meaning)
    assert again.error.stage == "translate"


def test_the_delay_is_drawn_from_the_policy_of_the_stage() -> None:
    delays = [verdict(Transient("dns_failure"), seed=seed, attempts=1).delay_s for seed in range(500)]
    assert fmean(delays) == pytest.approx(7.5, abs=0.6)
    assert max(delays) > 14


def test_the_last_attempt_is_the_end() -> None:
    dead = verdict(Transient("dns_failure", "No such host."), attempts=2)
    assert isinstance(dead, Dead)
    assert dead.spends
    assert (dead.error.code, dead.error.message) == ("dns_failure", "No such host.")


def test_what_will_not_pass_is_the_end_at_once() -> None:
    dead = verdict(Permanent("http_not_found"))
    assert isinstance(dead, Dead)
    assert dead.spends
    assert dead.error.code == "http_not_found"
    assert dead.error.traceback is None


@pytest.mark.parametrize("attempts", [0, 2, 50])
def test_patience_spends_nothing_however_many_attempts_are_spent(attempts: int) -> None:
    again = verdict(Postponed("http_rate_limited", delay_s=42), attempts=attempts)
    assert isinstance(again, Again)
    assert (again.delay_s, again.spends, again.error.code) == (42, False, "http_rate_limited")


@pytest.mark.parametrize(("parked_s", "ends"), [(0, False), (MAX_PARKED_S - 60, False), (MAX_PARKED_S - 59, True)])
def test_patience_ends_when_the_parking_would(parked_s: float, ends: bool) -> None:
    outcome = verdict(Postponed("http_rate_limited", "Too fast.", delay_s=60), parked_s=parked_s)
    assert isinstance(outcome, Dead) == ends
    assert outcome.error.code == ("dependency_unavailable" if ends else "http_rate_limited")
    assert outcome.error.message == "Too fast."
    assert not outcome.spends


@pytest.mark.parametrize("parked_s", [0.0, 10 * MAX_PARKED_S])
def test_a_limit_that_was_set_on_purpose_is_waited_for_as_long_as_the_job_may_take(parked_s: float) -> None:
    again = verdict(Postponed("budget_exhausted", delay_s=3 * MAX_PARKED_S), parked_s=parked_s)
    assert (again.delay_s, again.spends) == (3 * MAX_PARKED_S, False)


def test_who_waits_for_longer_than_the_job_may_take_looks_once_more_before_its_end() -> None:
    for_ever = Postponed("budget_exhausted", delay_s=10**6)
    assert verdict(for_ever, deadline_at=START + timedelta(hours=1)).delay_s == 3600 - LAST_LOOK_S
    end = verdict(for_ever, deadline_at=START + timedelta(seconds=LAST_LOOK_S))
    assert (type(end), end.error.code) == (Dead, "deadline_exceeded")
    assert "budget" in end.error.message


@pytest.mark.parametrize("parked_s", [0, 10 * MAX_PARKED_S])
def test_waiting_for_ones_turn_is_bounded_by_the_deadline_only(parked_s: float) -> None:
    again = verdict(Awaited("host_busy", delay_s=3 * 3600), parked_s=parked_s)
    assert (again.delay_s, again.spends, again.parks) == (3 * 3600, False, False)
    late = verdict(Awaited("host_busy", delay_s=25 * 3600))
    assert (late.error.code, late.spends) == ("deadline_exceeded", False)


@pytest.mark.parametrize(
    ("error", "spends"), [(Transient("dns_failure"), True), (Postponed("http_unavailable", delay_s=30), False)]
)
def test_no_attempt_is_planned_after_the_deadline(error: Exception, spends: bool) -> None:
    dead = verdict(error, RetryPolicy(base_s=30, cap_s=30), seed=2, deadline_at=START + timedelta(seconds=10))
    assert isinstance(dead, Dead)
    assert (dead.error.code, dead.spends) == ("deadline_exceeded", spends)
    assert dead.error.message.endswith(error.message)  # type: ignore[attr-defined]


def test_a_deadline_is_the_first_moment_that_is_too_late() -> None:
    patience = Postponed("http_unavailable", delay_s=30)
    assert isinstance(verdict(patience, deadline_at=START + timedelta(seconds=30)), Dead)
    assert isinstance(verdict(patience, deadline_at=START + timedelta(seconds=30.001)), Again)


def test_a_defect_is_the_end_and_its_traceback_is_kept_for_us_alone() -> None:
    def buggy() -> None:
        raise KeyError("password=hunter2")

    try:
        buggy()
    except KeyError as error:
        dead = verdict(error)
    assert isinstance(dead, Dead)
    assert (dead.error.code, dead.error.message) == ("internal_error", "KeyError in translate")
    assert dead.error.traceback is not None
    assert "in buggy" in dead.error.traceback
    assert "hunter2" in dead.error.traceback


@pytest.mark.parametrize(
    ("error", "code"), [(PayloadMissing("k"), "payload_missing"), (PayloadCorrupt("k"), "payload_corrupt")]
)
def test_a_lost_payload_has_to_be_made_again(error: Exception, code: str) -> None:
    returned = verdict(error)
    assert isinstance(returned, Returned)
    assert (returned.error.code, returned.claim_key) == (code, "k")


@pytest.mark.parametrize("kind", [RecordsUnavailable, PayloadsUnavailable, BrokerUnavailable])
@pytest.mark.parametrize("parked_s", [0, 10 * MAX_PARKED_S])
def test_our_own_outage_is_never_held_against_the_job(kind: type[Exception], parked_s: float) -> None:
    again = verdict(kind("the disk is full"), attempts=99, parked_s=parked_s)
    assert isinstance(again, Again)
    assert (again.delay_s, again.spends, again.error.code) == (MACHINERY_DELAY_S, False, "storage_unavailable")


def test_a_cancelled_job_needs_nothing_more() -> None:
    assert verdict(CallOff()) == Cancelled()


def test_every_error_that_is_described_is_in_the_table() -> None:
    errors = [PayloadMissing("k"), PayloadCorrupt("k"), RecordsUnavailable("k"), ValueError()]
    assert {verdict(error).error.code for error in errors} <= set(CODES)


@pytest.mark.parametrize(("asked", "spent", "goes_on"), [(1, 0, False), (5, 3, True), (5, 4, False)])
def test_a_job_may_ask_for_a_number_of_attempts(asked: int, spent: int, goes_on: bool) -> None:
    outcome = verdict(Transient("dns_failure"), attempts=spent, max_attempts=asked)
    assert isinstance(outcome, Again if goes_on else Dead)
