"""Batches whose results are summarized together in the end."""

from typing import Any

import pytest

from orchestration import digests
from orchestration.digests import Draft, section_of
from tests.support.api import Api

URL = "https://example.org/"
STAGES = ("fetch", "extract", "summarize", "store")


def send(api: Api, number: int = 2, **about: Any) -> dict[str, Any]:
    items = [{"url": f"{URL}{n}"} for n in range(number)]
    answer = api.client.post("/v1/batches", json={"items": items, "digest": True, **about})
    assert answer.status_code == 202, answer.text
    view: dict[str, Any] = answer.json()
    api.keep()
    return view


def read(api: Api, view: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = api.client.get(view["url"]).json()
    return found


def jobs_of(api: Api, view: dict[str, Any]) -> list[str]:
    found = api.client.get(f"{view['url']}/jobs").json()["items"]
    return [job["id"] for job in sorted(found, key=lambda job: job["batch_index"])]


def text_of(api: Api, job_id: str) -> str:
    job = api.records.job("default", job_id)
    content: bytes = api.payloads.get(job.source.body)
    return content.decode()


def test_one_job_summarizes_all_results_when_the_last_one_is_there(api: Api) -> None:
    view = send(api, name="Locks", defaults={"processing": "detailed", "tags": ["a"]}, lane="normal")
    assert view["digest"] == {"job_id": None, "status": None, "result_url": None, "problem": None}
    first, second = jobs_of(api, view)
    api.finish(second, *STAGES)
    api.keep()
    assert read(api, view)["digest"]["job_id"] is None
    api.finish(first, *STAGES)
    waiting = read(api, view)
    assert (waiting["status"], waiting["progress"]) == ("running", 100)
    for _ in range(3):
        api.keep()
    made = read(api, view)
    assert (made["digest"]["status"], made["status"], made["accepted"]) == ("queued", "running", 2)
    job_id = made["digest"]["job_id"]
    job = api.client.get(f"/v1/jobs/{job_id}").json()
    assert (job["pipeline"], job["lane"], job["processing"], job["tags"]) == ("summarize", "normal", "detailed", ["a"])
    assert job["batch_id"] is None
    assert text_of(api, job_id) == (
        "# Locks\n\n## Ünïcödé\n\n<https://example.org/>\n\nText.\n\n## Ünïcödé\n\n<https://example.org/>\n\nText.\n"
    )
    api.finish(job_id, *STAGES)
    done = read(api, view)
    assert (done["status"], done["digest"]["result_url"]) == ("finished", f"/v1/jobs/{job_id}/result")
    assert len(api.client.get("/v1/jobs").json()["items"]) == 3


def test_what_failed_is_left_out_and_where_all_did_there_is_none(api: Api) -> None:
    view = send(api)
    first, second = jobs_of(api, view)
    api.fail(first)
    api.finish(second, *STAGES)
    api.keep()
    assert text_of(api, read(api, view)["digest"]["job_id"]).count("## ") == 1
    other = send(api, 1)
    api.fail(*jobs_of(api, other))
    api.keep()
    failed = read(api, other)
    assert (failed["status"], failed["digest"]["problem"]["code"]) == ("finished", "nothing_to_digest")


def test_a_large_batch_is_read_over_several_turns(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    view = send(api, 5)
    for job_id in jobs_of(api, view):
        api.finish(job_id, *STAGES)
    monkeypatch.setattr(digests, "JOBS_AT_ONCE", 1)
    work = digests.DigestWork(api.records, api.wiring.desk)
    batch_results = api.records.inner.batch_results
    monkeypatch.setattr(
        api.records.inner,
        "batch_results",
        lambda *args, **named: (api.clock.advance(0.6), batch_results(*args, **named))[1],
    )
    turns = [work.turn() for _ in range(5)]
    assert (sum(turns), turns[0]) == (1, 0)
    assert text_of(api, read(api, view)["digest"]["job_id"]).count("## ") == 5


def test_what_is_too_much_is_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "MAX_BYTES", 10)
    draft = Draft()
    for section in ("## a\n", "## long\n", "b\n"):
        draft.add(section)
    assert draft.text(None) == "# Results\n\n## a\n\n2 more are left out.\n"


def test_a_title_cannot_be_more_than_a_line(api: Api) -> None:
    document = api.finish(api.submit(), *STAGES)
    named = document.metadata.model_copy(update={"title": "One\n# Two"})
    assert section_of(document.model_copy(update={"metadata": named})).startswith("## One # Two\n")


def test_cancelling_keeps_it_from_being_made(api: Api) -> None:
    view = send(api)
    api.client.delete(view["url"])
    while api.keep():
        pass
    cancelled = read(api, view)
    assert (cancelled["status"], cancelled["digest"]["job_id"]) == ("cancelled", None)


def test_lines_may_ask_for_it_too(api: Api) -> None:
    sent = api.client.post(
        "/v1/batches?digest=true", content=b'{"text": "x"}\n', headers={"Content-Type": "application/x-ndjson"}
    )
    assert sent.json()["digest"]["problem"] is None


def test_options_that_are_not_on_offer_are_refused_at_once(api: Api) -> None:
    asked = {"items": [{"text": "x", "language": None}], "digest": True, "defaults": {"language": "de"}}
    answer = api.client.post("/v1/batches", json=asked)
    assert (answer.status_code, answer.json()["code"]) == (422, "no_language_model")


def test_a_schedule_may_ask_for_it(api: Api) -> None:
    batch = {"items": [{"text": "x"}], "digest": True, "defaults": {"processing": "detailed"}}
    made = api.client.post("/v1/schedules", json={"name": "daily", "cron": "0 7 * * *", "batch": batch})
    assert made.status_code == 201, made.text
    firing = api.client.post(f"{made.json()['url']}/run").json()
    assert api.client.get(f"/v1/batches/{firing['batch_id']}").json()["digest"]["problem"] is None
    kept = api.records.batch("default", firing["batch_id"])
    assert kept.digest_order["processing"] == "detailed"
