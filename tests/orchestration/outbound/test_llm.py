import base64
import json
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import httpcore
import openai
import pytest

from orchestration.outbound.llm import LlmLimits, OpenAiChat
from orchestration.outbound.llm_desk import LlmDesk
from orchestration.outbound.prices import Price, Prices
from pipeline.clock import SystemClock
from pipeline.ids import Hold, StageKey
from pipeline.spending import Caller, Spent
from stages.contract import (
    Cancelled,
    CancelToken,
    Completion,
    Llm,
    Message,
    Permanent,
    Postponed,
    Scope,
    StageError,
    Transient,
)
from stages.contract.nouns import Usage
from tests.support.openai_server import (
    CHAT,
    GARBAGE,
    SUMMARY,
    answer,
    failure,
    filtered,
    openai_server,
    refusal,
)
from tests.support.origin import Origin, Reply
from tests.support.waiting import until

KEY = "sk-test-0123456789"
CLOCK = SystemClock()
MESSAGES = [Message("system", "Be brief."), Message("user", "A long text.")]


@pytest.fixture(scope="module")
def server() -> Iterator[Origin]:
    with openai_server() as running:
        yield running


def scope(seconds: float = 30.0, token: CancelToken | None = None) -> Scope:
    return Scope(clock=CLOCK, deadline=CLOCK.monotonic() + seconds, token=token or CancelToken())


def chat(server: Origin, **options: Any) -> OpenAiChat:
    defaults = {"base_url": server.url("/v1"), "api_key": KEY, "model": "m", "max_input_tokens": 1000}
    return OpenAiChat(**{**defaults, **options})


def caller() -> Caller:
    return Caller("default", Hold(StageKey("0198", 1, "summarize"), 1))


def counted(client: OpenAiChat, by: Caller | None = None) -> Llm:
    prices = Prices(models={"m": Price.model_validate({"input": "2", "output": "8"})})
    return LlmDesk(client, prices).on_behalf_of(by or caller())


def ask(server: Origin, reply: Reply, **options: Any) -> Completion:
    server.on(CHAT, reply)
    return counted(chat(server, **options)).complete(MESSAGES, scope(), max_tokens=50)


def error_of(call: Callable[[], object]) -> StageError:
    """The error, after checking that nothing printed of it shows the key or an address."""
    with pytest.raises(StageError) as caught:
        call()
    error = caught.value
    assert KEY not in "".join(traceback.format_exception(error)) + repr(vars(error))
    return error


def test_an_answer_comes_with_its_model_and_usage(server: Origin) -> None:
    completion = ask(server, answer())
    assert completion == Completion(SUMMARY, "local-model", Usage(input_tokens=11, output_tokens=7))


def test_the_request_is_plain_chat_completions(server: Origin) -> None:
    ask(server, answer())
    (request,) = server.requests(CHAT)[-1:]
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert '"max_tokens":50' in request.body.replace(" ", "")
    assert '"role":"system"' in request.body.replace(" ", "")
    assert "stream" not in request.body


def spent_on(server: Origin, reply: Reply) -> Spent:
    """What a call costs, whatever becomes of it."""
    server.on(CHAT, reply)
    by = caller()
    with suppress(StageError):
        counted(chat(server), by).complete(MESSAGES, scope(), max_tokens=50)
    return by.meter.by_model.get("m", Spent())


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": "many"}, "free", {"prompt_tokens": 1}])
def test_a_missing_or_odd_usage_is_no_error_and_is_estimated(server: Origin, usage: Any) -> None:
    body = answer().body.replace('"usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}', "%s")
    spent = spent_on(server, replace(answer(), body=body % f'"usage": {json.dumps(usage)}'))
    assert (spent.calls, spent.estimated_calls) == (1, 1)
    assert 15 <= spent.input_tokens <= 30
    assert 20 <= spent.output_tokens <= 40
    assert spent.micros == 2 * spent.input_tokens + 8 * spent.output_tokens


BILLED = Spent(1, input_tokens=11, output_tokens=7, micros=78, currency="USD")


@pytest.mark.parametrize("reply", [answer(), refusal(), filtered(), answer(None), answer(" \n")])
def test_a_bad_answer_costs_what_a_good_one_does(server: Origin, reply: Reply) -> None:
    assert spent_on(server, reply) == BILLED


@pytest.mark.parametrize("reply", [failure(429), failure(500), failure(401), Reply(close=True)])
def test_a_call_without_an_answer_costs_nothing(server: Origin, reply: Reply) -> None:
    assert spent_on(server, reply) == Spent()


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_a_bad_answer(server: Origin, name: str) -> None:
    error = error_of(lambda: ask(server, GARBAGE[name]))
    assert (type(error), error.code) == (Transient, "llm_bad_answer")
    assert server.hits(CHAT) == 1


