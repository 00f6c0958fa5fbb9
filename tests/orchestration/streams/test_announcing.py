"""Announcing and following on a real server."""

import json
import time
from datetime import timedelta

import pytest

from orchestration.streams import STREAM
from orchestration.streams.announcer import RedisAnnouncer
from orchestration.streams.completion import EVERY_S, GRACE, OVERLAP, Completion
from orchestration.streams.quiet import QUIET_S
from orchestration.streams.tail import Tail
from orchestration.transport.urls import read_url
from pipeline import events
from pipeline.events import Event, EventKind, Topic
from pipeline.job import Lane
from pipeline.memory import MemoryAnnouncer, MemoryRecords
from tests.support.jobs import World
from tests.support.tools import START, ManualClock
from tests.support.waiting import until


def event(kind=EventKind.STAGE_STARTED, job_id="a", **more):
    return Event(kind, Topic("default", job_id, 1, "extract", Lane.NORMAL), START, **more)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def announcer(server, clock):
    announcer = RedisAnnouncer(read_url(server.url), clock, kept=1000)
    yield announcer
    announcer.close()


def told(server):
    with server.client() as client:
        return [json.loads(fields["e"])["event"] for _, fields in client.xrange(STREAM)]


def test_events_are_told_in_order(announcer, server):
    assert announcer.announce(event(EventKind.JOB_QUEUED), event(stage="fetch"), event(stage="fetch"))
    assert told(server) == ["job.queued", "stage.started", "stage.started"]


def test_what_two_announce_is_told_once(announcer, server, clock):
    other = RedisAnnouncer(read_url(server.url), clock, kept=1000)
    last = event(EventKind.JOB_SUCCEEDED)
    assert announcer.announce(last)
    assert other.announce(last, event(EventKind.JOB_SUCCEEDED, job_id="b"))
    assert told(server) == ["job.succeeded", "job.succeeded"]
    with server.client() as client:
        assert all(client.ttl(key) > 0 for key in client.scan_iter("penstock:announced:*"))
    other.close()


def test_any_number_is_told(announcer, server):
    assert announcer.announce(*(event(job_id=str(n)) for n in range(250)))
    assert len(told(server)) == 250
    assert announcer.announce()


def test_the_stream_does_not_grow_without_end(server, clock):
    announcer = RedisAnnouncer(read_url(server.url), clock, kept=100)
    for _ in range(10):
        announcer.announce(*(event() for _ in range(100)))
    assert 100 <= len(told(server)) < 300
    announcer.close()


@pytest.mark.parametrize("fault", ["pause", "absent"])
def test_nobody_waits_for_a_server_that_is_away(server, clock, fault, tmp_path):
    url = server.url if fault == "pause" else f"redis+socket://{tmp_path}/absent.sock"
    announcer = RedisAnnouncer(read_url(url), clock, kept=100)
    if fault == "pause":
        announcer.announce(event())
        server.pause()
    try:
        began_at = time.monotonic()
        assert not announcer.announce(event())
        assert time.monotonic() - began_at < 0.5
        began_at = time.monotonic()
        assert not any(announcer.announce(event()) for _ in range(100))
        assert time.monotonic() - began_at < 0.1
    finally:
        if fault == "pause":
            server.resume()
    clock.advance(QUIET_S)
    assert announcer.announce(event()) is (fault == "pause")
    announcer.close()


# completion


class Office:
    def __init__(self, announcer=None):
        self.clock = ManualClock()
        self.announcer = announcer or MemoryAnnouncer()
        self.world = World(MemoryRecords(self.clock), self.clock.advance)
        self.completion = Completion(self.world.records, self.announcer, self.clock)

    def end(self, **about):
        job = self.world.accept(**about)
        self.world.records.request_cancel(job.tenant_id, job.id, self.clock.now())
        return job

    def turn(self):
        self.clock.advance(EVERY_S)
        self.completion.turn()
        return [event.topic.job_id for event in self.announcer.told]


def test_an_end_that_nobody_announced_is_announced_after_a_grace():
    office = Office()
    office.turn()
    job = office.end()
    office.completion.turn()
    assert office.announcer.told == []
    assert office.turn() == [job.id]
    assert office.turn() == [job.id]
    [said] = office.announcer.told
    assert said == events.over(office.world.read(job))


def test_what_ended_while_nobody_listened_is_announced_later():
    class Deaf(MemoryAnnouncer):
        def announce(self, *said):
            return hears and super().announce(*said)

    hears = False
    office = Office(Deaf())
    jobs = [office.end()]
    for _ in range(30):
        assert office.turn() == []
    jobs.append(office.end())
    hears = True
    assert office.turn() == [job.id for job in jobs]


def test_one_that_is_recorded_late_is_found_all_the_same():
    office = Office()
    office.turn()
    office.clock.advance(60)
    office.turn()
    job = office.world.accept()
    ended_at = office.clock.now() - OVERLAP + timedelta(seconds=EVERY_S) - GRACE
    office.world.records.request_cancel(job.tenant_id, job.id, ended_at)
    assert office.turn() == [job.id]


@pytest.mark.parametrize("apart_s", [0.001, 0.0])
def test_thousands_are_announced_in_one_turn(apart_s):
    office = Office()
    ids = []
    for _ in range(1200):
        office.clock.advance(apart_s)
        ids.append(office.end().id)
    assert sorted(office.turn()) == sorted(ids)


# tail


class Ears:
    def __init__(self, server):
        self.heard, self.gaps = [], 0
        target = read_url(server.url)
        self.tail = Tail(target, kept=100, on_told=self.heard.extend, on_gap=self._gap, on_deltas=lambda _: None)
        self.tail.start()

    def _gap(self):
        self.gaps += 1

    def hears(self, *names):
        until(lambda: [one.event for one in self.heard] == list(names), within_s=5, what=f"{names}, not {self.heard}")


@pytest.fixture
def ears(server):
    made = []

    def make():
        made.append(Ears(server))
        return made[-1]

    yield make
    for each in made:
        each.tail.stop()


def test_a_tail_begins_with_what_there_is_and_follows(announcer, ears):
    announcer.announce(event(EventKind.JOB_QUEUED))
    listening = ears()
    listening.hears("job.queued")
    announcer.announce(event(EventKind.STAGE_STARTED))
    listening.hears("job.queued", "stage.started")
    assert listening.gaps == 1
    assert (listening.heard[0].job_id, listening.heard[0].tenant_id) == ("a", "default")


@pytest.mark.parametrize("fault", ["broken connection", "flushed"])
def test_a_tail_goes_on_after(announcer, ears, server, fault):
    listening = ears()
    announcer.announce(event(EventKind.JOB_QUEUED))
    listening.hears("job.queued")
    with server.client() as client:
        if fault == "flushed":
            client.flushall()
        else:
            client.client_kill_filter(_type="normal", skipme=True)
    until(lambda: announcer.announce(event()) or announcer._clock.advance(2), within_s=5, what="to be heard")
    listening.hears("job.queued", "stage.started")


def test_a_tail_says_so_when_the_server_lost_its_memory(announcer, ears, server):
    listening = ears()
    announcer.announce(event(EventKind.JOB_QUEUED))
    listening.hears("job.queued")
    gaps = listening.gaps
    server.kill()
    server.start()
    until(lambda: listening.gaps > gaps, within_s=10, what="a gap")
    until(lambda: announcer.announce(event()) or announcer._clock.advance(2), within_s=5, what="to be heard")
    listening.hears("job.queued", "stage.started")
