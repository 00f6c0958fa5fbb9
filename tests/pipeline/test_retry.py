from dataclasses import FrozenInstanceError
from random import Random
from statistics import fmean, quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.contract import RetryPolicy

seconds = st.floats(min_value=0, max_value=1e6)
attempts = st.integers(min_value=1, max_value=10_000)


@given(base_s=seconds, cap_s=seconds, attempt=attempts, seed=st.integers())
def test_a_delay_lies_between_nothing_and_its_ceiling(base_s: float, cap_s: float, attempt: int, seed: int) -> None:
    policy = RetryPolicy(base_s=base_s, cap_s=cap_s)
    assert 0 <= policy.delay_s(attempt, Random(seed)) <= policy.ceiling_s(attempt) <= cap_s


@given(base_s=st.floats(min_value=1e-3, max_value=1e6), cap_s=seconds, attempt=attempts)
def test_the_ceiling_doubles_until_the_cap(base_s: float, cap_s: float, attempt: int) -> None:
    policy = RetryPolicy(base_s=base_s, cap_s=cap_s)
    assert policy.ceiling_s(attempt + 1) == min(cap_s, 2 * policy.ceiling_s(attempt))


@pytest.mark.parametrize(("attempt", "ceiling_s"), [(1, 2), (2, 4), (3, 8), (4, 16), (5, 20), (6, 20), (10**9, 20)])
def test_ceilings(attempt: int, ceiling_s: float) -> None:
    assert RetryPolicy(base_s=2, cap_s=20).ceiling_s(attempt) == ceiling_s


@pytest.mark.parametrize("attempt", [1, 3, 9])
def test_delays_are_spread_evenly_over_the_whole_range(attempt: int) -> None:
    policy = RetryPolicy(base_s=1, cap_s=60)
    random, ceiling_s = Random(attempt), policy.ceiling_s(attempt)
    shares = [policy.delay_s(attempt, random) / ceiling_s for _ in range(4000)]
    assert fmean(shares) == pytest.approx(0.5, abs=0.02)
    assert quantiles(shares, n=10) == pytest.approx([tenth / 10 for tenth in range(1, 10)], abs=0.03)


def test_the_same_generator_gives_the_same_delays() -> None:
    first, second = ([RetryPolicy().delay_s(n, Random(5)) for n in (1, 2, 3)] for _ in range(2))
    assert first == second


@given(max_attempts=st.integers(1, 50), spent=st.integers(0, 100))
def test_attempts_are_counted_with_the_first(max_attempts: int, spent: int) -> None:
    assert RetryPolicy(max_attempts=max_attempts).allows_another(spent) == (spent < max_attempts)


def test_a_policy_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        RetryPolicy().max_attempts = 9  # type: ignore[misc]
