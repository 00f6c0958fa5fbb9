"""`penstock doctor` on a stack that works, and on deployments of which one part does not."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.articles import TEXT
from tests.support.brokers import KINDS, Broker
from tests.support.commands import penstock
from tests.support.ports import free_port
from tests.support.stack import LiveStack
from tests.support.waiting import until

Findings = dict[str, dict[str, Any]]
SECRET = "hunter2"  # made up


def examined(stack: LiveStack) -> tuple[int, Findings]:
    ran = penstock(stack, "doctor", "--json")
    assert "Traceback" not in ran.err
    assert SECRET not in ran.out + ran.err
    return ran.status, {finding["name"]: finding for finding in ran.documents}


def failed(findings: Findings) -> list[str]:
    return [name for name, finding in findings.items() if finding["outcome"] == "failure"]


def deployment(root: Path, **settings: object) -> LiveStack:
    """A place for commands to run in; nothing runs there."""
    return LiveStack(root, payload_dir=root / "payloads", secret_key=SECRET * 6, **settings)


@pytest.mark.full
def test_a_stack_that_works_has_all_it_needs(stack: LiveStack) -> None:
    job_id = stack.submit(text=TEXT, pipeline="extract")
    stack.wait(job_id)
    until(lambda: failed(examined(stack)[1]) == [], within_s=60, what="a keeper that leads and all workers")
    status, findings = examined(stack)
    assert status == 0
    assert findings["language model"]["outcome"] == "skipped"
    assert {finding["outcome"] for finding in findings.values()} <= {"ok", "skipped", "warning"}
    assert [name for name, finding in findings.items() if finding["outcome"] == "warning"] in ([], ["disk space"])

    told = penstock(stack, "doctor")
    assert (told.status, told.out.splitlines()[0]) == (0, "✓ settings            they are valid")

    penstock(stack, "queues", "pause", "analyze")
    try:
        status, findings = examined(stack)
    finally:
        penstock(stack, "queues", "resume", "analyze")
    assert (status, findings["queues"]["found"]) == (0, "paused: analyze")
    assert "penstock queues resume analyze" in findings["queues"]["advice"]


def test_a_stack_that_does_not_run_is_told_as_such_and_nothing_is_made(tmp_path: Path) -> None:
    nowhere = LiveStack(tmp_path)
    status, findings = examined(nowhere)
    assert (status, failed(findings)) == (1, ["stack", "database", "payload store"])
    assert "penstock up" in findings["stack"]["advice"]
    assert findings["broker"]["found"] == findings["keeper"]["found"] == "the stack does not run"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.full
def test_a_broker_that_is_down_or_hangs_and_a_database_that_was_not_migrated_are_failures(tmp_path: Path) -> None:
    folder = tmp_path / "b"
    folder.mkdir()
    database = tmp_path / "penstock.db"
    database.touch()
    with Broker(KINDS["valkey"].binary(), folder, port=free_port()) as broker:
        url = f"redis://:{SECRET}@127.0.0.1:{broker.port}/0"
        broker.run("CONFIG", "SET", "requirepass", SECRET)
        here = deployment(tmp_path, broker_url=url, database_url=f"sqlite:///{database}")
        status, findings = examined(here)
        assert (status, failed(findings)) == (1, ["database"])
        assert findings["database"]["found"].startswith("it is at revision none; this version needs 00")
        assert findings["database"]["advice"] == "run `penstock migrate`"
        assert findings["workers"]["outcome"] == "skipped"

        assert penstock(here, "migrate").status == 0
        broker.pause()
        status, findings = examined(here)
        assert (status, failed(findings)) == (1, ["broker", "workers", "keeper"])
        assert findings["workers"]["found"].startswith("no worker lives for fetch, extract")
    status, findings = examined(here)
    assert (status, failed(findings)) == (1, ["broker", "workers", "keeper"])
    assert "PENSTOCK_BROKER_URL" in findings["broker"]["advice"]


def test_settings_that_are_not_valid_are_a_finding_too(tmp_path: Path) -> None:
    here = deployment(tmp_path, api_port="many")
    status, findings = examined(here)
    assert (status, failed(findings)) == (1, ["settings"])
    assert findings["settings"]["found"].startswith("PENSTOCK_API_PORT: ")
