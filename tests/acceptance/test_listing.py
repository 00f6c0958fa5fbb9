"""Jobs are listed newest first, in pages that follow each other, filtered by status."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.articles import TEXT
from tests.support.stack import LiveStack

GOOD: dict[str, object] = {"text": TEXT, "pipeline": "extract"}
BAD: dict[str, object] = {"url": "ftp://example.org/", "pipeline": "extract"}


@pytest.fixture(scope="module")
def submitted(stack: LiveStack) -> list[str]:
    """Five jobs, the newest first: two have failed, three succeeded."""
    ids = [stack.submit(**body) for body in (GOOD, BAD, GOOD, BAD, GOOD)]
    stack.wait_all(ids)
    return ids[::-1]


def pages(stack: LiveStack, path: str | None) -> Iterator[list[dict[str, Any]]]:
    """Every page of a listing, following `next`."""
    while path:
        page = stack.client.get(path).json()
        yield page["items"]
        path = page["next"]


def test_pages_follow_each_other_without_gap_or_repetition(stack: LiveStack, submitted: list[str]) -> None:
    found = list(pages(stack, "/v1/jobs?limit=2"))
    ids = [job["id"] for page in found for job in page]
    assert ids[:5] == submitted
    assert ids == sorted(set(ids), reverse=True)
    assert [len(page) for page in found[:-1]] == [2] * (len(found) - 1)


def test_a_listing_can_be_limited_to_a_status(stack: LiveStack, submitted: list[str]) -> None:
    for status, expected in (("failed", submitted[1::2]), ("succeeded", submitted[::2])):
        jobs = [job for page in pages(stack, f"/v1/jobs?limit=1&status={status}") for job in page]
        assert {job["status"] for job in jobs} == {status}
        assert [job["id"] for job in jobs][: len(expected)] == expected


def test_a_listed_job_says_what_it_is_and_where_it_is_found(stack: LiveStack, submitted: list[str]) -> None:
    job = stack.client.get("/v1/jobs?limit=1&status=failed").json()["items"][0]
    assert job["id"] == submitted[1]
    assert job["source_url"] == BAD["url"]
    assert job["error"]["code"] == "unsupported_scheme"
    assert stack.client.get(job["url"]).json()["id"] == job["id"]


def test_a_job_submitted_between_two_pages_moves_nothing(stack: LiveStack, submitted: list[str]) -> None:
    first = stack.client.get("/v1/jobs?limit=2").json()
    stack.submit(**GOOD)
    second = stack.client.get(first["next"]).json()
    assert first["items"][1]["id"] > second["items"][0]["id"]
    assert [job["id"] for job in (*first["items"], *second["items"])] == submitted[:4]


@pytest.mark.parametrize("query", ["status=done", "limit=0", "limit=1000", "cursor=yesterday"])
def test_a_listing_refuses_what_it_does_not_understand(stack: LiveStack, query: str) -> None:
    answer = stack.client.get(f"/v1/jobs?{query}")
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_request"
    assert [problem["field"] for problem in answer.json()["errors"]] == [query.partition("=")[0]]
