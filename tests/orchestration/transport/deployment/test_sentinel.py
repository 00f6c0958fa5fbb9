"""A master that is killed while work goes on: the sentinels name another, and workers and publishers go over to it."""

import threading
from contextlib import suppress
from itertools import count

import kombu.exceptions
import pytest
import redis

from tests.support.brokers import KINDS
from tests.support.celery_fleet import NARROW, WIDE, Fleet, Variant
from tests.support.sentinels import Watched
from tests.support.waiting import until

BACKLOG = 200
RESUMES_WITHIN_S = 40


@pytest.fixture
def watched(tmp_path):
    with Watched(KINDS["valkey"].binary(), tmp_path) as watched:
        yield watched


@pytest.fixture
def fleet(watched, backend, tmp_path):
    with Fleet(Variant("streams"), tmp_path, watched.url, backend.url, {"lease_s": 2.0}) as fleet:
        yield fleet


class Load(threading.Thread):
    """Publishes numbered notes until told to stop, and knows which of them the replica has, too."""

    def __init__(self, fleet, label, master):
        super().__init__(name="load")
        self._fleet = fleet
        self._label = label
        self._master = master
        self._stop_asked = threading.Event()
        self.published = []
        self.replicated = set()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_exc):
        self._stop_asked.set()
        self.join()

    def run(self):
        for number in count():
            if self._stop_asked.is_set():
                break
            with suppress(kombu.exceptions.OperationalError):
                self._fleet.send("note_slowly", self._label, number, queue="narrow" if number % 2 else "parity")
                self.published.append(str(number))
                self._note_replicated()

    def _note_replicated(self):
        """All that was published before a write that the replica has confirmed is there too."""
        with suppress(redis.RedisError), self._master.client() as client:
            client.set("probe", 1)
            if client.wait(1, 100) == 1:
                self.replicated.update(self.published)


@pytest.mark.full
@pytest.mark.timeout(180)
def test_work_goes_on_at_the_new_master_and_nothing_it_had_is_lost(watched, fleet, label):
    fleet.ensure_workers()
    load = Load(fleet, label, watched.master)
    with load:
        until(lambda: len(load.replicated) >= BACKLOG, within_s=20, what="replicated messages")
        had = set(load.replicated)
        watched.master.kill()
        before, done = len(load.published), set(fleet.noted(label))
        watched.await_other_master()
        until(lambda: len(load.published) >= before + BACKLOG, within_s=RESUMES_WITHIN_S, what="new messages")
    assert len(had - done) > BACKLOG / 4, "too little was waiting when the master died"
    # The first may have been confirmed by the old master just before; the others only the new one can have.
    taken_after = set(load.published[before + 1 :])
    until(lambda: had | taken_after <= set(fleet.noted(label)), within_s=RESUMES_WITHIN_S, what="all that was kept")
    assert fleet.inspect(WIDE, NARROW).ping().keys() == {WIDE, NARROW}


@pytest.mark.full
def test_what_waits_for_its_time_survives_a_failover(watched, fleet, label):
    fleet.ensure_workers()
    fleet.send("note", label, "later", countdown=5)
    with watched.master.client() as client:
        client.set("probe", 1)
        assert client.wait(1, 5000) == 1
    watched.master.kill()
    watched.await_other_master()
    until(lambda: fleet.noted(label) == ["later"], within_s=RESUMES_WITHIN_S, what="the delayed task")


@pytest.mark.full
def test_a_worker_finds_the_master_though_the_first_sentinel_is_gone(watched, fleet):
    watched.sentinels[0].kill()
    fleet.start_worker(NARROW, "parity", 1, "--without-mingle", "--without-gossip")
    assert fleet.run("add", 1, 1) == 2
    with watched.master.client() as client:
        assert client.exists("{parity}:lane:0") == 1
