"""`penstock batch`, and the options of submissions, against the application in memory."""

import io
import json
from datetime import datetime, timedelta

import httpx
import pytest
import typer
from typer.testing import CliRunner

from api.cli import batches, service
from api.cli.app import app
from api.cli.batch_input import read_lines
from api.cli.terms import Terms
from api.client import Penstock
from pipeline.job import JobState
from tests.support.api import Api
from tests.support.clients import app_of

URL = "https://example.org/"
UNKNOWN = "01a1fb67-1800-7226-b63c-5ab791b7584a"
STAGES = ("fetch", "extract", "summarize", "store")


@pytest.fixture
def api(monkeypatch):
    return Api(monkeypatch)


@pytest.fixture
def penstock(api, monkeypatch):
    """Runs a command on the application."""

    def client(**options):
        return Penstock(**options, transport=httpx.MockTransport(app_of(api)))

    for module in (service, batches):
        monkeypatch.setattr(module, "Penstock", client)
    monkeypatch.setattr("api.cli.submit.Penstock", client)
    monkeypatch.setenv("PENSTOCK_API_URL", "http://127.0.0.1:8000")
    return lambda *words, stdin="": CliRunner().invoke(app, list(map(str, words)), input=stdin)


@pytest.fixture
def launch(api):
    """What the keeper does."""
    return api.keep


def jobs_of(api, batch_id):
    found = api.client.get(f"/v1/batches/{batch_id}/jobs?limit=200").json()["items"]
    return sorted(found, key=lambda job: job["batch_index"])


# submitting


def test_a_list_of_urls_becomes_a_batch_with_the_options_given(penstock, api, tmp_path):
    urls = tmp_path / "urls.txt"
    urls.write_text(f"\ufeff{URL}1\n\n  {URL}2  \r\n", encoding="utf-8")
    words = ("--name", "archive", "--pipeline", "extract", "--tag", "a", "--tag", "b", "--meta", "row=7=8")
    choices = ("--max-attempts", "2", "--processing", "detailed", "--fallback", "extractive")
    ran = penstock("batch", "submit", urls, *words, *choices)
    assert (ran.exit_code, "2 of 2 items were accepted" in ran.stderr) == (0, True)
    jobs = jobs_of(api, ran.stdout.strip())
    assert [job["source_url"] for job in jobs] == [f"{URL}1", f"{URL}2"]
    assert {job["lane"] for job in jobs} == {"bulk"}
    for job in jobs:
        assert (job["tags"], job["metadata"], job["pipeline"]) == (["a", "b"], {"row": "7=8"}, "extract")
        assert job["processing"] == "detailed"


def test_what_an_item_says_goes_before_the_options(penstock, api):
    items = [{"text": "x", "stages": ["fetch", "extract", "store"], "tags": ["own"]}, {"url": URL, "lane": "urgent"}]
    lines = "\n".join(map(json.dumps, items))
    ran = penstock("batch", "submit", "-", "--pipeline", "analyze", "--tag", "a", "--lane", "normal", stdin=lines)
    assert ran.exit_code == 0, ran.stderr
    own, other = jobs_of(api, ran.stdout.strip())
    assert (own["pipeline"], own["tags"], own["lane"]) == ("custom", ["own"], "normal")
    assert (other["pipeline"], other["tags"], other["lane"]) == ("analyze", ["a"], "urgent")


def test_items_that_are_refused_are_told_by_their_lines(penstock):
    ran = penstock("batch", "submit", "-", "--json", stdin=f'{URL}\n\n{{"nonsense": 1}}\n{URL}2\n')
    assert ran.exit_code == 1
    assert "line 3: " in ran.stderr
    assert "(invalid_request)" in ran.stderr
    assert (json.loads(ran.stdout)["accepted"], json.loads(ran.stdout)["rejected_total"]) == (2, 1)


def test_the_same_key_finds_the_batch(penstock):
    first, second = (penstock("batch", "submit", "-", "--key", "monday", stdin=f"{URL}\n") for _ in range(2))
    assert first.stdout == second.stdout


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        ((), "", "there is no item"),
        ((), f"{URL}\npage.html\n", "line 2 is neither a URL nor a JSON object"),
        ((), '{"url": \n', "line 1 is not valid JSON"),
        (("--meta", "nonsense"), URL, "--meta takes NAME=VALUE"),
        (("--not-before", "tomorrow"), URL, "--not-before takes a moment"),
    ],
)
def test_what_is_no_batch_is_refused_before_anything_is_sent(penstock, api, words, stdin, said):
    ran = penstock("batch", "submit", "-", *words, stdin=stdin)
    assert (ran.exit_code, ran.stdout, said in ran.stderr) == (2, "", True)
    assert api.client.get("/v1/batches").json()["items"] == []


