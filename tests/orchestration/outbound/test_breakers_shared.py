"""Breakers in Redis: several processes, real deaths, and what it costs."""

import os
import signal
import socket
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from orchestration.outbound.breakers import CircuitBreakers
from orchestration.outbound.breakers_fallback import states_at
from orchestration.outbound.breakers_shared import KEPT_MS, PREFIX, SharedStates
from orchestration.outbound.fallback import AWAY_S
from orchestration.transport.urls import read_url
from stages.contract import Cancelled, Postponed, Transient
from tests.support.brokers import KINDS, Broker
from tests.support.forking import forked
from tests.support.tools import ManualClock
from tests.support.waiting import until

NAME = "origin:example.org:443"
DOWN = Transient("connect_failed")
PATIENT_S = 10
"""Where the question is what the processes agree on, not how long they wait for it."""


@pytest.fixture
def server():
    # Not pytest's folder: the path of a Unix socket may have about a hundred bytes.
    with TemporaryDirectory(prefix="breakers-") as folder, Broker(KINDS["valkey"].binary(), Path(folder)) as server:
        yield server


@pytest.fixture
def client(server):
    with server.client() as client:
        yield client


def breakers_on(server, **options):
    """What each process has, and waits for as long as it takes."""
    states = SharedStates(read_url(server.url), timeout_s=PATIENT_S)
    return CircuitBreakers(states, Random(), **{"fail_max": 3, "reset_timeout_s": 40.0} | options)


def call(breakers, error=None, name=NAME):
    """How one call went."""
    try:
        with breakers.guard(name):
            if error is not None:
                raise error
    except Postponed:
        return "refused"
    except Transient:
        return "failed"
    return "succeeded"


def end_the_pause(client, name=NAME):
    client.pexpire(f"{PREFIX}{{{name}}}:open", KEPT_MS)


# processes


def test_what_one_process_learns_the_others_know(server):
    one, other = breakers_on(server), breakers_on(server)
    assert [call(one, DOWN), call(other, DOWN), call(one, DOWN)] == ["failed"] * 3
    assert [call(one), call(other)] == ["refused"] * 2


def test_of_four_processes_no_two_try_at_a_time(server, client):
    trials = 20

    def hammer():
        breakers = breakers_on(server, fail_max=1, reset_timeout_s=0.02)
        with server.client() as own:
            while own.llen("at once") < trials:
                with suppress(Postponed, Transient), breakers.guard(NAME):
                    own.rpush("at once", own.incr("running"))
                    time.sleep(0.02)
                    own.decr("running")
                    raise DOWN
                own.incr("calls")

    call(breakers_on(server, fail_max=1, reset_timeout_s=0.02), DOWN)
    workers = [forked(hammer) for _ in range(4)]
    assert [os.waitpid(pid, 0)[1] for pid in workers] == [0] * 4
    assert set(client.lrange("at once", 0, -1)) == {"1"}
    assert int(client.get("calls")) > 2 * trials, "they never met"


def test_when_the_one_that_tries_is_killed_another_does_after_the_lease(server, client):
    def hang():
        with breakers_on(server, trial_lease_s=1).guard(NAME):
            client.set("trying", 1)
            time.sleep(60)

    breakers = breakers_on(server)
    for _ in range(3):
        call(breakers, DOWN)
    end_the_pause(client)
    pid = forked(hang)
    try:
        until(lambda: client.get("trying"), within_s=20, what="the trial")
        # It lives, so it keeps the trial for longer than the lease.
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            assert call(breakers) == "refused"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert call(breakers) == "refused"
    until(lambda: call(breakers) == "succeeded", within_s=5, what="the next trial")
    assert call(breakers) == "succeeded"


# what Redis does


@contextmanager
def hung(server):
    server.pause()
    try:
        yield
    finally:
        server.resume()


@contextmanager
def killed(server):
    server.kill()
    try:
        yield
    finally:
        server.start()


@pytest.mark.parametrize("gone", [hung, killed])
def test_calls_go_on_while_redis_is_gone_and_share_again_when_it_is_back(server, gone):
    def agreed():
        clock.advance(AWAY_S)
        return call(breakers) == "refused"

    clock = ManualClock()
    breakers = CircuitBreakers(states_at(server.url, clock), Random(), fail_max=2, reset_timeout_s=600)
    for _ in range(2):
        call(breakers_on(server, fail_max=2, reset_timeout_s=600), DOWN)
    until(agreed, within_s=10, what="the breaker to be found open")
    with gone(server):
        assert [call(breakers), call(breakers, DOWN), call(breakers, DOWN)] == ["succeeded", "failed", "failed"]
        assert call(breakers) == "refused"
        clock.advance(601)
        assert call(breakers) == "succeeded"
    until(agreed, within_s=10, what="the breaker to be found open again")


