"""A batch through the whole stack: some items make no sense, the rest is launched, followed, cancelled, delivered."""

import gzip
import io
import json
import os
import signal
from datetime import datetime
from typing import Any
from zipfile import ZipFile

import pytest

from orchestration.embedded.datadir import DataDir
from tests.support.articles import ARTICLE
from tests.support.hosts import OrderedOrigin
from tests.support.origin import Reply
from tests.support.sse import listen
from tests.support.stack import LiveStack, Narrow
from tests.support.waiting import until

NDJSON = "application/x-ndjson"
SOON_S = 4.0
"""The keeper launches what is due once a second."""
TEXT = "A lock lifts boats between two levels of water. The chamber fills through sluices in the upper gate. "


def send(stack: LiveStack, items: list[dict[str, Any]], **params: str) -> Any:
    body = "".join(json.dumps(item) + "\n" for item in items)
    answer = stack.client.post("/v1/batches", content=body, params=params, headers={"Content-Type": NDJSON})
    assert answer.status_code == 202, answer.text
    return answer.json()


def late_by_s(job: dict[str, Any]) -> float:
    due_at, started_at = (datetime.fromisoformat(job[name]) for name in ("not_before", "started_at"))
    return (started_at - due_at).total_seconds()


def ended(stack: LiveStack, url: str, status: str) -> dict[str, Any]:
    """The batch, once it has this status."""

    def probe() -> dict[str, Any] | None:
        view: dict[str, Any] = stack.client.get(url).json()
        return view if view["status"] == status else None

    return until(probe, within_s=90, what=f"{url} to be {status}")


def results_of(stack: LiveStack, view: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stack.client.get(f"{view['url']}/results").text.splitlines()]


def test_a_few_items_are_done_each_when_it_is_due(stack: LiveStack, origin: OrderedOrigin) -> None:
    page, gone = origin.on("/page", Reply(body=ARTICLE)), origin.on("/gone", Reply(404))
    items = [{"url": page, "delay_s": 2}, {"nonsense": 1}, {"url": gone}, {"html": ARTICLE, "tags": ["few"]}]
    accepted = send(stack, [{"pipeline": "extract", **item} for item in items])
    assert (accepted["accepted"], [each["index"] for each in accepted["rejected"]]) == (3, [1])
    heard = list(listen(stack.client, f"{accepted['url']}/events"))
    assert (heard[-1].event, heard[-1].data["status"]) == ("batch.progress", "finished")
    assert [line["status"] for line in results_of(stack, accepted)] == ["succeeded", "failed", "succeeded"]
    assert origin.order[-1] == "/page"
    by_index = {job["batch_index"]: job for job in stack.client.get(f"{accepted['url']}/jobs").json()["items"]}
    assert 0 <= late_by_s(by_index[0]) < SOON_S
    (tagged,) = stack.client.get("/v1/jobs", params={"tag": "few", "batch_id": accepted["id"]}).json()["items"]
    assert tagged == by_index[3]


@pytest.mark.full
@pytest.mark.timeout(240)
def test_three_hundred_items_are_done_and_delivered_but_for_the_invalid_ones(
    stack: LiveStack, origin: OrderedOrigin
) -> None:
    page = origin.on("/page", Reply(body=ARTICLE))
    gone = origin.on("/gone", Reply(404))
    good: dict[str, Any] = {"url": page, "pipeline": "extract"}
    items = [{"nonsense": n} if n % 10 == 3 else {**good, "url": gone} if n % 10 == 7 else good for n in range(300)]
    accepted = send(stack, items, name="three hundred")
    assert (accepted["accepted"], accepted["rejected_total"]) == (270, 30)
    assert [each["index"] for each in accepted["rejected"]] == list(range(3, 300, 10))

    heard = list(listen(stack.client, f"{accepted['url']}/events"))
    assert (heard[-1].event, heard[-1].data["status"], heard[-1].data["progress"]) == (
        "batch.progress",
        "finished",
        100,
    )
    assert {one.data["batch_id"] for one in heard if one.event.startswith("job.")} == {accepted["id"]}
    view = stack.client.get(accepted["url"]).json()
    assert {state: count for state, count in view["counts"].items() if count} == {"succeeded": 240, "failed": 30}

    lines = results_of(stack, view)
    assert [line["index"] for line in lines] == [n for n in range(300) if n % 10 != 3]
    assert {line["error"]["code"] for line in lines if line["error"]} == {"http_not_found"}
    assert all(line["result"]["text"] for line in lines if line["index"] % 10 != 7)
    archive = stack.client.get(f"{view['url']}/results", headers={"Accept": "application/zip"})
    with ZipFile(io.BytesIO(archive.content)) as opened:
        assert (len(opened.namelist()), opened.testzip()) == (270, None)