def test_a_file_that_is_not_there_is_one_line(penstock):
    ran = penstock("batch", "submit", "no/such/file")
    assert (ran.exit_code, ran.stdout, "no/such/file" in ran.stderr) == (1, "", True)


# what becomes of it


def test_a_batch_is_shown_with_its_counts_and_what_was_rejected(penstock, api, launch):
    batch_id = penstock("batch", "submit", "-", "--name", "x", stdin=f"{URL}\n{URL}2\n{{}}\n").stdout.strip()
    launch()
    api.fail(jobs_of(api, batch_id)[0]["id"])
    shown = penstock("batch", "status", batch_id)
    assert (shown.exit_code, f"{batch_id}, x" in shown.stdout) == (0, True)
    assert "running   50 %  1 queued, 1 failed" in shown.stdout
    assert "2 accepted, 1 rejected" in shown.stdout
    assert "item 2: " in shown.stdout
    assert json.loads(penstock("batch", "status", batch_id, "--json").stdout)["id"] == batch_id


def test_waiting_ends_with_the_batch_and_tells_whether_all_succeeded(penstock, api, launch, monkeypatch):
    batch_id = penstock("batch", "submit", "-", stdin=f"{URL}\n{URL}2\n").stdout.strip()
    launch()
    first, second = (job["id"] for job in jobs_of(api, batch_id))
    steps = [lambda: api.finish(first, *STAGES), lambda: None, lambda: api.finish(second, *STAGES)]
    monkeypatch.setattr("api.cli.batches.time.sleep", lambda _s: steps.pop(0)())
    ran = penstock("batch", "status", batch_id, "--wait")
    assert ran.exit_code == 0, ran.stderr
    assert ran.stderr.splitlines() == ["running    0 %  2 queued", "running   50 %  1 queued, 1 succeeded"]
    assert "finished  100 %  2 succeeded" in ran.stdout


def test_a_batch_of_which_a_job_failed_is_no_success(penstock, api, launch, monkeypatch):
    def end(_s):
        launch()
        [batch] = api.client.get("/v1/batches").json()["items"]
        api.fail(jobs_of(api, batch["id"])[0]["id"])

    monkeypatch.setattr("api.cli.batches.time.sleep", end)
    ran = penstock("batch", "submit", "-", "--wait", "--json", stdin=f"{URL}\n")
    assert ran.exit_code == 1
    assert json.loads(ran.stdout)["counts"]["failed"] == 1


def test_results_are_printed_as_documents_or_as_lines(penstock, api, launch):
    batch_id = penstock("batch", "submit", "-", stdin=f'{URL}\n{{"text": "x"}}\n{URL}3\n').stdout.strip()
    launch()
    first, second, _ = (job["id"] for job in jobs_of(api, batch_id))
    api.finish(first, *STAGES)
    api.fail(second)
    told = penstock("batch", "results", batch_id)
    assert (told.exit_code, "Ünïcödé" in told.stdout) == (0, True)
    assert told.stderr.strip() == "item 1 failed: No such host. (dns_failure)"
    lines = [json.loads(line) for line in penstock("batch", "results", batch_id, "--json").stdout.splitlines()]
    assert [(line["index"], line["status"]) for line in lines] == [(0, "succeeded"), (1, "failed")]


def test_what_failed_is_continued_and_the_rest_cancelled(penstock, api, launch):
    batch_id = penstock("batch", "submit", "-", stdin=f"{URL}\n{URL}2\n").stdout.strip()
    launch()
    api.fail(jobs_of(api, batch_id)[0]["id"])
    retried = penstock("batch", "retry-failed", batch_id)
    assert (retried.exit_code, retried.stdout.endswith(" running\n")) == (0, True)
    assert "1 jobs are continued" in retried.stderr
    assert json.loads(penstock("batch", "retry-failed", batch_id, "--json").stdout)["total"] == 1
    cancelled = penstock("batch", "cancel", batch_id, "--json")
    assert (cancelled.exit_code, json.loads(cancelled.stdout)["status"]) == (0, "cancelling")


def test_batches_are_listed_in_lines_for_other_programs(penstock, api):
    ids = []
    for number in range(3):
        api.clock.advance(1)
        words = ("--name", f"n{number}")
        ids.append(penstock("batch", "submit", "-", *words, stdin=URL).stdout.strip())
    rows = [line.split("\t") for line in penstock("batch", "list", "--limit", "2").stdout.splitlines()]
    assert [(row[0], row[1], row[-1]) for row in rows] == [(ids[2], "running", "n2"), (ids[1], "running", "n1")]
    lines = penstock("batch", "list", "--json").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ids[::-1]


@pytest.mark.parametrize("command", ["status", "results", "cancel", "retry-failed"])
def test_a_batch_that_is_not_there_is_another_exit_status(penstock, command):
    ran = penstock("batch", command, UNKNOWN)
    assert (ran.exit_code, ran.stdout, "batch_not_found" in ran.stderr) == (4, "", True)


# single jobs


