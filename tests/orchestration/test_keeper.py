import threading
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from orchestration.keeper import IN_LINE_PATIENCE_S, LEAD_S, Keeper, Kept
from pipeline.definition import CATALOG
from pipeline.errors import BrokerUnavailable, RecordsUnavailable
from pipeline.job import MAX_LOSSES, JobState, NewJob, StageState
from pipeline.memory import MemoryRecords
from pipeline.work import Suspect
from tests.support.bench import Watched
from tests.support.broker import MemoryBroker
from tests.support.jobs import LEASE_S, World, key_of
from tests.support.tools import ManualClock

RELAUNCH_AFTER_S = 20.0


class FakeQueues:
    """Answers what it is told to."""

    def __init__(self) -> None:
        self.line: set[str] = set()
        self.marker: str | None = None
        self.present: set[str] = set()

    def incarnation(self) -> str | None:
        return self.marker

    def in_line(self) -> frozenset[str]:
        return frozenset(self.line)

    def without_message(self, suspects: Iterable[Suspect]) -> Iterator[Suspect]:
        return (suspect for suspect in suspects if suspect.key.job_id not in self.present)


class House:
    """A keeper over records in memory, on a clock that is moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = ManualClock()
        self.queues = FakeQueues()
        self.records = Watched(MemoryRecords(self.clock))
        self.world = World(self.records.inner, self.clock.advance)
        self.broker = MemoryBroker(monkeypatch, CATALOG.stages.values())
        self.keeper = self.another_keeper()

    def another_keeper(self, name: str = "keeper", **chores: Any) -> Keeper:
        return Keeper(
            self.records,
            self.broker.app,
            self.clock,
            self.queues,
            name=name,
            lease_s=LEASE_S,
            relaunch_after_s=RELAUNCH_AFTER_S,
            **chores,
        )

    def running(self) -> NewJob:
        """A job whose first stage a worker has begun."""
        job = self.world.accept()
        self.world.claim(job, at=self.clock.now())
        return job

    def published(self) -> list[str]:
        return [message.id for message in self.broker.all_waiting()]


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    return House(monkeypatch)


def test_what_goes_well_is_left_alone(house: House) -> None:
    house.running()
    house.world.accept()
    assert house.keeper.tick() == Kept()
    assert house.published() == []


def test_a_stage_that_lost_its_worker_is_published_again(house: House) -> None:
    job = house.running()
    house.clock.advance(LEASE_S + 1)
    assert house.keeper.tick() == Kept(reclaimed=1)
    assert house.published() == [f"{job.id}:1:fetch:0:2"]
    record = house.world.stage(job)
    assert (record.state, record.losses, record.launches) == (StageState.READY, 1, 2)


def test_a_stage_that_kills_its_workers_is_given_up(house: House) -> None:
    job = house.running()
    for loss in range(1, MAX_LOSSES + 1):
        house.clock.advance(LEASE_S + 1)
        assert house.keeper.tick() == Kept(reclaimed=int(loss < MAX_LOSSES))
        if loss < MAX_LOSSES:
            house.world.claim(job, at=house.clock.now())
    error = house.world.read(job).error
    assert error is not None
    assert error.code == "worker_lost"
    assert len(house.published()) == MAX_LOSSES - 1


def test_a_stage_without_a_message_is_published_after_a_while(house: House) -> None:
    job = house.world.accept()
    house.clock.advance(RELAUNCH_AFTER_S - 1)
    assert house.keeper.tick() == Kept()
    house.clock.advance(2)
    assert house.keeper.tick() == Kept(relaunched=1)
    assert house.published() == [f"{job.id}:1:fetch:0:2"]


def test_a_stage_marked_as_not_published_is_launched_at_once(house: House) -> None:
    job = house.world.accept()
    house.records.unlaunch(key_of(job))
    assert house.keeper.tick() == Kept(relaunched=1)
    assert house.published() == [f"{job.id}:1:fetch:0:2"]


def test_each_launch_has_the_next_number_and_comes_later(house: House) -> None:
    job = house.world.accept()
    for _ in range(40):
        house.clock.advance(RELAUNCH_AFTER_S / 2)
        house.keeper.tick()
    numbers = [int(message.rsplit(":", 1)[1]) for message in house.published()]
    assert numbers == list(range(2, 2 + len(numbers)))
    assert len(numbers) == 4  # after about 20, 60, 140 and 300 s
    assert house.world.stage(job).launches == numbers[-1]


def test_what_may_be_waiting_in_line_is_given_longer(house: House) -> None:
    job = house.world.accept()
    house.queues.line = {"fetch"}
    house.clock.advance(IN_LINE_PATIENCE_S - 1)
    assert house.keeper.tick() == Kept()
    house.clock.advance(2)
    assert house.keeper.tick() == Kept(relaunched=1)
    assert house.published() == [f"{job.id}:1:fetch:0:2"]


def test_what_waits_in_a_paused_queue_is_not_published_again(house: House) -> None:
    job, elsewhere = house.world.accept(), house.world.accept()
    house.world.do(elsewhere, "fetch")
    house.records.pause("fetch", house.clock.now())
    house.clock.advance(IN_LINE_PATIENCE_S * 10)
    for line in (set(), {"fetch"}):
        house.queues.line = line
        house.keeper.tick()
    assert house.published() == [f"{elsewhere.id}:1:extract:0:2"]
    house.records.resume("fetch")
    house.clock.advance(RELAUNCH_AFTER_S - 1)
    assert house.keeper.tick() == Kept()
    house.queues.line = set()
    house.clock.advance(2)
    assert house.keeper.tick() == Kept(relaunched=1)
    assert house.published()[1:] == [f"{job.id}:1:fetch:0:2"]


def test_what_has_no_message_is_published_into_a_paused_queue(house: House) -> None:
    never, lost = house.world.accept(), house.running()
    house.records.unlaunch(key_of(never))
    house.records.pause("fetch", house.clock.now())
    house.clock.advance(LEASE_S + 1)
    assert house.keeper.tick() == Kept(reclaimed=1, relaunched=1)
    assert set(house.published()) == {f"{never.id}:1:fetch:0:2", f"{lost.id}:1:fetch:0:2"}


def test_a_line_before_one_stage_holds_up_no_other(house: House) -> None:
    here, further = house.world.accept(), house.world.accept()
    house.world.do(further, "fetch")
    house.queues.line = {"fetch"}
    house.clock.advance(RELAUNCH_AFTER_S + 1)
    assert house.keeper.tick() == Kept(relaunched=1)
    assert house.published() == [f"{further.id}:1:extract:0:2"]
    assert house.world.stage(here).launches == 1


def test_what_still_has_its_message_is_not_published_again(house: House) -> None:
    here, gone = house.world.accept(), house.world.accept()
    house.queues.present = {here.id}
    house.clock.advance(RELAUNCH_AFTER_S + 1)
    assert house.keeper.tick() == Kept(relaunched=1)
    assert house.published() == [f"{gone.id}:1:fetch:0:2"]


def test_everything_is_launched_again_when_the_broker_lost_its_memory(house: House) -> None:
    house.queues.marker = "first"
    waiting, further, running = house.world.accept(), house.world.accept(), house.running()
    house.world.do(further, "fetch")
    assert house.keeper.tick() == Kept()
    house.queues.marker = None  # no worker has been there since
    assert house.keeper.tick() == Kept()
    house.queues.marker = "second"
    assert house.keeper.tick() == Kept(forgotten=2, relaunched=2)
    assert set(house.published()) == {f"{waiting.id}:1:fetch:0:2", f"{further.id}:1:extract:0:2"}
    assert house.world.stage(running).launches == 1
    assert house.keeper.tick() == Kept()


def test_a_keeper_that_starts_notices_that_the_broker_lost_its_memory_before(house: House) -> None:
    house.queues.marker = "first"
    house.world.accept()
    house.keeper.tick()
    house.queues.marker = "second"
    assert house.another_keeper().tick() == Kept(forgotten=1, relaunched=1)


def test_one_keeper_leads_and_another_takes_its_place(house: House) -> None:
    other = house.another_keeper("other")
    job = house.world.accept()
    house.keeper.tick()
    house.records.unlaunch(key_of(job))
    assert other.tick() == Kept()
    house.clock.advance(LEAD_S + 1)
    assert other.tick() == Kept(relaunched=1)
    house.records.unlaunch(key_of(job))
    assert house.keeper.tick() == Kept()


def test_only_the_leading_keeper_fires_acts_and_retires(house: House) -> None:
    chores = {"fire": lambda: 2, "act": lambda: 3, "retire": lambda: 4}
    leading, other = (house.another_keeper(name, **chores) for name in ("leading", "other"))
    assert leading.tick() == Kept(fired=2, acted=3, retired=4)
    assert other.tick() == Kept()


def test_what_was_never_published_is_not_in_line(house: House) -> None:
    job = house.world.accept()
    house.queues.line = {"fetch"}
    house.records.unlaunch(key_of(job))
    assert house.keeper.tick() == Kept(relaunched=1)


def test_the_rest_of_the_run_is_launched_from_where_it_stands(house: House) -> None:
    job = house.world.accept()
    house.world.do(job, "fetch")
    house.clock.advance(RELAUNCH_AFTER_S + 1)
    house.keeper.tick()
    (message,) = house.broker.all_waiting()
    assert (message.queue, message.id) == ("extract", f"{job.id}:1:extract:0:2")
    assert [link["options"]["queue"] for link in message.embed["chain"]] == ["store"]


def test_a_job_past_its_deadline_fails_and_is_not_launched(house: House) -> None:
    job = house.world.accept(deadline_at=house.clock.now() + timedelta(seconds=60))
    house.clock.advance(61)
    assert house.keeper.tick() == Kept(expired=1)
    read = house.world.read(job)
    assert read.error is not None
    assert (read.state, read.error.code) == (JobState.FAILED, "deadline_exceeded")
    assert house.published() == []


@pytest.mark.parametrize("loss", ["lapsed", "unstarted"])
def test_two_keepers_publish_once(house: House, loss: str) -> None:
    """Both look before either acts: the records let only one of them go on."""
    job = house.running() if loss == "lapsed" else house.world.accept()
    house.clock.advance(LEASE_S + RELAUNCH_AFTER_S)
    other = house.another_keeper()
    look = getattr(house.records.inner, loss)

    def seen_by_both(**kwargs: object) -> list[Suspect]:
        found = list(look(**kwargs))
        if nested:
            nested.pop()
            other.tick()
        return found

    nested = [True]
    setattr(house.records.inner, loss, seen_by_both)
    house.keeper.tick()
    assert not nested
    assert house.published() == [f"{job.id}:1:fetch:0:2"]
    assert house.world.stage(job).launches == 2


@pytest.mark.parametrize("loss", ["lapsed", "unstarted"])
def test_without_a_broker_nothing_counts_as_launched(house: House, loss: str) -> None:
    jobs = [house.running() if loss == "lapsed" else house.world.accept() for _ in range(3)]
    house.clock.advance(LEASE_S + RELAUNCH_AFTER_S)
    house.broker.is_down = True
    with pytest.raises(BrokerUnavailable):
        house.keeper.tick()
    assert house.records.log.count("unlaunch") == 1
    assert sum(house.world.stage(job).launches == 2 for job in jobs) == 1
    house.broker.is_down = False
    house.keeper.tick()
    assert {message.kwargs["job_id"] for message in house.broker.all_waiting()} == {job.id for job in jobs}


class ManyTicks(threading.Event):
    """Stops a keeper after some ticks, without waiting in between."""

    def __init__(self, ticks: int) -> None:
        super().__init__()
        self._left = ticks

    def wait(self, timeout: float | None = None) -> bool:
        self._left -= 1
        return self._left < 0


def test_after_an_outage_nothing_is_taken_back_until_workers_could_renew(house: House) -> None:
    house.running()
    house.clock.advance(LEASE_S + 1)
    house.records.broken["expire"] = RecordsUnavailable("no answer")
    house.keeper.run(ManyTicks(1))
    house.records.broken.clear()
    house.clock.advance(LEASE_S - 1)
    assert house.keeper.tick() == Kept()
    house.clock.advance(2)
    assert house.keeper.tick() == Kept(reclaimed=1)


def test_an_outage_that_ends_while_the_keeper_waits_is_one_too(house: House) -> None:
    house.running()
    lead = house.records.inner.lead

    def waited_for(*args: Any, **kwargs: Any) -> bool:
        house.clock.advance(LEASE_S + 1)
        return bool(lead(*args, **kwargs))

    house.records.inner.lead = waited_for
    assert house.keeper.tick() == Kept()
    house.records.inner.lead = lead
    house.clock.advance(LEASE_S - 1)
    assert house.keeper.tick() == Kept()
    house.clock.advance(2)
    assert house.keeper.tick() == Kept(reclaimed=1)


def test_an_outage_holds_back_no_launches(house: House) -> None:
    house.records.broken["expire"] = RecordsUnavailable("no answer")
    house.keeper.run(ManyTicks(1))
    house.records.broken.clear()
    house.world.accept()
    house.clock.advance(RELAUNCH_AFTER_S + 1)
    assert house.keeper.tick() == Kept(relaunched=1)


@pytest.mark.parametrize("error", [RecordsUnavailable("no answer"), ValueError("a defect")])
def test_it_goes_on_after_any_failure(house: House, error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    house.records.broken["expire"] = error
    house.keeper.run(ManyTicks(3))
    assert house.records.log.count("expire") == 3
    assert str(error) in caplog.text


def test_it_stops_when_told(house: House) -> None:
    stop = threading.Event()
    stop.set()
    house.keeper.run(stop)
    assert house.records.log == []
