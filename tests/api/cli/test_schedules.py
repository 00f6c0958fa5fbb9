"""`penstock schedule`, and `penstock submit --reuse`, against the application in memory."""

import json
from datetime import timedelta

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner

from api.cli import schedules, service, submit, tables
from api.cli.app import app
from api.client import Penstock
from orchestration.schedules import ScheduleWork
from tests.support.api import Api
from tests.support.clients import app_of
from tests.support.schedules import TEXT, new_schedule

URL = "https://example.org/"
UNKNOWN = "01a1fb67-1800-7226-b63c-5ab791b7584a"
STAGES = ("fetch", "extract", "summarize", "store")
HOURLY = ("--name", "hourly", "--every", "3600")


@pytest.fixture
def api(monkeypatch):
    return Api(monkeypatch)


@pytest.fixture
def penstock(api, monkeypatch):
    """Runs a command on the application."""

    def client(**options):
        return Penstock(**options, transport=httpx.MockTransport(app_of(api)))

    for module in (service, submit):
        monkeypatch.setattr(module, "Penstock", client)
    monkeypatch.setenv("PENSTOCK_API_URL", "http://127.0.0.1:8000")
    return lambda *words, stdin="": CliRunner().invoke(app, list(map(str, words)), input=stdin)


@pytest.fixture
def make(penstock, api):
    """Makes a schedule and returns it as the service has it; the next one is newer."""

    def made(*words, stdin=""):
        api.clock.advance(0.001)
        ran = penstock("schedule", "create", *words, stdin=stdin)
        assert ran.exit_code == 0, ran.stderr
        return api.client.get(f"/v1/schedules/{ran.stdout.strip()}").json()

    return made


def rows(ran):
    return [line.split("\t") for line in ran.stdout.splitlines()]


# making


def test_a_job_is_scheduled_with_all_options(make, api):
    job = ("--stages", "fetch,extract,store", "--processing", "detailed", "--lane", "bulk", "--tag", "a")
    terms = ("--meta", "row=7", "--delay", "60", "--max-attempts", "2", "--fallback", "fail", "--robots", "ignore")
    times = ("--cron", "30 7 * * mon-fri", "--time-zone", "Europe/Berlin", "--catch-up", "skip")
    ends_at = api.clock.now() + timedelta(days=9)
    made = make(URL, "--name", "early", *times, "--starts-at", "2026-01-01T08:00Z", "--ends-at", ends_at, *job, *terms)
    assert (made["name"], made["cron"], made["interval_s"]) == ("early", "30 7 * * mon-fri", None)
    assert (made["time_zone"], made["catch_up"], made["starts_at"]) == ("Europe/Berlin", "skip", "2026-01-01T08:00:00Z")
    assert made["ends_at"] == ends_at.isoformat().replace("+00:00", "Z")
    assert made["job"] == {
        "url": URL,
        "stages": ["fetch", "extract", "store"],
        "processing": "detailed",
        "fallback": "fail",
        "robots": "ignore",
        "lane": "bulk",
        "tags": ["a"],
        "metadata": {"row": "7"},
        "delay_s": 60,
        "max_attempts": 2,
    }


def test_the_lines_of_a_file_are_scheduled_as_a_batch(make):
    own = json.dumps({"text": "x", "stages": ["fetch", "extract", "store"]})
    made = make(*HOURLY, "--batch", "-", "--pipeline", "analyze", "--tag", "a", stdin=f"{URL}\n\n{own}\n")
    assert (made["job"], made["batch"]["name"]) == (None, "hourly")
    page, text = made["batch"]["items"]
    assert (page["url"], page["pipeline"], page["tags"], page["lane"]) == (URL, "analyze", ["a"], "bulk")
    assert (text["text"], text["stages"], "pipeline" in text) == ("x", ["fetch", "extract", "store"], False)


def test_it_says_when_it_fires_and_what_was_made(penstock):
    ran = penstock("schedule", "create", URL, *HOURLY, "--json")
    assert json.loads(ran.stdout)["interval_s"] == 3600
    assert ran.stderr == "fires next at 2026-01-02 04:04:05 UTC\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (HOURLY, "give a URL or --batch FILE"),
        ((URL, *HOURLY, "--batch", "-"), "give a URL or --batch FILE"),
        ((*HOURLY, "--batch", "-"), "there is no item"),
        ((URL, *HOURLY, "--starts-at", "tomorrow"), "--starts-at takes a moment"),
        ((URL, *HOURLY, "--cron", "0 8 * * *"), "give cron or interval_s, not both"),
        ((URL, "--name", "x"), "give cron or interval_s"),
        ((URL, "--name", "x", "--cron", "0 8 * *"), "cron"),
        ((URL, *HOURLY, "--time-zone", "Mars/Olympus"), "no such time zone"),
    ],
)
def test_what_cannot_be_scheduled_is_bad_usage(penstock, api, words, said):
    ran = penstock("schedule", "create", *words)
    assert (ran.exit_code, ran.stdout, said in ran.stderr) == (2, "", True)
    assert api.client.get("/v1/schedules").json()["items"] == []