@pytest.mark.parametrize("reply", [refusal(), filtered(), answer("Half a", finish_reason="content_filter")])
def test_refusals_are_permanent(server: Origin, reply: Reply) -> None:
    error = error_of(lambda: ask(server, reply))
    assert (type(error), error.code) == (Permanent, "llm_refused")


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (301, Permanent, "llm_rejected"),
        (400, Permanent, "llm_rejected"),
        (401, Permanent, "llm_denied"),
        (403, Permanent, "llm_denied"),
        (404, Permanent, "llm_rejected"),
        (408, Transient, "llm_timeout"),
        (413, Permanent, "llm_rejected"),
        (422, Permanent, "llm_rejected"),
        (429, Postponed, "llm_rate_limited"),
        (500, Transient, "llm_unavailable"),
        (503, Transient, "llm_unavailable"),
        (529, Transient, "llm_unavailable"),
    ],
)
def test_statuses_are_mapped_and_the_sdk_does_not_retry(
    server: Origin, status: int, kind: type[StageError], code: str
) -> None:
    error = error_of(lambda: ask(server, failure(status, f"Incorrect API key provided: {KEY}")))
    assert (type(error), error.code) == (kind, code)
    assert server.hits(CHAT) == 1


def test_a_rejection_says_what_the_server_said(server: Origin) -> None:
    assert "model 'm' not found" in str(error_of(lambda: ask(server, failure(404, "model 'm' not found"))))


@pytest.mark.parametrize(("retry_after", "delay_s"), [("12", 12), ("99999", 900), ("soon", 30), (None, 30)])
def test_a_rate_limit_names_its_delay(server: Origin, retry_after: str | None, delay_s: float) -> None:
    headers = {"Retry_After": retry_after} if retry_after else {}
    error = error_of(lambda: ask(server, failure(429, **headers)))
    assert isinstance(error, Postponed)
    assert error.delay_s == delay_s


@pytest.mark.parametrize("slow", [Reply(delay_s=30), replace(answer(), drip_s=0.05)])
def test_a_slow_answer_times_out_at_the_deadline(server: Origin, slow: Reply) -> None:
    server.on(CHAT, slow)
    started = time.monotonic()
    error = error_of(lambda: counted(chat(server)).complete(MESSAGES, scope(1.0), max_tokens=5))
    assert (type(error), error.code) == (Transient, "llm_timeout")
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("slow", [Reply(delay_s=30), replace(answer(), drip_s=0.05)])
def test_a_cancelled_call_ends_within_a_second(server: Origin, slow: Reply) -> None:
    server.on(CHAT, slow)
    token = CancelToken()
    threading.Timer(0.3, token.cancel).start()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        counted(chat(server)).complete(MESSAGES, scope(token=token), max_tokens=5)
    assert time.monotonic() - started < 1.3


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(raw=b"x" * 1000, repeat=10**6, content_type="application/json"), "llm_bad_answer"),
        (replace(failure(400), raw=b"x" * 1000, repeat=10**6), "llm_bad_answer"),
        (Reply(encoding="gzip"), "llm_bad_answer"),
        (Reply(close=True), "llm_unavailable"),
        (Reply(cut_at=5), "llm_unavailable"),
        (Reply(raw=b"", headers={"Bad header": "x"}), "llm_unavailable"),
    ],
)
def test_bad_transfers(server: Origin, reply: Reply, code: str) -> None:
    error = error_of(lambda: ask(server, reply, limits=LlmLimits(max_answer_bytes=100_000)))
    assert (type(error), error.code) == (Transient, code)


def test_an_unreachable_endpoint_is_tried_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = OpenAiChat(base_url="http://127.0.0.1:9/v1", api_key=KEY, model="m", max_input_tokens=9)
    tries: list[float] = []
    ask_once = nowhere._ask

    def timed(*arguments: Any) -> bytes:
        tries.append(time.monotonic())
        return ask_once(*arguments)

    monkeypatch.setattr(nowhere, "_ask", timed)
    error = error_of(lambda: counted(nowhere).complete(MESSAGES, scope(), max_tokens=5))
    assert (type(error), error.code) == (Transient, "llm_unavailable")
    assert "127.0.0.1" not in str(error)
    assert len(tries) == 2


def test_a_proxy_is_used_where_one_is_given(server: Origin) -> None:
    proxied = chat(server, base_url="http://llm.test/v1", proxy=server.url("").replace("//", "//me:pass@"))
    server.on(CHAT, answer())
    assert counted(proxied).complete(MESSAGES, scope(), max_tokens=5).text == SUMMARY
    headers = server.requests(CHAT)[-1].headers
    assert headers["host"] == "llm.test"
    assert headers["proxy-authorization"] == "Basic " + base64.b64encode(b"me:pass").decode()