@pytest.mark.parametrize("words", [("submit", URL), ("batch", "submit", "-")])
def test_robots_txt_is_left_aside_on_request(penstock, api, words):
    made = penstock(*words, "--robots", "ignore", stdin=URL)
    assert made.exit_code == 0, made.stderr
    job_id = api.client.get("/v1/jobs").json()["items"][0]["id"]
    assert api.records.inner.job("default", job_id).options.robots == "ignore"


def test_a_job_is_submitted_with_its_terms_and_found_by_them(penstock, api):
    due = api.clock.now() + timedelta(hours=1)
    words = ("--tag", "a", "--meta", "row=7", "--not-before", due, "--max-attempts", "2")
    job_id = penstock("submit", f"{URL}news/1", *words, "--expires-at", due + timedelta(hours=1)).stdout.strip()
    job = api.client.get(f"/v1/jobs/{job_id}").json()
    assert (job["tags"], job["metadata"], job["max_attempts"]) == (["a"], {"row": "7"}, 2)
    assert datetime.fromisoformat(job["not_before"]) == due
    assert datetime.fromisoformat(job["deadline_at"]) == due + timedelta(hours=1)
    other = penstock("submit", "--text", "x", "--lane", "bulk", "--delay", "60").stdout.strip()

    def found(*words):
        return [line.split("\t")[0] for line in penstock("jobs", *words).stdout.splitlines()]

    assert found("--tag", "a", "--host", "example.org", "--url", "example.org/news") == [job_id]
    assert found("--lane", "bulk", "--pipeline", "summarize") == [other]
    assert found("--batch", UNKNOWN) == []


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-01T08:00+01:00", datetime.fromisoformat("2026-12-01T07:00+00:00")),
        ("2026-12-01T08:00", datetime(2026, 12, 1, 8).astimezone()),
    ],
)
def test_a_moment_without_a_time_zone_is_local(text, moment):
    assert Terms(not_before=text).fields() == {"not_before": moment}


def test_all_that_was_not_given_is_left_to_the_service():
    assert Terms().fields() == {}


def test_standard_input_is_read_to_its_end_before_anything_is_sent(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{URL}\nnonsense"))
    with pytest.raises(typer.Exit):
        read_lines("-", {})


def test_progress_is_one_line(penstock, api):
    batch_id = penstock("batch", "submit", "-", stdin=URL).stdout.strip()
    batch = Penstock(transport=httpx.MockTransport(app_of(api))).batch(batch_id)
    assert batches.progress_line(batch) == "running    0 %  1 queued"
    assert batch.counts[JobState.QUEUED] == 1


# from a list


def test_a_source_becomes_a_batch(penstock, api):
    words = ("--source", f"{URL}sitemap.xml", "--limit", "5", "--since", "2026-02-01", "--pipeline", "extract")
    ran = penstock("batch", "submit", *words, "--lane", "normal", "--json")
    assert ran.exit_code == 0, ran.stderr
    view = json.loads(ran.stdout)
    assert (view["status"], view["sources"][0]["url"]) == ("expanding", f"{URL}sitemap.xml")
    (batch,) = api.records.batches("default", before=None, limit=1).items
    assert (batch.plan.limit, str(batch.plan.since)) == (5, "2026-02-01")
    assert (batch.plan.job["pipeline"], batch.plan.job["lane"]) == ("extract", "normal")


@pytest.mark.parametrize("words", [(), ("-", "--source", URL)])
def test_a_batch_has_a_file_or_a_source(penstock, words):
    assert penstock("batch", "submit", *words).exit_code == 2


def test_a_source_that_failed_is_shown(penstock, api):
    batch = penstock("batch", "submit", "--source", URL).stdout.strip()
    api.keep()
    view = api.client.get(f"/v1/batches/{batch}").json()
    api.fail(view["sources"][0]["job_id"])
    api.keep()
    ran = penstock("batch", "status", batch, "--wait")
    assert (ran.exit_code, "failed, 0 items: No such host. (dns_failure)" in ran.stdout) == (1, True)


def test_a_digest_is_asked_for_and_told_of(penstock, api):
    batch = penstock("batch", "submit", "-", "--digest", stdin=f"{URL}\n").stdout.strip()
    assert "digest    made when all jobs have ended" in penstock("batch", "status", batch).stdout
    api.keep()
    (job,) = jobs_of(api, batch)
    api.finish(job["id"], *STAGES)
    api.keep()
    digest = api.client.get(f"/v1/batches/{batch}").json()["digest"]["job_id"]
    assert f"digest: queued, penstock result {digest}" in penstock("batch", "results", batch).stderr


def test_a_webhook_goes_with_the_items(penstock):
    ran = penstock("batch", "submit", "-", "--webhook", UNKNOWN, stdin=f"{URL}\n")
    assert (ran.exit_code, "(unknown_webhook)" in ran.stderr) == (1, True)
