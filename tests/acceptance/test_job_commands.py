"""The commands that ask a running service: `submit`, `status`, `result`, `watch`, `jobs`, `cancel`."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.articles import ARTICLE, TEXT
from tests.support.commands import begun, penstock
from tests.support.hosts import OrderedOrigin, SilentHost
from tests.support.origin import Reply
from tests.support.ports import free_port
from tests.support.stack import LiveStack

pytestmark = pytest.mark.full

TITLE = "The lock keeper of Marlow"
UNKNOWN = "01a1fd20-974e-7463-a83b-e6c45a3d90b5"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.html"
    path.write_text(ARTICLE.replace('<html lang="en">', '<html lang="en"><meta charset="utf-8">'), encoding="utf-8")
    return path


def test_the_commands_find_the_stack_that_runs_here(stack: LiveStack, origin: OrderedOrigin, page: Path) -> None:
    url = origin.on("/page", Reply(body=ARTICLE))
    submitted = penstock(stack, "submit", url, "--file", page, "--text", "-", "--pipeline", "extract", stdin=TEXT)
    assert submitted.status == 0, submitted.err
    ids = submitted.out.split()
    assert len(ids) == 3
    stack.wait_all(ids)

    shown = penstock(stack, "status", ids[0])
    assert (shown.status, shown.err) == (0, "")
    assert url in shown.out
    assert "✓ fetch  ✓ extract  ✓ store" in shown.out
    assert penstock(stack, "status", ids[0], "--json").documents == [stack.job(ids[0])]

    assert penstock(stack, "result", ids[1], "--json").documents == [stack.result(ids[1])]
    assert penstock(stack, "result", ids[2], "--format", "text").out == stack.result(ids[2])["text"] + "\n"
    assert penstock(stack, "result", ids[1]).out.startswith(f"# {TITLE}\n\nAda Finch")

    listed = penstock(stack, "jobs", "--limit", "3")
    assert [line.split("\t")[:2] for line in listed.out.splitlines()] == [[job_id, "succeeded"] for job_id in ids[::-1]]
    assert [job["id"] for job in penstock(stack, "jobs", "--json", "--limit", "2").documents] == ids[:0:-1]


def test_submit_waits_on_request_and_prints_results_as_run_does(
    stack: LiveStack, origin: OrderedOrigin, page: Path
) -> None:
    gone = origin.on("/gone", Reply(404))
    plain = penstock(stack, "submit", "--wait", "--file", page, gone)
    assert plain.status == 1
    assert TITLE in plain.out
    assert "(summary: extractive)" in plain.out
    assert "✓ fetch  ✓ extract  ✓ summarize  ✓ store" in plain.err
    assert "http_not_found" in plain.err

    told = penstock(stack, "submit", "--wait", "--json", "--file", page, "--pipeline", "analyze")
    [document] = told.documents
    assert told.status == 0
    assert (document["metadata"]["title"], bool(document["analysis"])) == (TITLE, True)


def test_watch_tells_one_job_to_its_end(stack: LiveStack, origin: OrderedOrigin) -> None:
    url = origin.on("/slow", replace(Reply(body=ARTICLE), delay_s=2))
    [accepted] = penstock(stack, "submit", url, "--pipeline", "extract", "--json").documents
    told = penstock(stack, "watch", accepted["id"], "--json")
    assert told.status == 0
    assert [event["event"] for event in told.documents] == [
        "job.queued",
        *["stage.started", "stage.succeeded"] * 3,
        "job.succeeded",
    ]
    failed = stack.submit(url=origin.on("/gone", Reply(404)))
    plain = penstock(stack, "watch", failed)
    assert plain.status == 1
    assert plain.out.splitlines()[-1].endswith(
        f"job.failed       {failed}  fetch  The host answered 404: the page does not exist. (http_not_found)"
    )


def test_watch_tells_all_jobs_until_it_is_interrupted(stack: LiveStack) -> None:
    with begun(stack, "watch", "--json") as process:
        assert process.stdout is not None
        with submitting(stack) as ids:
            first = json.loads(process.stdout.readline())
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert first["job_id"] in ids
    assert (process.returncode, err) == (130, "")


@contextmanager
def submitting(stack: LiveStack) -> Iterator[set[str]]:
    """Submit jobs again and again, as nobody says when a listener is ready."""
    import threading

    ids: set[str] = set()
    over = threading.Event()

    def run() -> None:
        while not over.wait(0.2):
            ids.add(stack.submit(text=TEXT, pipeline="extract"))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield ids
    finally:
        over.set()
        thread.join(20)
        stack.wait_all(ids)


def test_an_interrupt_ends_the_waiting_and_not_the_job(stack: LiveStack) -> None:
    with SilentHost() as host, begun(stack, "submit", "--wait", host.url) as process:
        assert host.asked.wait(30)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
        [newest] = stack.client.get("/v1/jobs?limit=1").json()["items"]
        assert (newest["source_url"], newest["status"]) == (host.url, "running")
        stack.client.delete(newest["url"])
    assert process.returncode == 130
    assert "Traceback" not in err


def test_cancel_says_of_each_job_what_became_of_it(stack: LiveStack) -> None:
    with SilentHost() as host:
        ids = [stack.submit(url=host.url) for _ in range(2)]
        ran = penstock(stack, "cancel", *ids)
    assert (ran.status, ran.out.splitlines()) == (0, [f"{job_id} cancelled" for job_id in ids])
    assert [stack.job(job_id)["status"] for job_id in ids] == ["cancelled"] * 2
    again = penstock(stack, "cancel", UNKNOWN, ids[0], "--json")
    assert (again.status, [job["status"] for job in again.documents]) == (4, ["cancelled"])
    assert "job_not_found" in again.err


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["status", UNKNOWN], 4, "there is no job"),
        (["result", "no such"], 4, "there is no job no such"),
        (["submit"], 2, "give URLs"),
        (["submit", "page.html"], 2, "files are given with --file"),
        (["submit", "--file", "no/such/file.html"], 1, "no/such/file.html"),
        (["submit", "--text", "x", "--pipeline", "translate"], 2, "unknown_pipeline"),
        (["status", UNKNOWN, "--api-url", "nonsense"], 2, "absolute"),
    ],
)
def test_the_exit_status_says_what_kind_of_failure_it_was(
    stack: LiveStack, words: list[str], status: int, said: str
) -> None:
    ran = penstock(stack, *words)
    assert (ran.status, ran.out) == (status, "")
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_a_service_that_is_not_there_is_another_exit_status(stack: LiveStack, tmp_path: Path) -> None:
    ran = penstock(stack, "jobs", "--api-url", f"http://127.0.0.1:{free_port()}")
    assert (ran.status, ran.out) == (3, "")
    assert "no answer from http://127.0.0.1" in ran.err
    nowhere = LiveStack(tmp_path)
    ran = penstock(nowhere, "jobs")
    assert (ran.status, ran.out) == (3, "")
    assert "penstock up" in ran.err
    assert not nowhere.data_dir.exists()


def test_one_who_has_read_enough_may_stop_reading(stack: LiveStack) -> None:
    job_id = stack.submit(text=TEXT, pipeline="extract")
    with begun(stack, "watch", job_id, "--json") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate(timeout=30)
    assert err == ""