@pytest.mark.parametrize("key", ["", "with space", "with\nbreak", "schlüssel"])
def test_a_key_that_http_cannot_carry_is_refused_at_once(key: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII") as caught:
        OpenAiChat(base_url="http://localhost/v1", api_key=key, model="m", max_input_tokens=9)
    assert not key or key not in str(caught.value)


def test_the_endpoint_is_what_a_breaker_protects() -> None:
    client = OpenAiChat(base_url="https://API.example.org/v1", api_key=KEY, model="m", max_input_tokens=9)
    assert (client.endpoint, client.max_input_tokens) == ("api.example.org:443", 9)
    assert KEY not in repr(client)


def test_the_sdk_is_imported_only_when_it_is_used() -> None:
    check = "import sys, orchestration.outbound.llm; sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


@pytest.mark.parametrize("module", [httpcore, openai])
def test_no_error_of_the_libraries_is_unmapped(module: Any, monkeypatch: pytest.MonkeyPatch, server: Origin) -> None:
    kinds = {value for value in list(vars(module).values()) if isinstance(value, type) and issubclass(value, Exception)}
    assert len(kinds) > 10
    for kind in kinds - {openai.InvalidWebhookSignatureError}:  # of webhooks, which are not used
        error = kind.__new__(kind)
        vars(error).update(status_code=500, response=None, body=None)

        def fail(*_: object, error: Exception = error) -> bytes:
            raise error

        client = chat(server)
        monkeypatch.setattr(client, "_ask", fail)
        with pytest.raises(StageError, match="llm_"):
            counted(client).complete(MESSAGES, scope(), max_tokens=5)


def test_a_model_that_rejects_the_common_limit_gets_the_newer_one_from_then_on(server: Origin) -> None:
    rejection = failure(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    server.on(CHAT, rejection, answer())
    asked_before = len(server.requests(CHAT))
    client = chat(server)
    for _ in range(2):
        assert counted(client).complete(MESSAGES, scope(), max_tokens=50).text == SUMMARY
    limits = [json.loads(request.body) for request in server.requests(CHAT)[asked_before:]]
    assert [sorted(body.keys() & {"max_tokens", "max_completion_tokens"}) for body in limits] == [
        ["max_tokens"],
        ["max_completion_tokens"],
        ["max_completion_tokens"],
    ]


def test_another_rejection_is_not_asked_again(server: Origin) -> None:
    server.on(CHAT, failure(400, "no such model"), answer())
    asked_before = len(server.requests(CHAT))
    assert error_of(lambda: counted(chat(server)).complete(MESSAGES, scope(), max_tokens=50)).code == "llm_rejected"
    assert len(server.requests(CHAT)) == asked_before + 1


SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}}


def formats(server: Origin, first: int) -> list[object]:
    return [json.loads(request.body).get("response_format") for request in server.requests(CHAT)[first:]]


def test_a_schema_goes_out_as_a_structured_answer_s_and_another_model_by_its_name(server: Origin) -> None:
    server.on(CHAT, answer('{"name": "x"}'))
    counted(chat(server)).complete(MESSAGES, scope(), max_tokens=50, model="other", schema=SCHEMA)
    body = json.loads(server.requests(CHAT)[-1].body)
    assert body["response_format"] == {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    assert body["model"] == "other"
    assert body.keys().isdisjoint({"tools", "functions", "tool_choice"})


@pytest.mark.parametrize("status", [400, 422, 500, 501])
def test_a_server_without_structured_answers_is_asked_without_from_then_on(server: Origin, status: int) -> None:
    server.on(CHAT, failure(status, "response_format is not supported"), answer())
    asked_before, client = len(server.requests(CHAT)), chat(server)
    for _ in range(2):
        text = counted(client).complete(MESSAGES, scope(), max_tokens=50, schema=SCHEMA).text
        assert text == SUMMARY
    assert [given is not None for given in formats(server, asked_before)] == [True, False, False]


def test_what_one_call_has_learned_outlasts_another_that_began_before(server: Origin) -> None:
    slow = replace(answer(), delay_s=1.0)
    server.on(CHAT, slow, failure(400, "response_format is not supported"), answer())
    asked_before, client = len(server.requests(CHAT)), chat(server)
    with ThreadPoolExecutor() as pool:
        plain = pool.submit(lambda: counted(client).complete(MESSAGES, scope(), max_tokens=50))
        until(lambda: len(server.requests(CHAT)) > asked_before, within_s=10, what="the slow call")
        counted(client).complete(MESSAGES, scope(), max_tokens=50, schema=SCHEMA)
        plain.result()
    counted(client).complete(MESSAGES, scope(), max_tokens=50, schema=SCHEMA)
    assert [given is not None for given in formats(server, asked_before)] == [False, True, False, False]


def test_a_server_that_fails_either_way_is_not_thought_to_lack_them(server: Origin) -> None:
    server.on(CHAT, failure(500), failure(500), answer())
    asked_before, client = len(server.requests(CHAT)), chat(server)
    with pytest.raises(StageError):
        counted(client).complete(MESSAGES, scope(), max_tokens=50, schema=SCHEMA)
    counted(client).complete(MESSAGES, scope(), max_tokens=50, schema=SCHEMA)
    assert [given is not None for given in formats(server, asked_before)] == [True, False, True]
