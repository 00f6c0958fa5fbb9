"""A client for any OpenAI-compatible chat endpoint: vLLM, Ollama, LiteLLM, llama.cpp, or OpenAI itself.

Answers are asked for whole unless somebody may watch them grow: some of these servers report no usage in a stream, and
none sends a byte while it reads the prompt, so streaming would not end a call sooner. Either way the connection is
paced: a cancellation or the deadline closes it within half a second, and these servers then stop generating.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpcore
import httpx
from pydantic import BaseModel, Field, ValidationError

from orchestration.outbound.guard import anywhere
from orchestration.outbound.llm_dialect import Dialect
from orchestration.outbound.llm_exchange import Ask, Exchange
from orchestration.outbound.llm_stream import BROKE_OFF, MIME_TYPE, OVERHEAD, Pieces
from orchestration.outbound.network import Pace, PacedBackend, tls_context
from orchestration.outbound.rate_headers import exhausted_for_s
from orchestration.outbound.retrying import once_more
from orchestration.outbound.transport import PoolTransport
from stages.contract import CODES, Cancelled, Completion, Permanent, Postponed, Scope, StageError, Transient
from stages.contract.nouns import Usage
from stages.contract.tools import Clock, OnText
from stages.language_model.tokens import estimate_tokens
from stages.web import origin_of, rate_limit_delay_s

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

MIB = 1024 * 1024
MAX_QUOTED_CHARS = 200
MAX_TOKENS = 10**9
"""No server means more than this."""
PLAIN = {"Accept-Encoding": "identity"}
FOREIGN_ERRORS = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    httpcore.ConnectionNotAvailable,
    httpx.HTTPError,
    OSError,
)


@dataclass(frozen=True, slots=True)
class LlmLimits:
    """How long a connection may take, and how large an answer may be. The rest is up to the attempt's deadline."""

    connect_timeout_s: float = 10.0
    max_answer_bytes: int = 4 * MIB


@dataclass(frozen=True, slots=True)
class _Raw:
    body: bytes
    headers: Mapping[str, str]
    broke_off: str | None = None
    """The text that came of an answer of which the rest did not."""


