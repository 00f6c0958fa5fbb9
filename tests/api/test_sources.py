"""Batches that are made of sitemaps, feeds and the like."""

from typing import Any

import pytest

from orchestration import expansion
from pipeline.sources import MAX_DEPTH
from stages.contract.nouns import ListEntry
from tests.support.api import Api, problem_of

SITEMAP = "https://example.org/sitemap.xml"
READING = ("fetch", "extract", "store")


def send(api: Api, headers: dict[str, str] | None = None, *, source: Any = None, **about: Any) -> Any:
    given = source if isinstance(source, dict) else {"url": SITEMAP}
    return api.client.post("/v1/batches", json={"source": given, **about}, headers=headers)


def pages(number: int, first: int = 0, **fields: Any) -> tuple[ListEntry, ...]:
    return tuple(ListEntry(url=f"https://example.org/{n}", **fields) for n in range(first, first + number))


def lists(*names: str, **fields: Any) -> tuple[ListEntry, ...]:
    return tuple(ListEntry(url=f"https://example.org/{name}.xml", is_source=True, **fields) for name in names)


def view_of(api: Api, view: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = api.client.get(view["url"]).json()
    return found


def give(api: Api, view: dict[str, Any], entries: tuple[ListEntry, ...], position: int = 0) -> dict[str, Any]:
    """Have a source read and taken, which lists this; the batch then."""
    job_id = view_of(api, view)["sources"][position]["job_id"]
    api.finish(job_id, *READING, entries=entries)
    api.keep()
    return view_of(api, view)


def begun(api: Api, **about: Any) -> dict[str, Any]:
    """A batch whose source is being read."""
    answer = send(api, **about)
    assert answer.status_code == 202, answer.text
    api.keep()
    return view_of(api, answer.json())


def urls_of(api: Api, view: dict[str, Any]) -> list[str]:
    found = api.client.get(f"{view['url']}/jobs?limit=200").json()["items"]
    return [job["source_url"] for job in sorted(found, key=lambda job: job["batch_index"])]


def test_the_answer_comes_at_once_and_the_source_is_read_by_a_job(api: Api) -> None:
    answer = send(api, name="all pages")
    assert answer.status_code == 202
    view = answer.json()
    assert (view["status"], view["name"], view["accepted"]) == ("expanding", "all pages", 0)
    expected = {"url": SITEMAP, "status": "waiting", "job_id": None, "items": 0, "problem": None}
    assert view["sources"] == [expected]
    api.keep()
    (source,) = view_of(api, view)["sources"]
    job = api.client.get(f"/v1/jobs/{source['job_id']}").json()
    assert (source["status"], job["source_url"], job["status"], job["batch_id"]) == ("reading", SITEMAP, "queued", None)
    assert job["lane"] == "bulk"
    assert [stage["name"] for stage in job["stages"]] == list(READING)


def test_entries_become_items_like_the_defaults(api: Api) -> None:
    view = begun(api, lane="normal", defaults={"pipeline": "extract", "tags": ["a"], "delay_s": 60, "max_attempts": 2})
    found = give(api, view, pages(3))
    assert (found["status"], found["accepted"], found["counts"]["queued"]) == ("running", 3, 3)
    assert (found["sources"][0]["status"], found["sources"][0]["items"]) == ("taken", 3)
    jobs = api.client.get(f"{view['url']}/jobs").json()["items"]
    assert {(job["pipeline"], job["lane"], *job["tags"]) for job in jobs} == {("extract", "normal", "a")}
    assert all(job["not_before"] for job in jobs)


def test_each_url_comes_once_and_no_more_than_are_asked_for(api: Api) -> None:
    view = begun(api, source={"url": SITEMAP, "limit": 3})
    again = ListEntry(url="https://example.org/1#part")
    found = give(api, view, (*pages(2), again, *pages(5)))
    assert (found["status"], found["accepted"], found["rejected_total"]) == ("running", 3, 0)
    assert urls_of(api, view) == [entry.url for entry in pages(3)]


def test_what_is_older_is_left_out(api: Api) -> None:
    view = begun(api, source={"url": SITEMAP, "since": "2026-02-01"})
    entries = (*pages(1, 0, date="2026-01-31"), *pages(1, 1, date="2026-02-01T00:00:00Z"), *pages(1, 2))
    entries += lists("old", date="2025-12-31")
    found = give(api, view, entries)
    assert urls_of(api, view) == [f"https://example.org/{n}" for n in (1, 2)]
    assert len(found["sources"]) == 1


def test_nested_lists_are_read_too_and_what_two_of_them_list_comes_once(api: Api) -> None:
    view = begun(api)
    found = give(api, view, lists("a", "b", "sitemap"))
    assert (found["status"], [each["status"] for each in found["sources"]]) == (
        "expanding",
        ["taken", "reading", "waiting"],
    )
    api.keep()
    assert give(api, view, pages(2), 1)["status"] == "expanding"
    done = give(api, view, pages(3, 1), 2)
    assert (done["status"], done["accepted"]) == ("running", 4)
    assert [each["items"] for each in done["sources"]] == [0, 2, 2]
    assert urls_of(api, view) == [entry.url for entry in pages(4)]


def test_lists_are_not_followed_without_end(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    view = begun(api)
    for depth in range(MAX_DEPTH + 1):
        found = give(api, view, lists(f"deeper-{depth}"), depth)
        api.keep()
    assert found["status"] == "finished"
    assert found["sources"][-1]["problem"]["code"] == "nested_too_deep"
    monkeypatch.setattr(expansion, "MAX_SOURCES", 3)
    wide = begun(api)
    shown = give(api, wide, lists("a", "b", "c", "d"))
    assert len(shown["sources"]) == 3
    assert shown["sources"][0]["problem"] == {
        "code": "too_many_sources",
        "message": "A batch reads 3 lists; 2 more are not read.",
    }


def test_a_source_that_cannot_be_read_says_why(api: Api) -> None:
    view = begun(api)
    api.fail(view["sources"][0]["job_id"], "fetch")
    api.keep()
    failed = view_of(api, view)
    assert (failed["status"], failed["accepted"]) == ("finished", 0)
    assert failed["sources"][0]["status"] == "failed"
    assert failed["sources"][0]["problem"] == {"code": "dns_failure", "message": "No such host."}


def test_a_page_is_no_source(api: Api) -> None:
    found = give(api, begun(api), ())
    assert (found["status"], found["sources"][0]["problem"]["code"]) == ("finished", "nothing_listed")


def test_a_list_that_is_gone_says_so(api: Api) -> None:
    view = begun(api)
    job_id = view["sources"][0]["job_id"]
    api.finish(job_id, *READING, entries=pages(2))
    api.payloads.delete_job("default", job_id)
    api.keep()
    assert view_of(api, view)["sources"][0]["problem"]["code"] == "payload_missing"


def test_a_defect_stops_one_batch_and_no_other(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = begun(api), begun(api)
    choose = expansion.wanted
    monkeypatch.setattr(
        expansion, "wanted", lambda entry, *rest: choose(entry, *rest) if entry.url[-1] != "0" else 1 / 0
    )
    for view, entries in ((first, pages(1)), (second, pages(1, 1))):
        api.finish(view["sources"][0]["job_id"], *READING, entries=entries)
    api.keep()
    assert view_of(api, first)["sources"][0]["problem"]["code"] == "internal_error"
    assert view_of(api, second)["accepted"] == 1


def test_a_long_list_is_taken_in_chunks(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expansion, "ITEMS_AT_ONCE", 10)
    found = give(api, begun(api), pages(25))
    assert (found["status"], found["accepted"]) == ("running", 25)
    assert len(set(urls_of(api, found))) == 25


def test_cancelling_stops_the_reading(api: Api) -> None:
    view = begun(api)
    cancelled = api.client.delete(view["url"]).json()
    assert cancelled["status"] == "cancelling"
    while api.keep():
        pass
    assert view_of(api, view)["status"] == "cancelled"
    assert api.client.get(f"/v1/jobs/{view['sources'][0]['job_id']}").json()["status"] == "cancelled"


def test_the_same_request_with_the_same_key_is_the_same_batch(api: Api) -> None:
    key = {"Idempotency-Key": '"8e03978e"'}
    first, again = send(api, key), send(api, key)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    assert problem_of(send(api, key, source={"url": SITEMAP, "limit": 5}))["code"] == "idempotency_key_reused"


@pytest.mark.parametrize(
    "body",
    [
        {"source": {"url": SITEMAP}, "items": []},
        {"source": None},
        {"source": {"url": SITEMAP, "limit": 10_001}},
        {"source": {"url": SITEMAP, "since": "lately"}},
        {"source": {"url": SITEMAP, "depth": 2}},
        {"source": {"url": "https://example.org/\x00"}},
        {"source": {"url": SITEMAP}, "defaults": {"url": SITEMAP}},
        {"source": {"url": SITEMAP}, "defaults": {"pipeline": "fry"}},
    ],
)
def test_what_makes_no_sense_is_refused(api: Api, body: dict[str, Any]) -> None:
    assert api.client.post("/v1/batches", json=body).status_code == 422
    assert api.client.get("/v1/batches").json()["items"] == []


def test_ignoring_robots_needs_leave(api: Api) -> None:
    headers = api.bearer("submit,read")
    assert send(api, headers, defaults={"robots": "ignore"}).status_code == 403


def test_a_schedule_makes_such_batches(api: Api) -> None:
    batch = {"source": {"url": SITEMAP, "limit": 2}, "defaults": {"pipeline": "extract"}}
    asked = {"name": "daily", "cron": "0 7 * * *", "batch": batch}
    made = api.client.post("/v1/schedules", json=asked)
    assert made.status_code == 201, made.text
    shown = made.json()["batch"]
    assert shown["source"] == {"url": SITEMAP, "limit": 2, "since": None}
    firing = api.client.post(f"{made.json()['url']}/run").json()
    view = api.client.get(f"/v1/batches/{firing['batch_id']}").json()
    assert view["status"] == "expanding"
    api.keep()
    done = give(api, view, pages(5))
    assert (done["status"], done["accepted"]) == ("running", 2)
    jobs = api.client.get(f"{view['url']}/jobs").json()["items"]
    assert {job["pipeline"] for job in jobs} == {"extract"}
