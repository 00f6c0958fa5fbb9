"""Copies of pages through the whole stack: real workers, a host on loopback, and how often it is asked."""

import json
from datetime import UTC, datetime
from typing import Any

from tests.support.articles import ARTICLE
from tests.support.hosts import OrderedOrigin
from tests.support.origin import Reply
from tests.support.stack import LiveStack, outcomes, stage_of
from tests.support.waiting import until

NDJSON = "application/x-ndjson"
PAGE = Reply(body=ARTICLE)


def source_of(stack: LiveStack, **job: Any) -> dict[str, Any]:
    """Where the document of a new job came from."""
    job_id = stack.submit(pipeline="extract", **job)
    view = stack.wait(job_id)
    assert view["status"] == "succeeded", view["error"]
    source: dict[str, Any] = stack.client.get(f"/v1/jobs/{job_id}/result").json()["source"]
    return source


def uses(stack: LiveStack, number: int, **job: Any) -> list[str]:
    return [source_of(stack, **job)["cache"] for _ in range(number)]


def batch_of(stack: LiveStack, items: list[dict[str, Any]]) -> dict[str, Any]:
    """A batch that has ended."""
    body = "".join(json.dumps({"pipeline": "extract", **item}) + "\n" for item in items)
    accepted = stack.client.post("/v1/batches", content=body, headers={"Content-Type": NDJSON}).json()

    def probe() -> dict[str, Any] | None:
        view: dict[str, Any] = stack.client.get(accepted["url"]).json()
        return view if view["status"] == "finished" else None

    return until(probe, within_s=90, what="the end of the batch")


def results_of(stack: LiveStack, batch: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stack.client.get(f"{batch['url']}/results").text.splitlines()]


def test_a_batch_asks_a_host_for_the_same_page_once(stack: LiveStack, origin: OrderedOrigin) -> None:
    """The answer is slow, so that many jobs come while the first one waits for it, and is stale at once."""
    url = origin.on("/same", Reply(body=ARTICLE, delay_s=1.0, headers={"Cache-Control": "max-age=0"}))
    batch = batch_of(stack, [{"url": url}] * 25)
    assert batch["counts"]["succeeded"] == 25, batch
    assert origin.hits("/same") == 1
    documents = [line["result"] for line in results_of(stack, batch)]
    assert sorted(each["source"]["cache"] for each in documents) == ["hit"] * 24 + ["miss"]
    assert len({each["text"] for each in documents}) == 1
    again = batch_of(stack, [{"url": url}] * 3)
    assert (again["counts"]["succeeded"], origin.hits("/same")) == (3, 2)


def test_jobs_of_a_batch_that_wait_spend_no_attempt(stack: LiveStack, origin: OrderedOrigin) -> None:
    url = origin.on("/slow", Reply(body=ARTICLE, delay_s=1.5))
    batch = batch_of(stack, [{"url": url}] * 4)
    ids = [job["id"] for job in stack.client.get(f"{batch['url']}/jobs").json()["items"]]
    fetches = [stage_of(stack.job(job_id), "fetch") for job_id in ids]
    assert [fetch["attempts"] for fetch in fetches] == [1] * 4
    waited = [fetch for fetch in fetches if len(outcomes(fetch)) > 1]
    assert waited
    assert all(fetch["timeline"][0]["error"]["code"] == "page_awaited" for fetch in waited)


def test_pages_that_may_not_be_kept_are_fetched_for_each_job(stack: LiveStack, origin: OrderedOrigin) -> None:
    url = origin.on("/secret", Reply(body=ARTICLE, headers={"Cache-Control": "no-store"}))
    assert batch_of(stack, [{"url": url}] * 5)["counts"]["succeeded"] == 5
    assert origin.hits("/secret") == 5


def test_an_age_says_whether_the_host_is_asked_again(stack: LiveStack, origin: OrderedOrigin) -> None:
    url = origin.on("/page", PAGE)
    assert uses(stack, 2, url=url, max_age_s=600) == ["miss", "hit"]
    assert uses(stack, 1, url=url) == ["miss"]
    assert uses(stack, 1, url=url, max_age_s=0) == ["miss"]
    assert origin.hits("/page") == 3


def test_a_fresh_copy_is_used_until_it_expires(stack: LiveStack, origin: OrderedOrigin) -> None:
    url = origin.on("/brief", Reply(body=ARTICLE, headers={"Cache-Control": "max-age=3"}))
    first = source_of(stack, url=url)
    assert uses(stack, 1, url=url) == ["hit"]
    received_at = datetime.fromisoformat(first["fetched_at"])
    until(lambda: (datetime.now(UTC) - received_at).total_seconds() > 3 or None, within_s=10, what="its end")
    assert uses(stack, 1, url=url) == ["miss"]
    assert origin.hits("/brief") == 2


def test_a_host_confirms_a_copy(stack: LiveStack, origin: OrderedOrigin) -> None:
    tagged, same = {"ETag": '"v1"'}, {"ETag": '"v1"'}
    url = origin.on("/tagged", Reply(body=ARTICLE, headers=tagged), Reply(304, body="", headers=same))
    first = source_of(stack, url=url)
    second = source_of(stack, url=url)
    assert (first["cache"], second["cache"]) == ("miss", "revalidated")
    assert second["fetched_at"] > first["fetched_at"]
    assert origin.requests("/tagged")[1].headers["if-none-match"] == '"v1"'


def test_erasing_the_job_that_fetched_a_page_leaves_the_copy(stack: LiveStack, origin: OrderedOrigin) -> None:
    url = origin.on("/kept", PAGE)
    job_id = stack.submit(url=url, pipeline="extract", max_age_s=600)
    stack.wait(job_id)
    assert stack.client.delete(f"/v1/jobs/{job_id}", params={"purge": "true"}).status_code in {200, 204}
    assert stack.payload_files(job_id) == []
    assert uses(stack, 1, url=url, max_age_s=600) == ["hit"]
    assert origin.hits("/kept") == 1