class OpenAiChat:
    """Implements `Endpoint` over the openai SDK, whose own retries are off.

    - `base_url`: of the API, such as `http://localhost:11434/v1`.
    - `api_key`: printable ASCII; servers without keys take any. Never shown.
    - `model`: as the server calls it.
    - `max_input_tokens`: how large a text fits beside the instructions and the answer.
    - `proxy`: URL of an HTTP proxy, with its credentials if it needs them; default none.
    - `ca_file`: PEM file of further certificate authorities; default none.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        model: str,
        max_input_tokens: int,
        limits: LlmLimits | None = None,
        proxy: str | None = None,
        ca_file: str | None = None,
    ) -> None:
        if not api_key or not all("!" <= character <= "~" for character in api_key):
            raise ValueError("The API key has to be printable ASCII without spaces.")  # it would be quoted in errors
        origin = origin_of(base_url)
        self.endpoint = f"{origin.host}:{origin.port}"
        self.max_input_tokens = max_input_tokens
        self.model = model
        self._base_url = base_url
        self._api_key = api_key
        self._limits = limits or LlmLimits()
        self._proxy = httpx.Proxy(proxy) if proxy else None
        self._ca_file = ca_file
        self._dialect = Dialect()

    def exchange(self, ask: Ask, scope: Scope) -> Exchange:
        """Ask once. Raises `StageError` with one of the `llm_*` codes where no answer came, or `Cancelled`."""
        with _explained(scope.clock, self._api_key):
            scope.check()
            answer = once_more(lambda: self._ask(ask, scope), scope, _is_connection_error)
        return _exchange(ask, answer)

    def models(self, scope: Scope) -> Sequence[str]:
        """The names of the models on offer. Raises as `complete` does; endpoints need not list them."""
        with _explained(scope.clock, self._api_key), self._client(scope) as client:
            return _names(client.models.with_raw_response.list(extra_headers=PLAIN).content)

    def _ask(self, ask: Ask, scope: Scope) -> _Raw:
        import openai

        dialect = self._dialect
        with self._client(scope) as client:
            while True:
                try:
                    answer = self._create(client, ask, dialect)
                except openai.APIStatusError as error:
                    simpler = dialect.without_what_failed(ask, error.status_code, str(error.body))
                    if simpler is None:
                        raise
                    dialect = simpler
                else:
                    # Others may have learned something meanwhile.
                    self._dialect = self._dialect.shared_with(dialect)
                    return answer

    def _create(self, client: "OpenAI", ask: Ask, dialect: Dialect) -> _Raw:
        question: dict[str, Any] = {
            "model": ask.model,
            "messages": [{"role": m.role, "content": m.content} for m in ask.messages],
            "extra_headers": PLAIN,
            "extra_body": dialect.parameters(ask),
        }
        with client.chat.completions.with_streaming_response.create(**question) as answer:
            # Some servers answer whole though they were asked to stream.
            if ask.on_text is None or not answer.headers.get("content-type", "").startswith(MIME_TYPE):
                return _Raw(answer.read(), answer.headers)
            return self._put_together(answer.iter_bytes(), answer.headers, ask.on_text)

    def _put_together(self, chunks: Iterator[bytes], headers: Mapping[str, str], on_text: OnText) -> _Raw:
        pieces = Pieces(on_text)
        try:
            return _Raw(pieces.read(chunks), headers)
        except (Transient, httpcore.NetworkError, httpcore.ProtocolError) as error:
            code = error.code if isinstance(error, Transient) else "llm_unavailable"
            if code == "llm_bad_answer":
                # The next attempt asks for the whole, which may be readable.
                self._dialect = replace(self._dialect, streams=False)
            if code != "llm_unavailable" or not pieces.text:
                raise
            # What came is paid for.
            return _Raw(b"", headers, broke_off=pieces.text)

    @contextmanager
    def _client(self, scope: Scope) -> Iterator["OpenAI"]:
        """A client for one call, so that its connection follows that call's scope."""
        from openai import OpenAI  # takes most of a second

        with (
            self._pool(scope) as pool,
            httpx.Client(transport=_Endpoint(pool, self._limits), trust_env=False) as http,
        ):
            yield OpenAI(
                base_url=self._base_url,
                api_key=self._api_key,
                max_retries=0,
                timeout=None,
                http_client=http,  # type: ignore[arg-type]  # takes httpx beside its successor
            )

    def _pool(self, scope: Scope) -> httpcore.ConnectionPool:
        backend = PacedBackend(Pace(scope, scope.deadline), anywhere)
        context = tls_context(self._ca_file)
        if self._proxy is None:
            return httpcore.ConnectionPool(ssl_context=context, network_backend=backend)
        return httpcore.HTTPProxy(
            str(self._proxy.url), proxy_auth=self._proxy.raw_auth, ssl_context=context, network_backend=backend
        )


class _Endpoint(PoolTransport):
    """Bounds what the server may send, which the SDK reads without a limit."""

    def __init__(self, pool: httpcore.ConnectionPool, limits: LlmLimits) -> None:
        super().__init__(pool)
        self._limits = limits

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions = {**request.extensions, "timeout": {"connect": self._limits.connect_timeout_s}}
        response = super().handle_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            response.close()
            raise Transient("llm_bad_answer", "The language model's answer is compressed, which was not asked for.")
        is_streamed = response.headers.get("content-type", "").startswith(MIME_TYPE)
        response.stream = _Bounded(response.stream, self._limits.max_answer_bytes * (OVERHEAD if is_streamed else 1))
        return response


class _Bounded(httpx.SyncByteStream):
    def __init__(self, stream: Any, max_bytes: int) -> None:
        self._stream = stream
        self._room = max_bytes

    def __iter__(self) -> Iterator[bytes]:
        for data in self._stream:
            self._room -= len(data)
            if self._room < 0:
                raise Transient("llm_bad_answer", "The language model's answer is larger than the limit.")
            yield data

    def close(self) -> None:
        self._stream.close()


@contextmanager
def _explained(clock: Clock, api_key: str) -> Iterator[None]:
    """Map foreign errors. Those of the API are not chained: their text may quote the key."""
    import openai

    try:
        yield
    except openai.APIStatusError as error:
        raise _status_error(error, clock, api_key) from None
    except StageError as error:
        raise _stage_error(error) from error.__cause__
    except (httpcore.TimeoutException, openai.APITimeoutError) as error:
        raise Transient("llm_timeout") from error
    except FOREIGN_ERRORS as error:
        raise Transient("llm_unavailable") from error
    except openai.OpenAIError:
        raise Transient("llm_unavailable") from None


