"""Failed jobs are listed with their reasons, retried or discarded, one by one or all that match."""

import os
import signal
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from orchestration.bulk import JOBS_PER_TURN
from orchestration.embedded.datadir import DataDir
from tests.support.articles import ARTICLE, TEXT
from tests.support.commands import penstock
from tests.support.hosts import OrderedOrigin
from tests.support.origin import Reply
from tests.support.stack import LiveStack, live_stack
from tests.support.waiting import until

pytestmark = [pytest.mark.timeout(240), pytest.mark.full]


@pytest.fixture(scope="module")
def stack() -> Iterator[LiveStack]:
    """Of its own, so that no other test's failures are among these."""
    with live_stack() as stack:
        yield stack


@pytest.fixture(autouse=True)
def _nothing_left(stack: LiveStack) -> Iterator[None]:
    yield
    action = act(stack, action="discard", filter={})
    ended(stack, action["id"])


def failing(stack: LiveStack, origin: OrderedOrigin, number: int = 1, *after: Reply) -> list[str]:
    """Failed jobs of pages that are not there, and of which each then is as told."""
    urls = [origin.on(f"/{place}", Reply(404), *after) for place in range(number)]
    ids = [stack.submit(url=url, pipeline="extract") for url in urls]
    assert {view["status"] for view in stack.wait_all(ids)} == {"failed"}
    return ids


def letters(stack: LiveStack, query: str = "") -> list[dict[str, Any]]:
    """All dead letters, page by page."""
    path, found = f"/v1/dead-letters?limit=2{query}", []
    while path:
        page = stack.client.get(path).json()
        found += page["items"]
        path = page["next"]
    return found


def act(stack: LiveStack, **body: object) -> dict[str, Any]:
    answer = stack.client.post("/v1/jobs/bulk-actions", json=body)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == answer.json()["url"]
    return dict(answer.json())


