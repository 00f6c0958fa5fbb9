"""Many jobs in one request."""

import asyncio
import io
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zipfile import ZipFile

import pytest

from api.batch_items import ITEMS_PER_CHUNK
from orchestration.bulk import BulkWork
from pipeline.batches import MAX_ITEMS, SHOWN_REJECTIONS, SILENCE
from pipeline.errors import RecordsUnavailable
from pipeline.ids import earliest_id, latest_id
from pipeline.ports import JobFilter
from tests.support.api import MAX_BODY_BYTES, Api, problem_of

UNKNOWN = "01a1fb67-1800-7226-b63c-5ab791b7584a"
URL = "https://example.org/"
NDJSON = "application/x-ndjson"
KEY = {"Idempotency-Key": '"8e03978e-40d5"'}
STAGES = ("fetch", "extract", "summarize", "store")


def send(api: Api, items: list[Any], headers: dict[str, str] | None = None, **about: Any) -> Any:
    return api.client.post("/v1/batches", json={"items": items, **about}, headers=headers)


def send_lines(api: Api, *lines: str, headers: dict[str, str] | None = None, query: str = "") -> Any:
    body = "\n".join(lines).encode()
    return api.client.post(f"/v1/batches{query}", content=body, headers={"Content-Type": NDJSON, **(headers or {})})


def urls(number: int, first: int = 0) -> list[dict[str, str]]:
    return [{"url": f"{URL}{n}"} for n in range(first, first + number)]


def turn(api: Api) -> int:
    """What the keeper does."""
    return api.keep()


def jobs_of(api: Api, url: str) -> list[dict[str, Any]]:
    """The jobs of a batch, the first item first."""
    found = api.client.get(f"{url}/jobs?limit=200").json()["items"]
    return sorted(found, key=lambda job: job["batch_index"])


# receiving


def test_a_batch_is_accepted_with_the_place_to_ask_for_it(api: Api) -> None:
    answer = send(api, urls(3), name="Ünïcödé")
    assert answer.status_code == 202
    view = answer.json()
    assert answer.headers["location"] == view["url"] == f"/v1/batches/{view['id']}"
    expected = {"name": "Ünïcödé", "status": "running", "accepted": 3, "rejected_total": 0, "rejected": []}
    assert {name: view[name] for name in expected} == expected
    assert (view["counts"]["queued"], view["progress"], view["cancelled_at"]) == (3, 0, None)
    assert api.client.get(view["url"]).json() == view
    jobs = jobs_of(api, view["url"])
    assert [(job["source_url"], job["batch_id"], job["lane"]) for job in jobs] == [
        (item["url"], view["id"], "bulk") for item in urls(3)
    ]


def test_items_that_cannot_become_jobs_are_told_and_the_others_run(api: Api) -> None:
    items: list[Any] = [{"url": URL}, {}, {"url": URL, "colour": "red"}, 7, {"text": "x"}]
    items += [{"url": URL, "pipeline": "fry"}, {"url": URL, "stages": ["fetch", "summarize"]}]
    view = send(api, items).json()
    assert (view["accepted"], view["rejected_total"], view["counts"]["queued"]) == (2, 5, 2)
    assert [(each["index"], each["code"]) for each in view["rejected"]] == [
        (1, "invalid_request"),
        (2, "invalid_request"),
        (3, "invalid_request"),
        (5, "unknown_pipeline"),
        (6, "misordered_stages"),
    ]
    assert view["rejected"][0]["message"] == "give exactly one of url, html and text"
    assert view["rejected"][1]["message"].startswith("colour: ")
    assert [job["batch_index"] for job in jobs_of(api, view["url"])] == [0, 4]


def test_lines_are_items_too(api: Api) -> None:
    lines = [json.dumps({"url": URL}), "", '{"url": ', '  {"text": "水"}\r', '"\\ud800"', '{"\\ud800": 1}']
    view = send_lines(api, *lines, query="?name=lines&lane=urgent").json()
    assert (view["name"], view["accepted"], view["rejected_total"]) == ("lines", 2, 3)
    assert [(each["index"], each["code"]) for each in view["rejected"]] == [
        (1, "invalid_json"),
        (3, "invalid_request"),
        (4, "invalid_request"),
    ]
    assert {job["lane"] for job in jobs_of(api, view["url"])} == {"urgent"}


