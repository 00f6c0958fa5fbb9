"""The verdict finds what is broken: without that, its silence would say nothing."""

import time
from collections.abc import Callable

import pytest
from sqlalchemy import Update, create_engine, update

from orchestration.storage.schema import jobs, stages
from tests.support.faulty_verdict import judge
from tests.support.job_fleet import JobFleet, Submitted

pytestmark = pytest.mark.timeout(120)


def lose_a_job(fleet: JobFleet, _job: Submitted) -> None:
    fleet.told.accepted.append(Submitted("01a1fd20-974e-7463-a83b-e6c45a3d90b5", "tok-none", time.time()))


def leave_a_job_unfinished(fleet: JobFleet, job: Submitted) -> None:
    write(fleet, update(jobs).where(jobs.c.id == job.id).values(state="running"))


def record_a_stale_result(fleet: JobFleet, job: Submitted) -> None:
    write(fleet, last_stage(job).values(epoch=7))


def complete_twice(fleet: JobFleet, job: Submitted) -> None:
    fleet.box.note("completed", job=job.id, stage="store", epoch=2, kept=True)


def spend_too_much(fleet: JobFleet, job: Submitted) -> None:
    write(fleet, last_stage(job).values(attempts=99))


def fetch_once_more(fleet: JobFleet, job: Submitted) -> None:
    fleet.web.ledger.note("fetch", job.token)


def recover_late(fleet: JobFleet, job: Submitted) -> None:
    fleet.box.note("fault", kind="kill", stage="store", job=job.id, pid=1)
    time.sleep(1.2)
    fleet.box.note("claimed", job=job.id, stage="store", epoch=2)


def leave_a_message(fleet: JobFleet, _job: Submitted) -> None:
    with fleet.broker.client() as client:
        client.xadd("{unread}:lane:3", {"t": "left"})


def leave_an_object(fleet: JobFleet, _job: Submitted) -> None:
    folder = fleet.payloads / "default" / "01a1fd20-974e-7463-a83b-e6c45a3d90b5" / "1"
    folder.mkdir(parents=True)
    (folder / "fetch.0-00").touch()


def leave_a_copy(fleet: JobFleet, _job: Submitted) -> None:
    folder = fleet.payloads / "default" / "01a1fd20-974e-7463-a83b-e6c45a3d90b5" / "cache"
    folder.mkdir(parents=True)
    (folder / "page-00").touch()


def lose_an_object(fleet: JobFleet, job: Submitted) -> None:
    next(path for path in fleet.payloads.rglob(f"*/{job.id}/**/store*") if path.is_file()).unlink()


def begin_early(fleet: JobFleet, job: Submitted) -> None:
    more = {"due_at": time.time() + 5, "code": "x", "spends": True}
    fleet.box.note("released", job=job.id, stage="fetch", epoch=1, kept=True, **more)
    fleet.box.note("claimed", job=job.id, stage="fetch", epoch=2)


def go_on_after_cancel(fleet: JobFleet, job: Submitted) -> None:
    fleet.told.cancelled[job.id] = time.time() - 60
    write(fleet, update(jobs).where(jobs.c.id == job.id).values(state="cancelled", result=None))
    fleet.box.note("claimed", job=job.id, stage="store", epoch=2)


def tell_no_end(fleet: JobFleet, _job: Submitted) -> None:
    fleet.listeners[0].heard.pop()


BROKEN: dict[Callable[[JobFleet, Submitted], None], str] = {
    lose_a_job: "I1",
    leave_a_job_unfinished: "I1",
    record_a_stale_result: "I2",
    complete_twice: "I2",
    spend_too_much: "I3",
    fetch_once_more: "I3",
    recover_late: "I4",
    leave_a_message: "I5",
    leave_an_object: "I5",
    leave_a_copy: "I5",
    lose_an_object: "I5",
    begin_early: "I6",
    go_on_after_cancel: "I6",
    tell_no_end: "I7",
}


@pytest.mark.full
@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_promise_is_found(broken: Callable[[JobFleet, Submitted], None], new_fleet) -> None:
    fleet = new_fleet().start()
    job = fleet.accepted()
    fleet.listen(job)
    fleet.wait_ended([job])
    fleet.wait_quiet()
    assert judge(fleet).failures == []
    broken(fleet, job)
    found = {failure.split()[0] for failure in judge(fleet, recovered_within_s=1).failures}
    assert BROKEN[broken] in found


def last_stage(job: Submitted) -> Update:
    return update(stages).where(stages.c.job_id == job.id, stages.c.stage == "store")


def write(fleet: JobFleet, statement: Update) -> None:
    engine = create_engine(fleet.database_url)
    with engine.begin() as connection:
        assert connection.execute(statement).rowcount == 1
    engine.dispose()
