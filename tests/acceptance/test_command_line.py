"""`penstock run`: what it prints, what it writes, how it ends, and whose stack it uses."""

import json
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.articles import ARTICLE, TEXT
from tests.support.commands import begun, penstock
from tests.support.hosts import OrderedOrigin, SilentHost
from tests.support.origin import Reply
from tests.support.stack import LiveStack

TITLE = "The lock keeper of Marlow"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.html"
    path.write_text(ARTICLE, encoding="utf-8")
    return path


@pytest.fixture
def idle() -> Iterator[LiveStack]:
    """A data directory on which no stack runs."""
    with tempfile.TemporaryDirectory(prefix="penstock-") as root:
        stack = LiveStack(Path(root))
        yield stack
        stack.clean_up()


@pytest.mark.full
def test_run_starts_a_stack_where_there_is_none_and_leaves_nothing_behind(
    idle: LiveStack, origin: OrderedOrigin, page: Path, tmp_path: Path
) -> None:
    url = origin.on("/article", Reply(body=ARTICLE))
    folder = tmp_path / "results"
    ran = penstock(idle, "run", page, url, "-", "--json", "-o", folder, stdin=TEXT)
    idle.assert_gone()

    assert ran.status == 0, ran.err
    assert [document["metadata"]["title"] for document in ran.documents] == [TITLE] * 3
    assert [document["source"]["url"] for document in ran.documents] == [None, url, None]
    assert [document["source"]["name"] for document in ran.documents] == ["page.html", None, "standard input"]
    assert all(document["summary"]["text"] for document in ran.documents)
    assert "succeeded" in ran.err

    written = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    assert sorted(document["job_id"] for document in written) == sorted(doc["job_id"] for doc in ran.documents)
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("*.md")]
    assert len(texts) == 3
    assert all(text.startswith(f"# {TITLE}") and "opened the sluice" in text for text in texts)


@pytest.mark.full
def test_run_uses_the_stack_that_runs_on_its_data_directory(stack: LiveStack, page: Path) -> None:
    note = (stack.data_dir / "stack.json").read_bytes()
    ran = penstock(stack, "run", page, "--json", "--pipeline", "extract")
    [document] = ran.documents

    assert ran.status == 0, ran.err
    assert stack.result(document["job_id"]) == document
    assert (stack.data_dir / "stack.json").read_bytes() == note
    assert not (stack.data_dir / "logs").exists()


@pytest.mark.full
def test_run_prints_the_summary_for_people(stack: LiveStack, page: Path) -> None:
    ran = penstock(stack, "run", page, "--processing", "detailed", "--lane", "urgent")
    assert ran.status == 0, ran.err
    assert TITLE in ran.out
    assert "Ada Finch" in ran.out
    assert "## The flood" in ran.out
    assert "(summary: extractive)" in ran.out


@pytest.mark.full
def test_run_ends_with_1_if_a_job_failed_and_prints_the_others(
    stack: LiveStack, origin: OrderedOrigin, page: Path
) -> None:
    ran = penstock(stack, "run", origin.on("/gone", Reply(404)), page, "--json")
    assert ran.status == 1
    assert [document["source"]["name"] for document in ran.documents] == ["page.html"]
    assert "http_not_found" in ran.err


@pytest.mark.full
def test_an_interrupt_cancels_the_jobs_of_a_run(stack: LiveStack) -> None:
    with SilentHost() as host, begun(stack, "run", host.url) as process:
        assert host.asked.wait(30)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert host.dropped.wait(10)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert stack.client.get("/v1/jobs?limit=1").json()["items"][0]["status"] == "cancelled"


@pytest.mark.full
def test_nothing_survives_a_killed_run(idle: LiveStack) -> None:
    with SilentHost() as host, begun(idle, "run", host.url) as process:
        assert host.asked.wait(30)
        assert len(idle.family()) > 5
        process.kill()
        process.wait(10)
        idle.assert_gone()


@pytest.mark.full
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["no/such/file.html"], "no/such/file.html"),
        (["--stages", "extract,store", "-"], "cannot come first"),
    ],
)
def test_run_says_in_one_line_what_it_cannot_do(stack: LiveStack, words: list[str], said: str) -> None:
    ran = penstock(stack, "run", *words, stdin=TEXT)
    assert ran.status == 1
    assert ran.out == ""
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_a_second_stack_on_the_same_data_directory_is_refused(stack: LiveStack) -> None:
    ran = penstock(stack, "up")
    assert ran.status == 1
    assert "already running" in ran.err
    assert stack.client.get("/readyz").status_code == 200


def test_a_setting_that_makes_no_sense_is_named(idle: LiveStack) -> None:
    idle.environ["PENSTOCK_LEASE_S"] = "soon"
    ran = penstock(idle, "up")
    assert ran.status == 2
    assert "PENSTOCK_LEASE_S" in ran.err
    assert not idle.data_dir.exists()