def test_lines_may_come_in_any_pieces(api: Api) -> None:
    body = "".join(json.dumps(item) + "\n" for item in urls(20)).encode()

    def pieces() -> Iterator[bytes]:
        return (body[at : at + 7] for at in range(0, len(body), 7))

    view = api.client.post("/v1/batches", content=pieces(), headers={"Content-Type": NDJSON}).json()
    assert (view["accepted"], view["rejected_total"]) == (20, 0)


def test_items_are_kept_chunk_by_chunk(api: Api) -> None:
    view = send(api, urls(ITEMS_PER_CHUNK + 1)).json()
    assert view["counts"]["queued"] == ITEMS_PER_CHUNK + 1
    assert api.records.log == ["open_batch", "accept_many", "accept_many", "batch"]
    assert api.broker.log == []


def test_what_items_leave_open_is_said_once(api: Api) -> None:
    items = [{"url": URL}, {"url": URL, "pipeline": "analyze", "lane": "urgent"}]
    view = send(api, items, defaults={"pipeline": "extract", "processing": "detailed"}, lane="normal").json()
    found = [(job["pipeline"], job["processing"], job["lane"]) for job in jobs_of(api, view["url"])]
    assert found == [("extract", "detailed", "normal"), ("analyze", "detailed", "urgent")]
    stages = ["fetch", "extract", "store"]
    view = send(api, [{"url": URL, "stages": stages}, {"url": URL}], defaults={"pipeline": "extract"}).json()
    assert [job["pipeline"] for job in jobs_of(api, view["url"])] == ["custom", "extract"]


def test_an_item_asks_for_all_that_a_job_does(api: Api) -> None:
    terms = {"tags": ["a", "b"], "metadata": {"k": "v"}, "delay_s": 60, "max_attempts": 2}
    items = [{"url": URL, **terms}, {"url": URL, "tags": [""]}, {"url": URL, "expires_at": "2020-01-01T00:00:00Z"}]
    view = send(api, items).json()
    assert [(each["index"], each["code"]) for each in view["rejected"]] == [
        (1, "invalid_request"),
        (2, "invalid_schedule"),
    ]
    (job,) = jobs_of(api, view["url"])
    due_at = datetime.fromisoformat(job["created_at"]) + timedelta(seconds=60)
    assert (job["tags"], job["metadata"], datetime.fromisoformat(job["not_before"])) == (["a", "b"], {"k": "v"}, due_at)
    assert api.client.get(job["url"]).json()["max_attempts"] == 2
    assert [each["id"] for each in api.client.get("/v1/jobs?tag=b").json()["items"]] == [job["id"]]


def test_an_items_moment_takes_the_place_of_the_delay_of_all(api: Api) -> None:
    moment = (api.clock.now() + timedelta(days=1)).isoformat()
    delay, at_once = {"url": URL, "delay_s": 5}, {"url": URL, "delay_s": 0}
    first = send(api, [{"url": URL, "not_before": moment}, {"url": URL}], defaults={"delay_s": 60}).json()
    second = send(api, [delay, at_once, {"url": URL}], defaults={"not_before": moment}).json()
    due = [job["not_before"] for view in (first, second) for job in jobs_of(api, view["url"])]
    in_s = [due_at and (datetime.fromisoformat(due_at) - api.clock.now()).total_seconds() for due_at in due]
    assert in_s == [86_400, 60, 5, None, 86_400]