def _stage_error(error: StageError) -> StageError:
    if isinstance(error, Cancelled) or error.code.startswith("llm_"):
        return error
    if error.code == "stage_timeout":
        return Transient("llm_timeout")
    return Transient("llm_unavailable", f"{CODES['llm_unavailable'].meaning} {error.message}")


def _status_error(error: "APIStatusError", clock: Clock, api_key: str) -> StageError:
    """What an HTTP status of the endpoint means."""
    status = error.status_code
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Postponed("llm_rate_limited", delay_s=_patience_s(error.response.headers, clock))
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Permanent("llm_denied")
    if status == HTTPStatus.REQUEST_TIMEOUT:
        return Transient("llm_timeout")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Transient("llm_unavailable")
    return Permanent("llm_rejected", _rejection(status, error.body, api_key))


def _patience_s(headers: Mapping[str, str], clock: Clock) -> float:
    """As Retry-After says, or else what is said of the limits, or else half a minute."""
    said = "retry-after" in headers
    return (0.0 if said else exhausted_for_s(headers)) or rate_limit_delay_s(headers, clock.now())


def _rejection(status: int, body: object, api_key: str) -> str:
    """The server's own reason is what helps: a model it does not have, a text that is too long.

    >>> _rejection(404, {"message": "no model m for key k-1"}, "k-1")
    "The language model's endpoint rejected the request (404: no model m for key ***)."
    >>> _rejection(400, "<html>", "k-1")
    "The language model's endpoint rejected the request (400)."
    """
    reason = body.get("message") if isinstance(body, dict) else None
    quoted = f": {reason.replace(api_key, '***')[:MAX_QUOTED_CHARS]}" if isinstance(reason, str) else ""
    return f"The language model's endpoint rejected the request ({status}{quoted})."


def _is_connection_error(error: BaseException) -> bool:
    return isinstance(error, httpcore.ConnectError)


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int = Field(ge=0, le=MAX_TOKENS)
    completion_tokens: int = Field(ge=0, le=MAX_TOKENS)


class _Billed(BaseModel):
    usage: _Usage


class _Answer(BaseModel):
    """The parts of a completion that are used. The SDK does not validate any of it."""

    choices: list[_Choice] = Field(min_length=1)
    model: str | None = None


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    data: list[_Model]


def _names(body: bytes) -> Sequence[str]:
    """Read a list of models. Raises `Transient` `llm_bad_answer`."""
    try:
        return [model.id for model in _Models.model_validate_json(body).data]
    except ValidationError:
        raise Transient("llm_bad_answer") from None


def _exchange(ask: Ask, answer: _Raw) -> Exchange:
    """What was paid for, whatever it is."""
    outcome, reported = _outcome(answer, ask.model), _reported(answer.body)
    written = outcome.text if isinstance(outcome, Completion) else answer.broke_off or ""
    usage = reported or Usage(input_tokens=ask.input_tokens, output_tokens=estimate_tokens(written))
    lowered = {name.lower(): value for name, value in answer.headers.items()}
    return Exchange(outcome, usage, is_estimated=reported is None, headers=lowered)


def _outcome(answer: _Raw, asked_model: str) -> Completion | StageError:
    if answer.broke_off is not None:
        return Transient("llm_unavailable", BROKE_OFF)
    try:
        return _completion(answer.body, asked_model)
    except StageError as error:
        return error


def _completion(body: bytes, asked_model: str) -> Completion:
    """Read an answer. Raises `Transient` `llm_bad_answer`, or `Permanent` `llm_refused`."""
    try:
        answer = _Answer.model_validate_json(body)
    except ValidationError:
        raise Transient("llm_bad_answer") from None
    choice = answer.choices[0]
    if choice.message.refusal or choice.finish_reason == "content_filter":
        raise Permanent("llm_refused")
    text = (choice.message.content or "").strip()
    if not text:
        raise Transient("llm_bad_answer", "The language model's answer is empty.")
    return Completion(text=text, model=answer.model or asked_model)


def _reported(body: bytes) -> Usage | None:
    """The tokens that the server counted, which it may do of a bad answer, too."""
    try:
        usage = _Billed.model_validate_json(body).usage
    except ValidationError:
        return None
    return Usage(input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens)
