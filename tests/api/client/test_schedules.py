"""Schedules by the clients: made, looked at, changed and fired, and sent again only where that does no harm."""

from datetime import timedelta

import httpx
import pytest

from api.client.errors import InvalidRequest, NotFound, RateLimited, ServiceUnavailable, Unreachable
from orchestration.schedules import ScheduleWork
from pipeline.schedules import CatchUp, ScheduleState
from tests.support.clients import Script
from tests.support.tools import START

URL = "https://example.org/"
HOURLY = {"name": "hourly", "interval_s": 3600, "job": {"url": URL, "tags": ("a", "b")}}
FIRING = {
    "id": "f-1",
    "due_at": None,
    "fired_at": START.isoformat(),
    "job_id": "j-1",
    "batch_id": None,
    "error": None,
}
CUT_OFF = httpx.ReadError("cut off")
REFUSED = httpx.ConnectError("refused")


def turn(api):
    """What the keeper does."""
    return ScheduleWork(api.wiring.records, api.wiring.desk).turn()


def test_a_schedule_is_made_with_all_that_is_asked_for(penstock, api):
    ends_at = api.clock.now() + timedelta(days=2)
    made = penstock.create_schedule(
        name="early", cron="30 7 * * mon-fri", time_zone="Europe/Berlin", catch_up="all", ends_at=ends_at,
        job={"url": URL, "stages": (stage for stage in ("fetch", "extract", "store")), "metadata": {"row": "7"}},
    )  # fmt: skip
    assert (made.name, made.cron, made.time_zone, made.catch_up) == (
        "early",
        "30 7 * * mon-fri",
        "Europe/Berlin",
        CatchUp.ALL,
    )
    assert made.ends_at == ends_at
    assert (made.job["stages"], made.job["metadata"]) == (["fetch", "extract", "store"], {"row": "7"})
    assert penstock.schedule(made.id) == made


def test_a_batch_is_scheduled_with_items_from_a_generator(penstock, api):
    items = ({"url": f"{URL}{n}", "tags": (str(n),)} for n in range(3))
    batch = {"name": "three", "defaults": {"pipeline": "extract"}, "items": items}
    made = penstock.create_schedule(name="batch", interval_s=60, batch=batch)
    assert (made.job, len(made.batch["items"])) == (None, 3)
    firing = penstock.run_schedule(made.id)
    assert penstock.batch(firing.batch_id).name == "three"
    assert {job.pipeline for job in penstock.iter_jobs(batch_id=firing.batch_id)} == {"extract"}


def test_all_pages_of_schedules_and_of_firings_are_read(penstock, api):
    ids = []
    for _ in range(5):
        api.clock.advance(0.001)
        ids.append(penstock.create_schedule(**HOURLY).id)
    assert [each.id for each in penstock.schedules(page_size=2)] == ids[::-1]
    fired = []
    for _ in range(5):
        api.clock.advance(0.001)
        fired.append(penstock.run_schedule(ids[0]))
    assert list(penstock.schedule_runs(ids[0], page_size=2)) == fired[::-1]


def test_a_firing_is_found_with_its_job(penstock, api):
    made = penstock.create_schedule(**HOURLY)
    api.clock.advance(3600)
    assert turn(api) == 1
    [firing] = penstock.schedule_runs(made.id)
    assert (firing.due_at, firing.error) == (made.next_at, None)
    assert penstock.job(firing.job_id).tags == ["a", "b"]


def test_a_schedule_is_changed_paused_resumed_and_erased(penstock):
    made = penstock.create_schedule(**HOURLY)
    changed = penstock.change_schedule(made.id, cron="0 8 * * *", job={"text": "Water falls."})
    assert (changed.cron, changed.interval_s, changed.name) == ("0 8 * * *", None, "hourly")
    assert changed.job["text"] == "Water falls."
    assert penstock.pause_schedule(made.id).status is ScheduleState.PAUSED
    assert penstock.resume_schedule(made.id).status is ScheduleState.ACTIVE
    assert penstock.delete_schedule(made.id) is None
    with pytest.raises(NotFound, match="schedule_not_found"):
        penstock.schedule(made.id)


def test_what_cannot_be_scheduled_is_refused_by_the_service(penstock):
    for wrong in ({"cron": "0 8 * * *"}, {"job": {"url": URL, "text": "both"}}, {"interval_s": 1}):
        with pytest.raises(InvalidRequest):
            penstock.create_schedule(**{**HOURLY, **wrong})
    with pytest.raises(NotFound):
        penstock.run_schedule("x/../../jobs")


def fire(penstock):
    return penstock.run_schedule("s-1")


def create(penstock):
    return penstock.create_schedule(**HOURLY)


@pytest.mark.parametrize("ask", [fire, create])
@pytest.mark.parametrize(
    ("failure", "error"),
    [(CUT_OFF, Unreachable), (httpx.Response(503), ServiceUnavailable), (httpx.Response(504), ServiceUnavailable)],
    ids=repr,
)
def test_what_has_no_key_and_may_have_arrived_is_not_sent_again(make, ask, failure, error):
    service = Script(failure)
    with pytest.raises(error):
        ask(make(service))
    assert len(service.asked) == 1


@pytest.mark.parametrize("failure", [REFUSED, httpx.ConnectTimeout("slow"), httpx.Response(429)], ids=repr)
def test_what_has_no_key_and_cannot_have_arrived_is_sent_again(make, failure):
    service = Script(failure, failure, httpx.Response(202, json=FIRING))
    assert fire(make(service)).job_id == "j-1"
    assert len(service.asked) == 3
    with pytest.raises((Unreachable, RateLimited)):
        fire(make(Script(failure), retry_within_s=5))


def test_what_was_erased_by_a_request_without_an_answer_is_erased(make):
    gone = httpx.Response(404, json={"code": "schedule_not_found", "detail": "there is no schedule s-1"})
    assert make(Script(CUT_OFF, gone)).delete_schedule("s-1") is None
    with pytest.raises(NotFound):
        make(Script(gone)).delete_schedule("s-1")