def test_the_id_of_an_item_is_of_the_moment_of_its_job(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    now = api.clock.now

    def later() -> datetime:
        api.clock.advance(0.01)
        return now()

    monkeypatch.setattr(api.clock, "now", later)
    for job in jobs_of(api, send(api, urls(3)).json()["url"]):
        created_at = datetime.fromisoformat(job["created_at"])
        assert earliest_id(created_at) <= job["id"] <= latest_id(created_at)


def test_items_beyond_the_limit_are_rejected(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.batches.MAX_ITEMS", 5)
    view = send(api, urls(7)).json()
    assert (MAX_ITEMS, view["accepted"]) == (10_000, 5)
    assert [(each["index"], each["code"]) for each in view["rejected"]] == [
        (5, "too_many_items"),
        (6, "too_many_items"),
    ]


def test_the_first_hundred_rejections_are_shown(api: Api) -> None:
    view = send(api, [{}] * (SHOWN_REJECTIONS + 20)).json()
    assert (view["rejected_total"], len(view["rejected"])) == (SHOWN_REJECTIONS + 20, SHOWN_REJECTIONS)
    assert (view["status"], view["progress"]) == ("finished", 100)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "items"),
        ({"items": {}}, "items"),
        ({"items": [], "colour": "red"}, "colour"),
        ({"items": [], "lane": "fast"}, "lane"),
        ({"items": [], "name": "a\u0000b"}, "name"),
        ({"items": [], "defaults": {"url": URL}}, "a source is given by each item"),
        ({"items": [], "defaults": {"processing": "slow"}}, "processing"),
        ({"items": [], "defaults": {"pipeline": "extract", "stages": ["fetch"]}}, "give pipeline or stages"),
        ([], ""),
    ],
)
def test_what_makes_no_sense_is_refused_as_a_whole(api: Api, body: Any, message: str) -> None:
    answer = api.client.post("/v1/batches", json=body)
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert message in problem["detail"]
    assert api.records.log == []


@pytest.mark.parametrize(
    ("media", "body", "status", "code"),
    [
        ("application/json", b'{"items": [', 400, "invalid_json"),
        ("application/json", b'{"items": ["\xff"]}', 400, "invalid_json"),
        ("text/plain", b"{}", 415, "unsupported_media_type"),
        (NDJSON, b"x" * 60_000, 413, "body_too_large"),
    ],
)
def test_what_cannot_be_read_is_refused(api: Api, media: str, body: bytes, status: int, code: str) -> None:
    answer = api.client.post("/v1/batches", content=body, headers={"Content-Type": media})
    assert (answer.status_code, problem_of(answer)["code"]) == (status, code)
    assert api.records.log == []


