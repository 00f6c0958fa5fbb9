"""A summary can be watched while a language model writes it, on real workers."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.articles import text_with
from tests.support.openai_server import SUMMARY, streamed
from tests.support.sse import Heard, Listener
from tests.support.stack import Narrow
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(120)

SLOWLY = replace(streamed(), pause_s=0.12)
ENDLESS = replace(streamed("word " * 300), pause_s=0.1)
DELTA = "summary.delta"


def watched(narrow: Narrow, mark: str) -> Listener:
    job_id = narrow.stack.submit(text=text_with(mark), pipeline="summarize")
    return Listener(str(narrow.stack.client.base_url), job_id)


def deltas(heard: list[Heard]) -> list[Heard]:
    return [one for one in heard if one.event == DELTA]


def shows(listener: Listener, words: int) -> Callable[[], bool]:
    return lambda: len(text_of(deltas(listener.heard)).split()) >= words


def text_of(pieces: list[Heard]) -> str:
    """Put together as clients do."""
    text = ""
    for piece in pieces:
        assert piece.data["offset"] <= len(text)
        text = text[: piece.data["offset"]] + piece.data["text"]
    return text


def test_a_summary_is_seen_while_it_is_written(narrow: Narrow) -> None:
    narrow.llm.when("watched", SLOWLY)
    listener = watched(narrow, "watched")
    until(lambda: len(deltas(listener.heard)) >= 2, within_s=60, what="two pieces")
    assert "stage.succeeded" not in listener.names[listener.names.index(DELTA) :]
    late = Listener(str(narrow.stack.client.base_url), listener.job_id)
    for one in (listener, late):
        until(one.over.is_set, within_s=30, what="the end")
    summary = narrow.stack.result(listener.job_id)["summary"]
    for one in (listener, late):
        pieces = deltas(one.heard)
        assert len(pieces) >= 2
        assert "".join(piece.data["text"] for piece in pieces) == text_of(pieces) == summary["text"] == SUMMARY
        assert one.names.index(DELTA) > one.names.index("job.queued")
        assert one.names[-1] == "job.succeeded"
        assert not any(piece.id for piece in pieces)
        assert {piece.data["attempt"] for piece in pieces} == {1}
    assert (summary["usage"]["input_tokens"], summary["usage"]["output_tokens"]) == (11, 7)


def test_another_attempt_begins_anew(narrow: Narrow) -> None:
    broken = replace(ENDLESS, body="\n\n".join(ENDLESS.body.split("\n\n")[:15]))
    narrow.llm.when("interrupted", broken, SLOWLY)
    listener = watched(narrow, "interrupted")
    until(listener.over.is_set, within_s=60, what="the end")
    pieces = deltas(listener.heard)
    attempts = [piece.data["attempt"] for piece in pieces]
    assert (attempts[0], attempts[-1]) == (1, 2)
    assert attempts == sorted(attempts)
    assert next(piece.data["offset"] for piece in pieces if piece.data["attempt"] == 2) == 0
    assert text_of(pieces) == SUMMARY


def test_a_cancelled_job_is_not_written_on(narrow: Narrow) -> None:
    narrow.llm.when("unwanted", ENDLESS)
    listener = watched(narrow, "unwanted")
    until(shows(listener, 5), within_s=60, what="its beginning")
    narrow.stack.client.delete(f"/v1/jobs/{listener.job_id}")
    until(listener.over.is_set, within_s=5, what="the stream to end")
    assert listener.names[-1] == "job.cancelled"
    assert len(text_of(deltas(listener.heard)).split()) < 200
