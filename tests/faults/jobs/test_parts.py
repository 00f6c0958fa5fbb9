"""A long document is read in parts while something dies. It ends well, and each part is recorded once."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.brokers import Broker
from tests.support.faulty_box import STOP
from tests.support.faulty_effects import Model, Web
from tests.support.faulty_verdict import Verdict, judge
from tests.support.job_fleet import STAGES, JobFleet, Submitted
from tests.support.openai_server import answer
from tests.support.origin import Reply

pytestmark = pytest.mark.timeout(300)

PARTS = 10
WINDOW_TOKENS = 1_000
SENTENCE = "The keeper of the lower gate wrote the height of the water into the book before he slept. "
RECOVERED_WITHIN_S = 15.0


class Reader(Model):
    """Its notes do not carry the tokens of the passages on, but one for all, so that each question is known apart."""

    def usual(self, token: str) -> Reply:
        job, is_part, _ = token.partition("_p")
        return answer(f"Notes were taken under {job}_all.") if is_part else answer()


@pytest.fixture
def new_fleet(folder: Path, broker: Broker, database_url: str) -> Iterator[Callable[..., JobFleet]]:
    with ExitStack() as stack:
        web, model = stack.enter_context(Web()), stack.enter_context(Reader())
        model.delay_s = 0.3
        long = {"llm_max_input_tokens": WINDOW_TOKENS, "parse_timeout_s": 30}
        yield lambda: stack.enter_context(JobFleet(folder, broker, database_url, web, model, **long))


def book(token: str, parts: int = PARTS) -> str:
    """A text with a paragraph for each passage, all with tokens of their own."""
    paragraphs = (f"Under {token}_p{number} it is noted. {SENTENCE * 25}" for number in range(1, parts + 1))
    return "\n\n".join(["The gate book", *paragraphs])


def read_a_book(fleet: JobFleet, **workers: int) -> Submitted:
    """Submit one, and return while its parts are under way."""
    fleet.start({**dict.fromkeys(STAGES, 1), "summarize": 2, **workers})
    job = fleet.accepted(text=book("tok-book"), token="tok-book", pipeline="summarize")
    fleet.listen(job)
    return job


def parts_done(fleet: JobFleet) -> int:
    return len({event.stage for event in fleet.box.events("completed") if "#" in event.stage})


def until_done(fleet: JobFleet, number: int) -> None:
    fleet.until(lambda: parts_done(fleet) >= number, within_s=60, what=f"{number} parts to be done")


def ends_well(fleet: JobFleet, job: Submitted) -> Verdict:
    """The job has succeeded with every part in it, each recorded once, whatever was done to it."""
    assert fleet.wait_ended([job], within_s=90)[job.id] == "succeeded"
    fleet.wait_quiet()
    (stage,) = [stage for stage in fleet.view(job)["stages"] if stage["name"] == "summarize"]
    assert stage["parts"] == {"done": PARTS, "total": PARTS}
    kept = [event.stage for event in fleet.box.events("completed") if event.more["kept"] and "#" in event.stage]
    assert sorted(kept) == sorted(f"summarize#{number}" for number in range(1, PARTS + 1))
    verdict = judge(fleet, recovered_within_s=RECOVERED_WITHIN_S, duplicates_per_kill=None)
    assert verdict.failures == []
    return verdict


def test_a_document_is_read_to_the_end_though_redis_forgets_everything_in_the_middle(new_fleet) -> None:
    fleet = new_fleet()
    job = read_a_book(fleet)
    until_done(fleet, 3)
    fleet.box.note("fault", kind="broker", stage="broker", how="flushed")
    fleet.broker.run("FLUSHALL")
    verdict = ends_well(fleet, job)
    assert verdict.duplicate_effects == 0
    # Every passage was read once, and the notes of all.
    assert verdict.effects == PARTS + 1


@pytest.mark.full
@pytest.mark.parametrize("done", [0, PARTS - 1, PARTS])
def test_it_does_not_matter_when_redis_forgets(done: int, new_fleet) -> None:
    """Before the first part is done, before the last one is, and while they are put together."""
    fleet = new_fleet()
    job = read_a_book(fleet)
    fleet.until(lambda: fleet.box.events("split"), within_s=30, what="the split")
    until_done(fleet, done)
    fleet.box.note("fault", kind="broker", stage="broker", how="flushed")
    fleet.broker.run("FLUSHALL")
    assert ends_well(fleet, job).duplicate_effects == 0


POINTS = {
    "the split is recorded and no part is published": ("committed", 0),
    "the first part is claimed": ("claimed", 1),
    "a part was asked for": ("after_effect", 2),
    "a part is recorded and the next is not published": ("committed", 3),
    "the last part is recorded and its stage is not published": ("committed", PARTS),
    "the parts are put together": ("after_effect", PARTS),
}


@pytest.mark.full
@pytest.mark.parametrize("when", POINTS)
def test_a_document_is_read_to_the_end_though_a_worker_dies(when: str, new_fleet, measured) -> None:
    fleet = new_fleet()
    point, skip = POINTS[when]
    fleet.box.arm(point, "summarize", skip=skip)
    job = read_a_book(fleet)
    verdict = ends_well(fleet, job)
    assert len(fleet.faults("kill")) == 1
    assert verdict.duplicate_effects == (1 if point == "after_effect" else 0)
    measured("went on after, s", verdict.longest_recovery_s)


@pytest.mark.full
def test_a_document_is_read_to_the_end_though_everything_dies(new_fleet, measured) -> None:
    """Workers, keeper and Redis's memory, one after the other."""
    fleet = new_fleet()
    job = read_a_book(fleet)
    until_done(fleet, 2)
    fleet.hurt(fleet.the("keeper"), signal.SIGKILL, "keeper")
    for worker in fleet.workers("summarize"):
        fleet.hurt(worker, signal.SIGKILL, "kill")
    fleet.broker.run("FLUSHALL")
    until_done(fleet, 5)
    fleet.hurt(fleet.workers("summarize")[0], signal.SIGKILL, "kill")
    verdict = ends_well(fleet, job)
    measured("questions besides one for each part", verdict.duplicate_effects)


@pytest.mark.full
def test_a_worker_that_was_stopped_cannot_overwrite_a_part(new_fleet) -> None:
    fleet = new_fleet()
    # It has the notes of a part and will record them as soon as it wakes up; the parts themselves were written before.
    fleet.box.arm("payload_written", "summarize", skip=PARTS, what=STOP)
    job = read_a_book(fleet)
    (stopped,) = fleet.until(fleet.faults, within_s=60, what="the stop")
    assert fleet.wait_ended([job], within_s=90)[job.id] == "succeeded"
    refused = wake(fleet, stopped.pid)
    assert "#" in refused
    ends_well(fleet, job)


def wake(fleet: JobFleet, pid: int) -> str:
    """The piece of work whose result is refused once the process goes on."""
    os.kill(pid, signal.SIGCONT)
    refused = fleet.until(
        lambda: [event for event in fleet.box.events("completed") if not event.more["kept"]],
        within_s=10,
        what="the stale write",
    )
    return str(refused[0].stage)


@pytest.mark.full
def test_cancelling_stops_all_parts(new_fleet) -> None:
    fleet = new_fleet()
    fleet.model.delay_s = 5
    job = read_a_book(fleet)
    fleet.until(fleet.model.ledger.all, within_s=60, what="a part to be read")
    assert fleet.cancel(job)
    fleet.wait_quiet()
    assert judge(fleet).failures == []
    assert parts_done(fleet) == 0
