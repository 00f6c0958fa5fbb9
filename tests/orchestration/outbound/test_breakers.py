"""What breakers do beyond their contract, which is in tests/contracts/test_breakers.py."""

from random import Random
from threading import Event

import pytest

from orchestration.outbound.breakers import CircuitBreakers
from orchestration.outbound.breakers_fallback import FallbackStates, states_at
from orchestration.outbound.breakers_local import LocalStates
from stages.contract import Transient
from tests.support.tools import ManualClock

PAUSE_S = 40.0


def test_a_trial_renews_its_lease_while_it_runs_and_no_longer():
    class Watched(LocalStates):
        def renew(self, dependency, token, lease_s):
            super().renew(dependency, token, lease_s)
            renewed.set()

    renewed = Event()
    clock = ManualClock()
    breakers = CircuitBreakers(Watched(clock), Random(7), fail_max=1, reset_timeout_s=PAUSE_S, trial_lease_s=0.03)
    with breakers.guard("host"):
        assert not renewed.wait(0.1), "this is no trial"
    with pytest.raises(Transient), breakers.guard("host"):
        raise Transient("connect_failed")
    clock.advance(PAUSE_S + 1)
    with breakers.guard("host"):
        for _ in range(3):
            assert renewed.wait(10)
            renewed.clear()
    renewed.clear()
    assert not renewed.wait(0.1)


def test_a_process_forgets_the_dependency_it_had_no_use_for_the_longest():
    states = LocalStates(ManualClock(), max_breakers=2)
    states.count_failure("a")
    states.count_failure("b")
    assert states.count_failure("a") == 2
    states.admit("c", "token", 10)
    assert states.count_failure("a") == 3
    assert states.count_failure("b") == 1


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://localhost/0", FallbackStates),
        ("redis+socket:///run/redis.sock?virtual_host=0", FallbackStates),
        ("rediss://:secret@cache:6380/2", FallbackStates),
        ("sentinel://a:26379;sentinel://b:26380/0?master_name=m", FallbackStates),
        ("memory://", LocalStates),
    ],
)
def test_states_are_shared_where_the_broker_is_redis(url, kind):
    assert isinstance(states_at(url, ManualClock()), kind)