def send_pieces(api: Api, pieces: list[bytes], last: dict[str, Any]) -> list[dict[str, Any]]:
    """Send lines piece by piece, as a server hands them on; returns what was answered."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/batches",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:8000"), (b"content-type", NDJSON.encode())],
    }
    messages = [*({"type": "http.request", "body": piece, "more_body": True} for piece in pieces), last]
    answer: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def reply(message: dict[str, Any]) -> None:
        answer.append(message)

    asyncio.run(api.client.app(scope, receive, reply))
    return answer


@pytest.mark.parametrize(
    ("rest", "last", "status"),
    [
        (b"x" * MAX_BODY_BYTES, {"type": "http.request", "body": b""}, 413),
        (b"", {"type": "http.disconnect"}, 400),
    ],
    ids=["too long", "gone"],
)
def test_a_body_that_breaks_off_leaves_an_incomplete_batch(
    api: Api, rest: bytes, last: dict[str, Any], status: int
) -> None:
    lines = [json.dumps(item).encode() + b"\n" for item in urls(ITEMS_PER_CHUNK + 2)]
    assert send_pieces(api, [*lines, rest], last)[0]["status"] == status
    (batch,) = api.client.get("/v1/batches").json()["items"]
    assert (batch["status"], batch["accepted"]) == ("incomplete", ITEMS_PER_CHUNK)


# sent again


def test_a_batch_sent_again_finds_itself(api: Api) -> None:
    items = [*urls(2), {}]
    first = send(api, items, KEY)
    again = send(api, items, KEY)
    assert (again.status_code, again.json(), again.headers["idempotency-replayed"]) == (202, first.json(), "true")
    assert "idempotency-replayed" not in first.headers
    assert len(api.client.get("/v1/batches").json()["items"]) == 1
    assert send(api, items).json()["id"] != first.json()["id"]


@pytest.mark.parametrize(
    ("items", "about"),
    [
        (urls(3), {}),
        (urls(1), {}),
        (urls(2, first=1), {}),
        ([], {}),
        (urls(2), {"lane": "urgent"}),
        (urls(2), {"name": "x"}),
    ],
)
def test_another_batch_with_the_same_key_is_refused(api: Api, items: list[Any], about: dict[str, Any]) -> None:
    send(api, urls(2), KEY)
    answer = send(api, items, KEY, **about)
    assert (answer.status_code, problem_of(answer)["code"]) == (422, "idempotency_key_reused")
    assert [batch["accepted"] for batch in api.client.get("/v1/batches").json()["items"]] == [2]


def test_a_key_of_a_job_is_none_for_a_batch(api: Api) -> None:
    api.client.post("/v1/jobs", json={"url": URL}, headers=KEY)
    assert problem_of(send(api, urls(1), KEY))["code"] == "idempotency_key_reused"


def cut_off(api: Api, items: list[Any]) -> str:
    """Send a batch whose second chunk cannot be recorded; returns its URL."""
    accept_many = api.records.inner.accept_many

    def once(*args: Any) -> Any:
        refused = accept_many(*args)
        api.records.broken["accept_many"] = RecordsUnavailable("away")
        return refused

    api.records.inner.accept_many = once
    answer = send(api, items, KEY)
    assert (answer.status_code, problem_of(answer)["code"]) == (503, "service_unavailable")
    api.records.broken.clear()
    api.records.inner.accept_many = accept_many
    return str(api.client.get("/v1/batches").json()["items"][0]["url"])


def test_a_batch_that_was_cut_off_goes_on_where_it_was(api: Api) -> None:
    items = urls(2 * ITEMS_PER_CHUNK + 3)
    url = cut_off(api, items)
    view = api.client.get(url).json()
    assert (view["status"], view["accepted"], view["received_at"]) == ("incomplete", ITEMS_PER_CHUNK, None)
    assert turn(api) > 0
    again = send(api, items, KEY)
    assert (again.status_code, again.json()["url"], again.json()["accepted"]) == (202, url, len(items))
    assert (again.json()["status"], "idempotency-replayed" in again.headers) == ("running", False)
    indexes = [job.batch_index for job in api.records.inner.jobs("default", JobFilter(), before=None, limit=5000).items]
    assert sorted(indexes) == list(range(len(items)))


def test_other_items_do_not_go_on_with_it(api: Api) -> None:
    url = cut_off(api, urls(ITEMS_PER_CHUNK + 1))
    for other in (urls(ITEMS_PER_CHUNK + 1, first=1), urls(5)):
        assert problem_of(send(api, other, KEY))["code"] == "idempotency_key_reused"
    assert api.client.get(url).json()["accepted"] == ITEMS_PER_CHUNK


def test_a_batch_that_is_still_received_cannot_be_sent_again(api: Api) -> None:
    cut_off(api, items := urls(ITEMS_PER_CHUNK + 1))
    (batch,) = api.records.inner.batches("default", before=None, limit=9).items
    api.records.inner._change(batch.id, heard_at=api.clock.now())  # As if its process had died.
    answer = send(api, items, KEY)
    assert (answer.status_code, problem_of(answer)["code"]) == (409, "batch_receiving")
    assert answer.headers["retry-after"]
    assert api.client.get(f"/v1/batches/{batch.id}").json()["status"] == "receiving"
    api.clock.advance(SILENCE.total_seconds())
    assert send(api, items, KEY).status_code == 202


def test_a_cancelled_batch_does_not_go_on(api: Api) -> None:
    url = cut_off(api, items := urls(ITEMS_PER_CHUNK + 1))
    api.client.delete(url)
    answer = send(api, items, KEY)
    assert (answer.status_code, problem_of(answer)["code"]) == (409, "batch_cancelled")


# following, cancelling, running again


def test_jobs_are_launched_by_the_keeper(api: Api) -> None:
    url = send(api, urls(3)).json()["url"]
    assert api.broker.all_waiting() == []
    assert turn(api) == 3
    jobs = jobs_of(api, url)
    messages = sorted(message.id for message in api.broker.all_waiting())
    assert messages == [f"{job['id']}:1:fetch:0:1" for job in jobs]
    assert [(event.kind, event.topic.batch_id) for event in api.announcer.told] == [
        ("job.queued", url.rpartition("/")[2])
    ] * 3
    api.finish(jobs[0]["id"], *STAGES)
    api.fail(jobs[1]["id"])
    view = api.client.get(url).json()
    assert (view["status"], view["progress"]) == ("running", 66)
    assert {state: count for state, count in view["counts"].items() if count} == {
        "succeeded": 1,
        "failed": 1,
        "queued": 1,
    }
    for query, found in (("status=failed", [1]), ("status=failed&status=succeeded", [1, 0])):
        listed = api.client.get(f"{url}/jobs?{query}").json()["items"]
        assert [job["id"] for job in listed] == [jobs[index]["id"] for index in found]


def test_jobs_of_a_batch_are_found_among_all(api: Api) -> None:
    view = send(api, urls(3)).json()
    job_id = api.submit()
    turn(api)
    first, second, _ = jobs_of(api, view["url"])
    for failed in (first["id"], second["id"], job_id):
        api.fail(failed)
    api.client.delete(f"/v1/dead-letters/{second['id']}")
    of_batch = f"batch_id={view['id'].upper()}"
    for path, found in {"jobs": [second, first], "dead-letters": [first]}.items():
        items = api.client.get(f"/v1/{path}?{of_batch}&code=dns_failure").json()["items"]
        assert [item.get("id", item.get("job_id")) for item in items] == [job["id"] for job in found]
    bulk = {"action": "retry", "filter": {"batch_id": view["id"]}, "preview": True}
    assert api.client.post("/v1/jobs/bulk-actions", json=bulk).json()["count"] == 1
    assert problem_of(api.client.get("/v1/jobs?batch_id=x"))["errors"][0]["field"] == "batch_id"


def test_jobs_of_a_batch_come_in_pages(api: Api) -> None:
    url = send(api, urls(3)).json()["url"]
    first = api.client.get(f"{url}/jobs?limit=2").json()
    second = api.client.get(first["next"]).json()
    assert [job["batch_index"] for job in (*first["items"], *second["items"])] == [2, 1, 0]
    assert second["next"] is None


def test_batches_are_listed_the_newest_first(api: Api) -> None:
    views = []
    for number in range(3):
        api.clock.advance(1)
        views.append(send(api, urls(number)).json())
    for view in views:
        del view["rejected"], view["sources"]
    page = api.client.get("/v1/batches?limit=2").json()
    assert page["items"] == [views[2], views[1]]
    assert api.client.get(page["next"]).json() == {"items": [views[0]], "next": None}


def test_cancelling_ends_what_waits_at_once_and_the_rest_soon(api: Api) -> None:
    url = send(api, urls(3)).json()["url"]
    turn(api)
    done, running, _ = jobs_of(api, url)
    api.finish(done["id"], *STAGES)
    api.start(running["id"], "fetch")
    view = api.client.delete(url).json()
    assert (view["status"], view["counts"]["cancelled"]) == ("cancelling", 0)
    assert [turn(api), turn(api), turn(api)] == [2, 0, 0]
    view = api.client.delete(url).json()
    assert (view["status"], view["counts"]["cancelled"], view["counts"]["succeeded"]) == ("cancelled", 2, 1)
    url = send(api, urls(2)).json()["url"]
    assert api.client.delete(url).json()["counts"]["cancelled"] == 2


def test_all_that_failed_can_be_continued(api: Api) -> None:
    url = send(api, urls(3)).json()["url"]
    (other,) = jobs_of(api, send(api, urls(1)).json()["url"])
    turn(api)
    first, discarded, _ = jobs_of(api, url)
    for job in (first, discarded, other):
        api.fail(job["id"])
    api.client.delete(f"/v1/dead-letters/{discarded['id']}")
    answer = api.client.post(f"{url}/retry-failed")
    assert (answer.status_code, answer.json()["action"], answer.json()["total"]) == (202, "retry", 1)
    assert answer.headers["location"] == answer.json()["url"]
    BulkWork(api.wiring.records, api.wiring.app, api.clock, api.wiring.reruns).turn()
    assert [job["run"] for job in jobs_of(api, url)] == [2, 1, 1]


@pytest.mark.parametrize("batch_id", [UNKNOWN, "nope"])
def test_a_batch_that_is_not_there_is_not_found(api: Api, batch_id: str) -> None:
    url = f"/v1/batches/{batch_id}"
    reading = [api.client.get(f"{url}{part}") for part in ("", "/jobs", "/results", "/events")]
    for answer in (*reading, api.client.delete(url), api.client.post(f"{url}/retry-failed")):
        assert (answer.status_code, problem_of(answer)["code"]) == (404, "batch_not_found")


# results


def ended_batch(api: Api) -> tuple[str, list[str]]:
    """A batch of which one job succeeded, one failed, one lost its result and one runs."""
    url = send(api, urls(4)).json()["url"]
    turn(api)
    ids = [job["id"] for job in jobs_of(api, url)]
    api.finish(ids[0], *STAGES)
    api.fail(ids[1])
    api.finish(ids[2], *STAGES)
    lost = api.records.inner.job("default", ids[2]).result
    del api.payloads.inner.objects[lost.key]
    return url, ids


def test_results_come_as_lines_in_the_order_of_the_items(api: Api) -> None:
    url, ids = ended_batch(api)
    answer = api.client.get(f"{url}/results")
    assert answer.headers["content-type"] == NDJSON
    assert answer.headers["content-disposition"] == f'attachment; filename="batch-{url.rpartition("/")[2]}.ndjson"'
    assert answer.headers["content-security-policy"] == "sandbox"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [(line["index"], line["job_id"], line["status"]) for line in lines] == [
        (0, ids[0], "succeeded"),
        (1, ids[1], "failed"),
        (2, ids[2], "succeeded"),
    ]
    assert lines[0]["result"] == api.client.get(f"/v1/jobs/{ids[0]}/result").json()
    assert [line["error"] and line["error"]["code"] for line in lines] == [None, "dns_failure", "payload_missing"]
    assert [line["result"] is None for line in lines] == [False, True, True]


def test_results_come_as_an_archive_too(api: Api) -> None:
    url, ids = ended_batch(api)
    answer = api.client.get(f"{url}/results", headers={"Accept": "application/zip"})
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="batch-{url.rpartition("/")[2]}.zip"'
    assert answer.headers["content-security-policy"] == "sandbox"
    with ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            f"00000-{ids[0]}.json",
            f"00001-{ids[1]}.error.json",
            f"00002-{ids[2]}.error.json",
        ]
        assert json.loads(archive.read(archive.namelist()[0]))["job_id"] == ids[0]
        assert json.loads(archive.read(archive.namelist()[1]))["error"]["code"] == "dns_failure"


@pytest.mark.parametrize(
    ("accept", "status", "media"),
    [
        ("*/*", 200, NDJSON),
        ("application/zip;q=0.5, application/x-ndjson", 200, NDJSON),
        ("application/zip;q=0", 406, "application/problem+json"),
        ("text/html", 406, "application/problem+json"),
    ],
)
def test_results_come_in_the_form_that_is_liked_best(api: Api, accept: str, status: int, media: str) -> None:
    url = send(api, urls(1)).json()["url"]
    answer = api.client.get(f"{url}/results", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (status, media)


def test_results_are_read_a_few_at_a_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.batch_results.JOBS_AT_ONCE", 2)
    url, _ = ended_batch(api)
    api.records.log.clear()
    assert len(api.client.get(f"{url}/results").text.splitlines()) == 3
    assert api.records.log == ["batch", "batch_results", "batch_results", "batch_results"]


def test_the_stream_of_a_batch_that_is_over_ends_with_its_progress(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.batch_events.LAST_WITHIN_S", 0.01)
    url = send(api, [{}]).json()["url"]
    told = api.client.get(f"{url}/events").text
    assert told.count("event: batch.progress") == 1
    assert '"status":"finished"' in told