def action_of(stack: LiveStack, action_id: str) -> dict[str, Any]:
    answer = stack.client.get(f"/v1/bulk-actions/{action_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ended(stack: LiveStack, action_id: str, within_s: float = 60) -> dict[str, Any]:
    def probe() -> dict[str, Any] | None:
        view = action_of(stack, action_id)
        return None if view["status"] == "running" else view

    return until(probe, within_s=within_s, what="the end of the bulk action")


def test_a_failed_job_is_a_dead_letter_until_it_is_retried(stack: LiveStack, origin: OrderedOrigin) -> None:
    stack.wait(stack.submit(text=TEXT, pipeline="extract"))
    (job_id,) = failing(stack, origin, 1, Reply(body=ARTICLE))
    (letter,) = letters(stack)
    expected = {"job_id": job_id, "code": "http_not_found", "stage": "fetch", "retryable": False, "run": 1}
    assert {name: letter[name] for name in expected} == expected
    assert letter["source_url"] == origin.url("/0")
    seen = stack.client.get(letter["url"]).json()
    assert {name: seen[name] for name in letter} == letter
    assert (seen["attempts"], seen["losses"], seen["input"], seen["traceback"]) == (1, 0, None, None)
    assert [attempt["outcome"] for attempt in seen["timeline"]] == ["failed"]

    answer = stack.client.post(f"{letter['url']}/retry")
    assert (answer.status_code, answer.json()["run"]) == (202, 2)
    assert stack.wait(job_id)["status"] == "succeeded"
    assert letters(stack) == []
    assert stack.client.get(letter["url"]).json()["code"] == "dead_letter_not_found"


def test_the_input_of_the_stage_that_failed_is_named(stack: LiveStack) -> None:
    job_id = stack.submit(html="<html><body><nav>Home</nav></body></html>", pipeline="extract")
    view = stack.wait(job_id)
    assert view["error"]["stage"] == "extract"
    claim = stack.client.get(f"/v1/dead-letters/{job_id}").json()["input"]
    assert claim["key"].startswith(f"default/{job_id}/1/fetch.0-")
    assert claim["key"].endswith(claim["sha256"])


def test_letters_are_found_by_stage_and_code(stack: LiveStack, origin: OrderedOrigin) -> None:
    missing = failing(stack, origin, 3)
    odd = stack.submit(url="ftp://example.org/", pipeline="extract")
    stack.wait(odd)
    found = {query: [letter["job_id"] for letter in letters(stack, query)] for query in ("", "&code=http_not_found")}
    assert found == {"": [odd, *missing[::-1]], "&code=http_not_found": missing[::-1]}
    assert letters(stack, "&stage=extract") == []
    assert len(letters(stack, "&stage=fetch&code=unsupported_scheme")) == 1


def test_a_discarded_letter_is_off_the_list_and_stays_readable(stack: LiveStack, origin: OrderedOrigin) -> None:
    job_id, other = failing(stack, origin, 2)
    for _ in range(2):
        assert stack.client.delete(f"/v1/dead-letters/{job_id}").status_code == 204
    assert [letter["job_id"] for letter in letters(stack)] == [other]
    assert stack.job(job_id)["status"] == "failed"
    unfinished = stack.submit(url=origin.on("/slow", Reply(delay_s=60)))
    assert stack.client.delete(f"/v1/dead-letters/{unfinished}").json()["code"] == "job_unfinished"
    assert stack.client.delete(f"/v1/dead-letters/{uuid4()}").json()["code"] == "job_not_found"
    stack.client.delete(f"/v1/jobs/{unfinished}")


def test_all_that_match_are_retried(stack: LiveStack, origin: OrderedOrigin) -> None:
    ids = failing(stack, origin, JOBS_PER_TURN + 5, Reply(body=ARTICLE))
    odd = stack.submit(url="ftp://example.org/", pipeline="extract")
    stack.wait(odd)
    wish: dict[str, Any] = {"action": "retry", "filter": {"code": "http_not_found"}}

    preview = stack.client.post("/v1/jobs/bulk-actions", json=wish | {"preview": True})
    assert (preview.status_code, preview.json()["count"]) == (200, len(ids))
    assert [job["id"] for job in preview.json()["sample"]] == ids[:-11:-1]
    assert stack.job(ids[0])["run"] == 1

    action = act(stack, **wish)
    assert (action["status"], action["total"]) == ("running", len(ids))
    finished = ended(stack, action["id"])
    assert (finished["status"], finished["done"], finished["failed"]) == ("finished", len(ids), 0)
    views = stack.wait_all(ids)
    assert {(view["status"], view["run"]) for view in views} == {("succeeded", 2)}
    assert [letter["job_id"] for letter in letters(stack)] == [odd]


def test_what_could_not_be_done_is_told(stack: LiveStack, origin: OrderedOrigin) -> None:
    (job_id,) = failing(stack, origin, 1)
    absent = str(uuid4())
    action = act(stack, action="replay", ids=[job_id, absent], **{"from": "extract"})
    finished = ended(stack, action["id"])
    assert (finished["total"], finished["done"], finished["failed"]) == (2, 0, 2)
    assert finished["reasons"] == {"input_expired": 1, "job_not_found": 1}
    assert {failure["job_id"] for failure in finished["failures"]} == {job_id, absent}


def test_an_aborted_action_stops_where_it_is(stack: LiveStack, origin: OrderedOrigin) -> None:
    ids = failing(stack, origin, 2)
    before_them = [f"00000000-0000-7000-8000-{number:012}" for number in range(4 * JOBS_PER_TURN)]
    action = act(stack, action="retry", ids=[*before_them, *ids])
    until(lambda: action_of(stack, action["id"])["failed"], within_s=20, what="its begin")
    aborted = stack.client.post(f"{action['url']}/abort").json()
    assert (aborted["status"], aborted["total"]) == ("aborted", len(before_them) + len(ids))
    assert 0 < aborted["failed"] < len(before_them)
    following = act(stack, action="replay", ids=ids[:1], **{"from": "fetch"})
    assert ended(stack, following["id"])["done"] == 1
    assert [view["run"] for view in stack.wait_all(ids)] == [2, 1]
    assert action_of(stack, action["id"]) == aborted


@pytest.mark.full
def test_an_action_survives_the_keeper_and_does_nothing_twice(stack: LiveStack, origin: OrderedOrigin) -> None:
    ids = failing(stack, origin, 2 * JOBS_PER_TURN + 5)
    action = act(stack, action="retry", ids=ids)
    until(lambda: action_of(stack, action["id"])["done"], within_s=20, what="its begin")
    note = DataDir(stack.data_dir).running()
    assert note is not None
    os.kill(note.pids["keeper"], signal.SIGKILL)
    finished = ended(stack, action["id"])
    assert (finished["done"], finished["failed"]) == (len(ids), 0)
    assert {view["run"] for view in stack.wait_all(ids)} == {2}
    assert {origin.hits(f"/{place}") for place in range(len(ids))} == {2}


@pytest.mark.full
def test_an_action_survives_the_broker(stack: LiveStack, origin: OrderedOrigin) -> None:
    ids = failing(stack, origin, 2 * JOBS_PER_TURN, Reply(body=ARTICLE))
    action = act(stack, action="retry", ids=ids)
    until(lambda: action_of(stack, action["id"])["done"], within_s=20, what="its begin")
    [broker] = [process for process in stack.family() if process.name() == "valkey-server"]
    broker.kill()
    finished = ended(stack, action["id"])
    assert (finished["done"], finished["failed"]) == (len(ids), 0)
    assert {(view["run"], view["status"]) for view in stack.wait_all(ids)} == {(2, "succeeded")}


@pytest.mark.full
def test_the_command_line_shows_retries_and_discards(stack: LiveStack, origin: OrderedOrigin) -> None:
    first, second, third = failing(stack, origin, 3, Reply(body=ARTICLE))
    odd = stack.submit(url="ftp://example.org/", pipeline="extract")
    stack.wait(odd)
    listed = penstock(stack, "dead-letters", "list", "--code", "http_not_found", "--json")
    assert [letter["job_id"] for letter in listed.documents] == [third, second, first]
    assert "3 of 3" in listed.err
    assert odd in penstock(stack, "dead-letters").out

    shown = penstock(stack, "dead-letters", "show", first)
    assert "http_not_found" in shown.out
    assert penstock(stack, "dead-letters", "show", first, "--json").documents[0]["attempts"] == 1

    assert "1 done" in penstock(stack, "dead-letters", "discard", first).err
    retried = penstock(stack, "dead-letters", "retry", "--code", "http_not_found", "--json")
    assert retried.status == 0, retried.err
    assert retried.documents[0]["done"] == 2
    assert {view["run"] for view in stack.wait_all([first])} == {1}
    assert {view["status"] for view in stack.wait_all([second, third])} == {"succeeded"}

    discarded = penstock(stack, "dead-letters", "discard", "--all")
    assert (discarded.status, letters(stack)) == (0, [])
    assert penstock(stack, "dead-letters", "show", first).status == 1
    assert penstock(stack, "dead-letters", "retry").status == 2


def test_a_purged_job_is_gone_with_all_that_was_kept(stack: LiveStack, origin: OrderedOrigin) -> None:
    (failed,) = failing(stack, origin, 1)
    done = stack.submit(text=TEXT, pipeline="extract")
    stack.wait(done)
    running = stack.submit(url=origin.on("/slow", Reply(delay_s=60)))
    assert stack.payload_files(done)

    answer = stack.client.delete(f"/v1/jobs/{running}?purge=true")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_unfinished")
    answer = stack.client.delete(f"/v1/jobs/{done}?purge=true")
    assert (answer.status_code, answer.content) == (204, b"")
    assert stack.payload_files(done) == []
    purged = penstock(stack, "purge", failed)
    assert purged.status == 0, purged.err
    for job_id in (done, failed):
        for path in (f"/v1/jobs/{job_id}", f"/v1/jobs/{job_id}/result", f"/v1/jobs/{job_id}/runs"):
            assert stack.client.get(path).status_code == 404
    assert stack.client.delete(f"/v1/jobs/{done}?purge=true").status_code == 404
    stack.client.delete(f"/v1/jobs/{running}")
