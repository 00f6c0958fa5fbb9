import json
from datetime import timedelta
from typing import Any

import pytest

from orchestration.schedules import ScheduleWork
from pipeline.errors import PayloadsUnavailable
from tests.support.api import Api, problem_of
from tests.support.tools import START

UNKNOWN = "01a1fb67-1800-7226-b63c-5ab791b7584a"
JOB = {"text": "Water falls.", "pipeline": "extract"}
HOURLY = {"name": "hourly", "interval_s": 3600, "job": JOB}


def moment(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def create(api: Api, **body: Any) -> Any:
    api.clock.advance(0.001)
    answer = api.client.post("/v1/schedules", json={**HOURLY, **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


def turn(api: Api) -> int:
    return ScheduleWork(api.wiring.records, api.wiring.desk).turn()


def runs(api: Api, schedule: Any) -> list[Any]:
    return list(api.client.get(schedule["runs_url"]).json()["items"])


def test_a_schedule_is_made_and_read(api: Api) -> None:
    answer = api.client.post("/v1/schedules", json={**HOURLY, "time_zone": "Europe/Berlin"})
    made = answer.json()
    assert answer.headers["location"] == made["url"] == f"/v1/schedules/{made['id']}"
    assert made == api.client.get(made["url"]).json()
    assert made == {
        "id": made["id"],
        "name": "hourly",
        "status": "active",
        "cron": None,
        "interval_s": 3600,
        "time_zone": "Europe/Berlin",
        "starts_at": None,
        "ends_at": None,
        "catch_up": "once",
        "created_at": moment(0),
        "paused_at": None,
        "next_at": moment(3600),
        "last_fired_at": None,
        "last_error": None,
        "url": made["url"],
        "runs_url": f"{made['url']}/runs",
        "job": {**JOB, "processing": "quick", "lane": "normal"},
        "batch": None,
    }


def test_a_cron_schedule_fires_by_its_time_zone(api: Api) -> None:
    body = {"name": "early", "cron": "30 7 * * MON-FRI", "time_zone": "Europe/Berlin", "job": JOB}
    made = api.client.post("/v1/schedules", json=body).json()
    assert (made["cron"], made["next_at"]) == ("30 7 * * MON-FRI", "2026-01-02T06:30:00Z")


def test_schedules_are_listed_in_pages_without_what_they_submit(api: Api) -> None:
    ids = [create(api)["id"] for _ in range(3)]
    first = api.client.get("/v1/schedules?limit=2").json()
    assert [each["id"] for each in first["items"]] == ids[:0:-1]
    assert "job" not in first["items"][0]
    second = api.client.get(first["next"]).json()
    assert ([each["id"] for each in second["items"]], second["next"]) == (ids[:1], None)


def test_a_firing_is_an_ordinary_job(api: Api) -> None:
    made = create(api)
    api.clock.advance(3600)
    assert turn(api) == 1
    (run,) = runs(api, made)
    job = api.client.get(f"/v1/jobs/{run['job_id']}").json()
    assert (job["status"], job["pipeline"], job["created_at"]) == ("queued", "extract", run["fired_at"])
    assert (run["due_at"], run["batch_id"], run["error"]) == (made["next_at"], None, None)
    read = api.client.get(made["url"]).json()
    assert (read["last_fired_at"], read["last_error"]) == (run["fired_at"], None)


def test_a_firing_may_be_a_batch(api: Api) -> None:
    items = [{"text": "One."}, {"text": "Two.", "pipeline": "extract", "lane": "urgent", "delay_s": 3}]
    batch = {"name": "two", "items": items, "defaults": {"stages": ["fetch", "extract", "store"], "tags": ["a"]}}
    made = create(api, job=None, batch=batch)
    kept = {"tags": ["a"], "processing": "quick"}
    assert made["batch"] == {
        "name": "two",
        "items": [
            {**items[0], **kept, "stages": ["fetch", "extract", "store"], "lane": "bulk"},
            {**items[1], **kept},
        ],
    }
    assert made["job"] is None
    run = api.client.post(f"{made['url']}/run").json()
    found = api.client.get(f"/v1/batches/{run['batch_id']}").json()
    assert (found["name"], found["accepted"], found["status"]) == ("two", 2, "running")


def test_it_fires_by_hand_without_a_change_of_its_plan(api: Api) -> None:
    made = create(api)
    answer = api.client.post(f"{made['url']}/run")
    assert answer.status_code == 202
    assert runs(api, made) == [answer.json()]
    assert answer.json()["due_at"] is None
    assert api.client.get(f"/v1/jobs/{answer.json()['job_id']}").status_code == 200
    assert api.client.get(made["url"]).json()["next_at"] == made["next_at"]


def test_while_contents_cannot_be_stored_nothing_is_fired_by_hand(api: Api) -> None:
    made = create(api)
    api.payloads.broken["put"] = PayloadsUnavailable("the disk is full")
    answer = api.client.post(f"{made['url']}/run")
    assert (answer.status_code, problem_of(answer)["code"]) == (503, "service_unavailable")
    assert runs(api, made) == []


def test_firings_are_listed_in_pages_the_newest_first(api: Api) -> None:
    made, ids = create(api), []
    for _ in range(3):
        api.clock.advance(1)
        ids.append(api.client.post(f"{made['url']}/run").json()["id"])
    first = api.client.get(f"{made['runs_url']}?limit=2").json()
    assert [each["id"] for each in first["items"]] == ids[:0:-1]
    second = api.client.get(first["next"]).json()
    assert ([each["id"] for each in second["items"]], second["next"]) == (ids[:1], None)


def test_a_paused_schedule_does_not_fire_until_it_is_resumed(api: Api) -> None:
    made = create(api)
    paused = api.client.post(f"{made['url']}/pause").json()
    assert (paused["status"], paused["next_at"]) == ("paused", None)
    assert paused["paused_at"] is not None
    api.clock.advance(2 * 3600)
    assert turn(api) == 0
    resumed = api.client.post(f"{made['url']}/resume").json()
    assert (resumed["status"], resumed["paused_at"], resumed["next_at"]) == ("active", None, moment(3 * 3600 + 0.001))


def test_what_is_given_is_changed(api: Api) -> None:
    made = create(api)
    changed = api.client.patch(made["url"], json={"name": "b", "catch_up": "skip"}).json()
    assert changed == {**made, "name": "b", "catch_up": "skip"}
    daily = {"cron": "0 4 * * *", "time_zone": "Asia/Tokyo", "ends_at": "2027-01-01T00:00:00Z"}
    changed = api.client.patch(made["url"], json={**daily, "job": {"url": "https://example.org/"}}).json()
    assert {name: changed[name] for name in daily} == daily
    assert (changed["interval_s"], changed["next_at"]) == (None, "2026-01-02T19:00:00Z")
    assert changed["job"] == {"url": "https://example.org/", "processing": "quick", "lane": "normal"}
    changed = api.client.patch(made["url"], json={"interval_s": 60}).json()
    assert (changed["cron"], changed["interval_s"], changed["time_zone"]) == (None, 60, "Asia/Tokyo")
    assert api.client.patch(made["url"], json={}).json() == changed == api.client.get(made["url"]).json()


def test_after_its_last_time_it_has_ended(api: Api) -> None:
    made = create(api, ends_at=moment(3601))
    api.clock.advance(3600)
    assert turn(api) == 1
    read = api.client.get(made["url"]).json()
    assert (read["status"], read["next_at"]) == ("ended", None)


def test_an_erased_schedule_is_gone_and_its_jobs_stay(api: Api) -> None:
    made = create(api)
    run = api.client.post(f"{made['url']}/run").json()
    assert (api.client.delete(made["url"]).status_code, api.client.get(made["url"]).status_code) == (204, 404)
    assert api.client.get(f"/v1/jobs/{run['job_id']}").status_code == 200


def test_what_cannot_be_submitted_any_more_is_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    made = create(api)
    monkeypatch.delitem(api.wiring.catalog.pipelines, "extract")  # type: ignore[arg-type]
    answer = api.client.post(f"{made['url']}/run")
    assert (answer.status_code, answer.json()["job_id"]) == (202, None)
    assert answer.json()["error"]["code"] == "unknown_pipeline"
    assert api.client.get(made["url"]).json()["last_error"] == answer.json()["error"]


@pytest.mark.parametrize("schedule_id", [UNKNOWN, "nope"])
def test_what_is_not_there_is_not_found(api: Api, schedule_id: str) -> None:
    url, client = f"/v1/schedules/{schedule_id}", api.client
    for answer in (
        client.get(url),
        client.patch(url, json={"interval_s": 60}),
        client.patch(url, json={"name": "x"}),
        client.delete(url),
        client.post(f"{url}/pause"),
        client.post(f"{url}/resume"),
        client.post(f"{url}/run"),
        client.get(f"{url}/runs"),
    ):
        assert (answer.status_code, problem_of(answer)["code"]) == (404, "schedule_not_found")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"interval_s": None}, "give cron or interval_s"),
        ({"interval_s": 59}, "greater than or equal to 60"),
        ({"interval_s": 366 * 86400 + 1}, "less than or equal"),
        ({"cron": "* * * * *"}, "give cron or interval_s, not both"),
        ({"cron": "* * * *", "interval_s": None}, "five fields"),
        ({"cron": "61 * * * *", "interval_s": None}, '"61" is no minute'),
        ({"time_zone": "Mars/Olympus"}, "no such time zone"),
        ({"time_zone": "../etc/passwd"}, "no such time zone"),
        ({"time_zone": "Europe"}, "no such time zone"),
        ({"time_zone": ""}, "time_zone"),
        ({"starts_at": "2026-02-01T00:00:00"}, "starts_at"),
        ({"starts_at": "1969-12-31T23:59:59Z"}, "years 1970 to 2999"),
        ({"ends_at": "3000-01-01T00:00:00Z"}, "years 1970 to 2999"),
        ({"catch_up": "some"}, "catch_up"),
        ({"job": None}, "give job or batch"),
        ({"job": {}}, "job: give exactly one of url, html and text"),
        ({"job": {**JOB, "not_before": "2026-03-01T00:00:00Z"}}, "not_before"),
        ({"job": {**JOB, "expires_at": "2026-03-01T00:00:00Z"}}, "expires_at"),
        ({"batch": {"items": [JOB]}}, "give job or batch, not both"),
        ({"job": None, "batch": {"items": []}}, "at least 1 item"),
        ({"job": None, "batch": {"items": [JOB] * 1001}}, "at most 1000 items"),
        ({"job": None, "batch": {"items": [JOB, {"txt": "x"}]}}, "items.1: "),
        ({"job": None, "batch": {"items": [7]}}, "items.0 has to be an object"),
        ({"job": None, "batch": {"items": [JOB], "defaults": {"url": "x"}}}, "a source is given by each item"),
        ({"jitter_s": 5}, "jitter_s"),
    ],
)
def test_what_makes_no_sense_is_refused(api: Api, changes: dict[str, Any], message: str) -> None:
    body = {name: value for name, value in {**HOURLY, **changes}.items() if value is not None}
    answer = api.client.post("/v1/schedules", json=body)
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert message in problem["detail"]
    assert api.client.get("/v1/schedules").json()["items"] == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"job": {**JOB, "pipeline": "gone"}}, "unknown_pipeline"),
        ({"job": {"text": "x", "stages": ["store", "fetch"]}}, "misordered_stages"),
        ({"job": None, "batch": {"items": [JOB, {"text": "x", "pipeline": "gone"}]}}, "unknown_pipeline"),
        ({"cron": "0 0 31 2 *", "interval_s": None}, "invalid_schedule"),
        ({"ends_at": "2026-01-01T00:00:00Z"}, "invalid_schedule"),
        ({"starts_at": "2999-12-31T23:59:59Z"}, "invalid_schedule"),
    ],
)
def test_what_could_never_be_submitted_is_refused(api: Api, changes: dict[str, Any], code: str) -> None:
    answer = api.client.post("/v1/schedules", json={**HOURLY, **changes})
    assert (answer.status_code, problem_of(answer)["code"]) == (422, code)


def test_bounds_may_be_far_away(api: Api) -> None:
    made = create(api, starts_at="1970-01-01T00:00:00Z", ends_at="2999-12-31T23:59:59Z")
    assert made["next_at"] == "2026-01-02T04:00:00Z"
    nightly = create(api, interval_s=None, cron="0 0 * * *", starts_at="1970-01-01T00:00:00Z")
    assert nightly["next_at"] == "2026-01-03T00:00:00Z"


def test_any_text_is_kept(api: Api) -> None:
    text = json.loads('"a\\u0000b ✓"')
    assert create(api, job={"text": text})["job"]["text"] == text