@pytest.mark.full
@pytest.mark.timeout(240)
def test_a_batch_is_cancelled_and_leaves_room_for_others(narrow: Narrow) -> None:
    stack = narrow.stack
    url = send(stack, [{"text": TEXT * 3, "pipeline": "extract"} for _ in range(300)])["url"]
    urgent = stack.submit(text=TEXT, pipeline="extract", lane="urgent")
    assert stack.wait(urgent)["status"] in {"succeeded", "failed"}
    assert stack.client.get(url).json()["progress"] < 100
    stack.client.delete(url)
    view = ended(stack, url, "cancelled")
    assert view["counts"]["cancelled"] > 0
    assert sum(view["counts"].values()) == 300
    assert (view["counts"]["queued"], view["counts"]["running"]) == (0, 0)


NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def sitemap(origin: OrderedOrigin, path: str, *pages: str) -> str:
    body = "".join(f"<url><loc>{page}</loc></url>" for page in pages)
    return origin.on(path, Reply(body=f"<urlset {NAMESPACE}>{body}</urlset>", content_type="application/xml"))


def index(origin: OrderedOrigin, *sitemaps: str) -> str:
    body = "".join(f"<sitemap><loc>{each}</loc></sitemap>" for each in sitemaps)
    text = f'<!DOCTYPE sitemapindex [<!ENTITY a "x">]><sitemapindex {NAMESPACE}>{body}</sitemapindex>'
    return origin.on("/index.xml", Reply(raw=gzip.compress(text.encode()), content_type="application/gzip"))


def send_source(stack: LiveStack, url: str) -> Any:
    body = {"source": {"url": url, "limit": 1000}, "defaults": {"pipeline": "extract"}}
    answer = stack.client.post("/v1/batches", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_the_pages_of_two_sitemaps_are_done(stack: LiveStack, origin: OrderedOrigin) -> None:
    pages = [origin.on(f"/page-{n}", Reply(body=ARTICLE)) for n in range(4)]
    first, second = sitemap(origin, "/1.xml", *pages[:3]), sitemap(origin, "/2.xml", *pages[2:])
    accepted = send_source(stack, index(origin, first, second, origin.on("/gone.xml", Reply(404))))
    heard = list(listen(stack.client, f"{accepted['url']}/events"))
    assert (heard[-1].event, heard[-1].data["status"]) == ("batch.progress", "finished")
    view = stack.client.get(accepted["url"]).json()
    assert (view["accepted"], view["counts"]["succeeded"]) == (4, 4), view["sources"]
    assert sorted(line["source_url"] for line in results_of(stack, view)) == pages
    by_path = {source["url"].rpartition("/")[2]: source for source in view["sources"]}
    assert [by_path[name]["status"] for name in ("index.xml", "1.xml", "2.xml")] == ["taken"] * 3
    assert (by_path["gone.xml"]["status"], by_path["gone.xml"]["problem"]["code"]) == ("failed", "http_not_found")
    assert sum(source["items"] for source in view["sources"]) == 4


@pytest.mark.full
@pytest.mark.timeout(240)
def test_a_keeper_that_dies_while_a_batch_expands_takes_nothing_twice(narrow: Narrow, origin: OrderedOrigin) -> None:
    stack = narrow.stack
    page = origin.on("/page", Reply(body=ARTICLE))
    lists = [sitemap(origin, f"/{n}.xml", *(f"{page}?{n}-{each}" for each in range(60))) for n in range(10)]
    accepted = send_source(stack, index(origin, *lists))
    seen = 0

    def some_are_taken() -> bool:
        view = stack.client.get(accepted["url"]).json()
        return bool(view["status"] == "expanding" and view["accepted"] > seen)

    for few in (0, 100):
        seen = few
        until(some_are_taken, within_s=60, what="items to come")
        note = DataDir(stack.data_dir).running()
        assert note is not None
        os.kill(note.pids["keeper"], signal.SIGKILL)

    def is_taken() -> Any:
        view = stack.client.get(accepted["url"]).json()
        return view if view["status"] != "expanding" else None

    view = until(is_taken, within_s=120, what="all lists to be taken")
    stack.client.delete(accepted["url"])
    assert (view["accepted"], [source["items"] for source in view["sources"]]) == (600, [0, *[60] * 10])


def test_the_results_of_a_batch_are_summarized_together(stack: LiveStack) -> None:
    items = [{"html": ARTICLE}, {"text": TEXT * 3}]
    sent = stack.client.post("/v1/batches", json={"items": items, "digest": True, "name": "Locks"}).json()
    view = ended(stack, sent["url"], "finished")
    assert (view["counts"]["succeeded"], view["digest"]["status"]) == (2, "succeeded")
    document = stack.client.get(view["digest"]["result_url"]).json()
    assert document["metadata"]["title"] == "Locks"
    assert len(document["sections"]) >= 2
    assert document["summary"]["text"]