@pytest.mark.parametrize("gone", [hung, killed])
def test_redis_going_in_the_middle_costs_a_call_no_more_than_100_ms(server, gone):
    """The quickest, so that a busy machine is not mistaken for a slow breaker."""
    fleet = [CircuitBreakers(states_at(server.url, ManualClock()), Random()) for _ in range(7)]
    begun = [breakers.guard(NAME) for breakers in fleet[:3]]
    for guard in begun:
        guard.__enter__()
    for breakers in fleet[3:]:
        call(breakers)
    with gone(server):
        endings = [timed(lambda guard=guard: guard.__exit__(None, None, None)) for guard in begun]
        calls = [timed(lambda breakers=breakers: call(breakers)) for breakers in fleet[3:]]
        later = [timed(lambda breakers=breakers: call(breakers)) for breakers in fleet]
    print(
        f"{gone.__name__}: {1000 * max(endings):.0f}, {1000 * max(calls):.0f}, then {1000 * max(later):.1f} ms at most"
    )
    assert min(endings) < 0.1
    assert min(calls) < 0.1
    assert min(later) < 0.005


def test_sentinels_that_all_hang_cost_a_call_no_more_than_100_ms():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        hosts = ",".join([f"127.0.0.1:{mute.getsockname()[1]}"] * 3)
        url = f"sentinel://{hosts}/0?master_name=m"
        fleet = [CircuitBreakers(states_at(url, ManualClock()), Random()) for _ in range(5)]
        assert min(timed(lambda breakers=breakers: call(breakers)) for breakers in fleet) < 0.1


def timed(act):
    begun = time.monotonic()
    act()
    return time.monotonic() - begun


def test_a_server_that_was_restarted_is_asked_at_once(server):
    """Idle connections that it closed are no sign of absence."""
    breakers = breakers_on(server, fail_max=1)
    call(breakers, DOWN)
    server.kill()
    server.start()
    assert call(breakers) == "refused"


def test_a_server_without_room_keeps_breakers(server, client):
    client.config_set("maxmemory", 1)
    breakers = breakers_on(server)
    assert [call(breakers, DOWN) for _ in range(4)] == ["failed"] * 3 + ["refused"]
    end_the_pause(client)
    assert [call(breakers, DOWN), call(breakers)] == ["failed", "refused"]


# what it costs


def test_a_call_costs_few_commands(server, client):
    breakers = breakers_on(server)

    def cost(error=None):
        with client.monitor() as monitor:
            ended = call(breakers, error)
            with server.client() as marker:
                marker.echo("end of the call")
            sent = []
            while "end of the call" not in (heard := monitor.next_command())["command"]:
                sent += [heard] if heard["client_type"] != "lua" else []
            handshake = [command for command in sent if command["command"].startswith(("CLIENT", "SELECT", "HELLO"))]
        return ended, len(sent) - len(handshake)

    for _ in range(3):  # makes the server know the scripts
        call(breakers, DOWN)
    end_the_pause(client)
    call(breakers)
    assert cost() == ("succeeded", 2)
    assert [cost(DOWN) for _ in range(3)] == [("failed", 2), ("failed", 2), ("failed", 3)]
    assert cost() == ("refused", 1)
    end_the_pause(client)
    assert cost(DOWN) == ("failed", 2)
    end_the_pause(client)
    with breakers.guard(NAME):
        assert cost() == ("refused", 1)
    assert cost(DOWN) == ("failed", 2)
    assert cost() == ("succeeded", 2)


def test_redis_keeps_nothing_of_those_that_work_and_little_of_the_others(server, client):
    breakers = breakers_on(server)
    for error, name in [(None, "works"), (DOWN, "fails once"), *[(DOWN, "fails")] * 3]:
        call(breakers, error, name)
    keys = {"{fails}:failures", "{fails}:open", "{fails once}:failures"}
    left_ms = {key.removeprefix(PREFIX): client.pttl(key) for key in client.scan_iter("*")}
    assert left_ms.keys() == keys
    assert all(0 < left <= KEPT_MS + 40_000 for left in left_ms.values())
    with suppress(Cancelled), breakers.guard("fails once"):
        raise Cancelled
    call(breakers, None, "fails once")
    end_the_pause(client, "fails")
    call(breakers, None, "fails")
    assert client.dbsize() == 0


def test_failures_that_are_hours_apart_do_not_add_up(server, client):
    breakers = breakers_on(server)
    for _ in range(2):
        call(breakers, DOWN)
    client.pexpire(f"{PREFIX}{{{NAME}}}:failures", 0)
    assert [call(breakers, DOWN), call(breakers)] == ["failed", "succeeded"]
