"""Answers in pieces, as servers send them and as they should not."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from orchestration.outbound.llm import LlmLimits, OpenAiChat
from orchestration.outbound.llm_breaker import GuardedEndpoint
from orchestration.outbound.llm_desk import LlmDesk
from orchestration.outbound.prices import Prices
from pipeline.clock import SystemClock
from pipeline.ids import Hold, StageKey
from pipeline.memory import MemoryBreakers
from pipeline.outbound_ports import Breakers
from pipeline.spending import Caller, Spent
from stages.contract import Cancelled, CancelToken, Completion, Message, Permanent, Scope, StageError, Transient
from stages.contract.nouns import Usage
from tests.support.openai_server import CHAT, SUMMARY, answer, as_stream, failure, openai_server, streamed
from tests.support.origin import Origin, Reply

CLOCK = SystemClock()
USAGE = Usage(input_tokens=11, output_tokens=7)
HALF = json.dumps({"choices": [{"index": 0, "delta": {"content": "Half a"}, "finish_reason": None}]})
LAST = json.dumps({"choices": [{"index": 0, "delta": {"content": SUMMARY}, "finish_reason": "stop"}]})


@pytest.fixture(scope="module")
def server() -> Iterator[Origin]:
    with openai_server() as running:
        yield running


class Watcher:
    """Asks, and sees what comes while it comes."""

    def __init__(self, server: Origin, breakers: Breakers | None = None, **limits: int) -> None:
        self._server = server
        self.pieces: list[str] = []
        self.caller = Caller("default", Hold(StageKey("0198", 1, "summarize"), 1))
        chat = OpenAiChat(
            base_url=server.url("/v1"), api_key="k", model="m", max_input_tokens=99, limits=LlmLimits(**limits)
        )
        self._endpoint = GuardedEndpoint(chat, breakers or MemoryBreakers())

    def ask(self, *replies: Reply, seconds: float = 30.0, token: CancelToken | None = None) -> Completion:
        self._server.on(CHAT, *replies)
        scope = Scope(CLOCK, CLOCK.monotonic() + seconds, token or CancelToken())
        llm = LlmDesk(self._endpoint, Prices()).on_behalf_of(self.caller)
        return llm.complete([Message("user", "A text.")], scope, max_tokens=50, on_text=self.pieces.append)

    def error(self, *replies: Reply, **options: Any) -> StageError:
        with pytest.raises(StageError) as caught:
            self.ask(*replies, **options)
        return caught.value

    @property
    def spent(self) -> Spent:
        return self.caller.meter.by_model.get("m", Spent())


@pytest.fixture
def watcher(server: Origin) -> Watcher:
    return Watcher(server)


def asked(server: Origin, last: int) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in server.requests(CHAT)[-last:]]


def test_an_answer_is_seen_in_pieces_and_had_whole(server: Origin, watcher: Watcher) -> None:
    assert watcher.ask(streamed()) == Completion(SUMMARY, "local-model", USAGE)
    assert len(watcher.pieces) > 10
    assert "".join(watcher.pieces) == SUMMARY
    (body,) = asked(server, 1)
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


def test_a_cancellation_ends_a_stream_at_once(watcher: Watcher) -> None:
    token = CancelToken()
    threading.Timer(0.5, token.cancel).start()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        watcher.ask(replace(streamed("word " * 500), pause_s=0.05), token=token)
    assert time.monotonic() - started < 5
    assert 0 < len(watcher.pieces) < 400


def test_the_deadline_ends_a_stream(watcher: Watcher) -> None:
    error = watcher.error(replace(streamed("word " * 500), pause_s=0.05), seconds=1.0)
    assert (type(error), error.code) == (Transient, "llm_timeout")
    assert 0 < len(watcher.pieces) < 400


def test_a_stream_without_usage_is_estimated(watcher: Watcher) -> None:
    assert watcher.ask(streamed(usage=False)).text == SUMMARY
    assert (watcher.spent.calls, watcher.spent.estimated_calls) == (1, 1)
    assert 20 <= watcher.spent.output_tokens <= 40


@pytest.mark.parametrize(
    "reply",
    [
        streamed(done=False),
        streamed(finish_reason=None),
        as_stream(LAST),
        replace(streamed(), body=streamed().body.replace("\n\n", "\r\n\r\n").replace("data: ", "data:")),
        replace(streamed(), body=": PROCESSING\n\nevent: x\n" + streamed().body.rstrip()),
        as_stream(json.dumps({"choices": None, "usage": None}), json.dumps({"choices": [{"delta": None}]}), LAST),
        answer(),
    ],
)
def test_habits_of_servers(watcher: Watcher, reply: Reply) -> None:
    assert watcher.ask(reply).text == SUMMARY


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        (as_stream(HALF), Transient, "llm_unavailable"),
        (replace(streamed(), cut_at=700), Transient, "llm_unavailable"),
        (as_stream(HALF, '{"error": {"message": "out of memory"}}'), Transient, "llm_unavailable"),
        (as_stream("[DONE]"), Transient, "llm_bad_answer"),
        (as_stream("{"), Transient, "llm_bad_answer"),
        (streamed(""), Transient, "llm_bad_answer"),
        (streamed(finish_reason="content_filter"), Permanent, "llm_refused"),
        (failure(500), Transient, "llm_unavailable"),
        (failure(400, "no such model"), Permanent, "llm_rejected"),
        (Reply(raw=b"data: x" * 1000, repeat=10**4, content_type="text/event-stream"), Transient, "llm_bad_answer"),
        (Reply(raw=b": x\n\n" * 1000, repeat=10**4, content_type="text/event-stream"), Transient, "llm_bad_answer"),
    ],
)
def test_what_goes_wrong_in_a_stream_has_the_codes_it_has_elsewhere(
    server: Origin, reply: Reply, kind: type[StageError], code: str
) -> None:
    error = Watcher(server, max_answer_bytes=100_000).error(reply)
    assert (type(error), error.code) == (kind, code)
    assert server.hits(CHAT) == 1


@pytest.mark.parametrize("reply", [as_stream(HALF), replace(streamed(), cut_at=700), as_stream(HALF, '{"error": {}}')])
def test_an_answer_that_breaks_off_is_paid_for_and_held_against_the_endpoint(server: Origin, reply: Reply) -> None:
    breakers = MemoryBreakers()
    watcher = Watcher(server, breakers)
    assert watcher.error(reply).code == "llm_unavailable"
    assert (watcher.spent.calls, watcher.spent.estimated_calls) == (1, 1)
    assert watcher.spent.output_tokens > 0
    assert breakers.failures.total() == 1
    assert watcher.error(failure(500)).code == "llm_unavailable"
    assert (watcher.spent.calls, breakers.failures.total()) == (1, 2)


def test_a_server_without_streamed_usage_is_not_asked_for_it_again(server: Origin, watcher: Watcher) -> None:
    watcher.ask(failure(400, "stream_options: extra fields not permitted"), streamed(usage=False))
    watcher.ask(streamed(usage=False))
    assert [(body["stream"], "stream_options" in body) for body in asked(server, 3)] == [
        (True, True),
        (True, False),
        (True, False),
    ]


def test_a_server_that_does_not_stream_is_asked_for_the_whole_from_then_on(server: Origin, watcher: Watcher) -> None:
    assert watcher.ask(failure(422, "stream is not supported"), answer()).text == SUMMARY
    watcher.ask(answer())
    assert ["stream" in body for body in asked(server, 3)] == [True, False, False]


def test_after_an_unreadable_stream_the_whole_is_asked_for(server: Origin, watcher: Watcher) -> None:
    assert watcher.error(as_stream("{")).code == "llm_bad_answer"
    assert watcher.ask(answer()).text == SUMMARY
    assert ["stream" in body for body in asked(server, 2)] == [True, False]
