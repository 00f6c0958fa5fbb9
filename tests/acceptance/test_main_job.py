"""A page goes in, its text and summary come out: every pipeline, every kind of source."""

import hashlib
import re
import sys
from typing import Any

import pytest

from tests.support.articles import ARTICLE, TEXT
from tests.support.hosts import OrderedOrigin
from tests.support.origin import Reply
from tests.support.stack import LiveStack, outcomes

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def finished(stack: LiveStack, **body: object) -> dict[str, Any]:
    """The document of a job that has to succeed."""
    view = stack.wait(stack.submit(**body))
    assert view["status"] == "succeeded", view["error"]
    return stack.result(view["id"])


def test_a_submitted_url_becomes_a_document_with_text_summary_and_provenance(
    stack: LiveStack, origin: OrderedOrigin
) -> None:
    url = origin.on("/article.html", Reply(body=ARTICLE))
    view = stack.wait(stack.submit(url=url))
    document = stack.result(view["id"])

    assert view["status"] == "succeeded"
    assert (view["progress"], view["stage"], view["error"]) == (100, None, None)
    assert [stage["name"] for stage in view["stages"]] == ["fetch", "extract", "summarize", "store"]
    assert all(outcomes(stage) == ["succeeded"] for stage in view["stages"])
    assert view["result_url"] == f"/v1/jobs/{view['id']}/result"

    assert document["source"]["url"] == document["source"]["final_url"] == url
    assert document["metadata"]["title"] == "The lock keeper of Marlow"
    assert document["metadata"]["byline"] == "Ada Finch"
    assert document["metadata"]["published"].startswith("2026-02-03")
    assert document["metadata"]["language"] == "en"
    assert document["metadata"]["word_count"] == len(re.findall(r"[\w-]*\w", document["text"]))
    assert "opened the sluice" in document["text"]
    assert "Subscribe to our newsletter" not in document["text"]
    assert "## The flood" in document["markdown"]
    assert "- a rope" in document["markdown"]

    summary = document["summary"]
    assert summary["method"] == "extractive"
    assert summary["processing"] == "quick"
    assert 1 <= summary["text"].count(".") <= 5
    assert len(summary["text"]) < len(document["text"]) / 2


def test_the_provenance_of_a_document_matches_what_is_stored(stack: LiveStack, origin: OrderedOrigin) -> None:
    document = finished(stack, url=origin.on("/article.html", Reply(body=ARTICLE)))
    files = {path.name: path for path in stack.payload_files(document["job_id"])}

    assert [step["stage"] for step in document["provenance"]] == ["fetch", "extract", "summarize"]
    for step in document["provenance"]:
        stored = zstd.decompress(files[f"{step['stage']}.0-{step['sha256']}"].read_bytes())
        assert hashlib.sha256(stored).hexdigest() == step["sha256"]
        assert len(stored) == step["size"]
        assert step["attempts"] == 1
        assert step["started_at"] <= step["finished_at"]


def test_the_result_is_stored_as_it_is_served(stack: LiveStack) -> None:
    job_id = stack.submit(text=TEXT)
    stack.wait(job_id)
    served = stack.client.get(f"/v1/jobs/{job_id}/result").content
    [stored] = [path for path in stack.payload_files(job_id) if path.name.startswith("store.0-")]
    assert zstd.decompress(stored.read_bytes()) == served


@pytest.mark.parametrize("kind", ["html", "text"])
def test_content_can_be_submitted_instead_of_a_url(stack: LiveStack, kind: str) -> None:
    document = finished(stack, **{kind: {"html": ARTICLE, "text": TEXT}[kind]})
    assert "opened the sluice" in document["text"]
    assert document["source"]["url"] is None
    assert document["summary"]["method"] == "extractive"


def test_detailed_processing_adds_key_points_and_sections(stack: LiveStack) -> None:
    summary = finished(stack, html=ARTICLE, processing="detailed")["summary"]
    assert summary["processing"] == "detailed"
    assert summary["key_points"]
    assert "The flood" in [section["heading"] for section in summary["sections"]]
    assert all(section["text"] for section in summary["sections"])


def test_the_analyze_pipeline_says_what_a_page_is_about(stack: LiveStack) -> None:
    document = finished(stack, html=ARTICLE, pipeline="analyze")
    analysis = document["analysis"]
    assert document["summary"] is None
    assert [step["stage"] for step in document["provenance"]] == ["fetch", "extract", "analyze"]
    assert analysis["method"] == "extractive"
    assert analysis["topics"]
    assert analysis["key_facts"]
    assert "Marlow" in " ".join(entity["name"] for entity in analysis["entities"])
    assert analysis["sentiment"]["label"] in {"positive", "neutral", "negative"}
    assert analysis["reading_time_s"] > 0


def test_the_extract_pipeline_stops_at_the_text(stack: LiveStack) -> None:
    document = finished(stack, html=ARTICLE, pipeline="extract")
    assert "opened the sluice" in document["text"]
    assert document["summary"] is None
    assert document["analysis"] is None
    assert [step["stage"] for step in document["provenance"]] == ["fetch", "extract"]


def test_a_job_may_name_its_own_stages(stack: LiveStack) -> None:
    job_id = stack.submit(html=ARTICLE, stages=["fetch", "extract", "store"])
    view = stack.wait(job_id)
    assert view["status"] == "succeeded"
    assert view["pipeline"] == "custom"
    assert [stage["name"] for stage in view["stages"]] == ["fetch", "extract", "store"]


@pytest.mark.parametrize(
    ("stages", "code"),
    [
        (["fetch", "summarize", "store"], "misordered_stages"),
        (["extract", "store"], "misordered_stages"),
        (["fetch", "extract"], "misordered_stages"),
        (["fetch", "translate", "store"], "unknown_stage"),
    ],
)
def test_stages_that_do_not_fit_are_refused_at_submission(stack: LiveStack, stages: list[str], code: str) -> None:
    answer = stack.client.post("/v1/jobs", json={"html": ARTICLE, "stages": stages})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code


def test_a_submission_is_answered_with_where_to_look_and_is_readable_at_once(stack: LiveStack) -> None:
    answer = stack.client.post("/v1/jobs", json={"text": TEXT})
    body = answer.json()
    view = stack.client.get(answer.headers["location"]).json()

    assert answer.status_code == 202
    assert int(answer.headers["retry-after"]) > 0
    assert body == {"id": body["id"], "status": "queued", "url": answer.headers["location"], "cached": False}
    assert view["id"] == body["id"]
    assert stack.wait(body["id"])["status"] == "succeeded"


def test_a_running_stack_is_ready(stack: LiveStack) -> None:
    assert stack.client.get("/healthz").json() == {"status": "ok"}
    assert stack.client.get("/readyz").json() == {
        "status": "ok",
        "checks": {"records": "ok", "payloads": "ok", "broker": "ok"},
    }