# looking at it


def test_schedules_are_listed_in_lines_for_other_programs(penstock, make):
    make(URL, "--name", "n0", "--cron", "0 8 * * *")
    ids = [make(URL, "--name", name, "--every", "3600")["id"] for name in ("n1", "n2")]
    assert rows(penstock("schedule", "list", "--limit", "2")) == [
        [ids[1], "active", "2026-01-02 04:04:05", "every 3600 s", "", "n2"],
        [ids[0], "active", "2026-01-02 04:04:05", "every 3600 s", "", "n1"],
    ]
    assert rows(penstock("schedule", "list"))[-1][3] == "0 8 * * * UTC"
    lines = penstock("schedule", "list", "--json").stdout.splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["n2", "n1", "n0"]


def test_schedules_are_a_table_on_a_terminal(penstock, make, monkeypatch):
    made = make(URL, *HOURLY)
    for module in (schedules, tables):
        monkeypatch.setattr(module, "Console", lambda **_options: Console(force_terminal=True, width=160))
    shown = penstock("schedule", "list").stdout
    assert "last error" in shown.splitlines()[0]
    assert made["id"] in shown


def test_a_schedule_is_shown_with_what_it_submits(penstock, make):
    made = make(URL, *HOURLY)
    shown = penstock("schedule", "show", made["id"]).stdout.splitlines()
    assert shown == [
        f"schedule   {made['id']}, hourly",
        "status     active",
        "times      every 3600 s",
        "catch-up   once",
        "next       2026-01-02 04:04:05 UTC",
        f"submits    a job for {URL}",
    ]
    batch = make(*HOURLY, "--batch", "-", stdin=f"{URL}\n{URL}2\n")
    assert "a batch of 2 items" in penstock("schedule", "show", batch["id"]).stdout
    assert json.loads(penstock("schedule", "show", made["id"], "--json").stdout) == made


def test_its_firings_are_listed_with_what_they_submitted(penstock, api, make):
    made = make(URL, *HOURLY)
    job_id = penstock("schedule", "run", made["id"]).stdout.strip()
    assert api.client.get(f"/v1/jobs/{job_id}").json()["source_url"] == URL
    api.clock.advance(3600)
    ScheduleWork(api.wiring.records, api.wiring.desk).turn()
    planned, by_hand = rows(penstock("schedule", "runs", made["id"]))
    assert (planned[1], planned[3]) == ("2026-01-02 04:04:05", "")
    assert by_hand == ["2026-01-02 03:04:05", "by hand", job_id, ""]
    [line] = penstock("schedule", "runs", made["id"], "--limit", "1", "--json").stdout.splitlines()
    assert json.loads(line)["job_id"] == planned[2]


def test_a_firing_that_submits_nothing_is_no_success(penstock, api):
    made = new_schedule(submits={"job": {**TEXT["job"], "pipeline": "gone"}})
    api.records.add_schedule(made)
    ran = penstock("schedule", "run", made.id)
    assert (ran.exit_code, ran.stdout, "(unknown_pipeline)" in ran.stderr) == (1, "", True)
    assert "(unknown_pipeline)" in rows(penstock("schedule", "runs", made.id))[0][3]
    assert rows(penstock("schedule", "list"))[0][4] == "unknown_pipeline"


# changing it


def test_it_is_paused_and_resumed_and_erased(penstock, make):
    made = make(URL, *HOURLY)
    assert "status     paused" in penstock("schedule", "pause", made["id"]).stdout
    assert json.loads(penstock("schedule", "resume", made["id"], "--json").stdout)["status"] == "active"
    erased = penstock("schedule", "delete", made["id"])
    assert (erased.exit_code, erased.stdout) == (0, "")
    assert penstock("schedule", "list").stdout == ""


@pytest.mark.parametrize("command", ["show", "pause", "resume", "run", "runs", "delete"])
def test_a_schedule_that_is_not_there_is_another_exit_status(penstock, command):
    ran = penstock("schedule", command, UNKNOWN)
    assert (ran.exit_code, ran.stdout, "schedule_not_found" in ran.stderr) == (4, "", True)


# jobs that have done the same


def test_a_job_that_has_done_the_same_is_reused(penstock, api):
    first = penstock("submit", URL, "--reuse", "3600").stdout
    api.finish(first.strip(), *STAGES)
    again = penstock("submit", URL, "--reuse", "3600")
    assert (again.stdout, f"{URL} is not done again" in again.stderr) == (first, True)
    other = penstock("submit", URL)
    assert (other.stdout != first, other.stderr) == (True, "")
    assert penstock("submit", URL, "--reuse", "0").exit_code == 2
