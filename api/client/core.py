"""What both clients agree on: how a request looks, what its answer means, and when it is sent again."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from random import Random, SystemRandom
from typing import Any, Generic, TypeVar
from uuid import UUID

import httpx
import tenacity

from api.client.calls import Call
from api.client.errors import (
    ApiError,
    BatchReceiving,
    RateLimited,
    ServiceUnavailable,
    UnexpectedAnswer,
    Unreachable,
    api_error,
)
from api.client.items import encoded
from api.schemas_batches import NDJSON
from pipeline.clock import SystemClock
from stages.contract import Clock
from stages.web import retry_after_s

T = TypeVar("T")

IDEMPOTENCY_KEY = "Idempotency-Key"
DEFAULT_URL = "http://127.0.0.1:8000"
TIMEOUT_S = 20.0
RETRY_WITHIN_S = 60.0
BACKOFF_S = 0.5
MAX_BACKOFF_S = 20.0
PASSING = (Unreachable, RateLimited, ServiceUnavailable, BatchReceiving)
"""What may be over when it is asked again."""
NO_STREAM = (ApiError, Unreachable, UnexpectedAnswer)
"""What may keep events from a reader; the end of a job can still be asked for."""
HOPELESS = (httpx.LocalProtocolError, httpx.UnsupportedProtocol)
"""Refused by our own side, and again the next time."""
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""There was no connection to send anything over."""


class Core:
    """Settings of a client, and the rules that follow from them. Sends nothing."""

    def __init__(
        self,
        url: str,
        api_key: str | None,
        *,
        timeout_s: float = TIMEOUT_S,
        retry_within_s: float = RETRY_WITHIN_S,
        clock: Clock | None = None,
        random: Random | None = None,
    ) -> None:
        self.url = _service_url(url)
        self.trust_env = not _is_local(self.url.host)
        """Whether proxies and certificates of the environment count; no proxy leads to this machine."""
        self.headers = {} if api_key is None else {"Authorization": f"Bearer {_visible(api_key)}"}
        self.timeout_s = timeout_s
        self.retry_within_s = retry_within_s
        self.clock = clock or SystemClock()
        # Not seeded: two processes after a fork must not make the same keys.
        self._random = random or SystemRandom()

    @property
    def where(self) -> str:
        """The service, as errors name it."""
        return where(self.url)

    def new_key(self) -> str:
        """A key for one submission."""
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def over_at(self, timeout_s: float | None) -> float:
        """When something that may take so long has to have ended, on the monotonic clock."""
        return math.inf if timeout_s is None else self.clock.monotonic() + timeout_s

    def pause_s(self, failures: int, error: BaseException | None = None) -> float:
        """How long to wait after so many failures in a row: full jitter, and no less than the service asked for."""
        most_s = min(MAX_BACKOFF_S, BACKOFF_S * 2 ** min(failures - 1, 16))
        asked_s = error.retry_after_s if isinstance(error, ApiError) else None
        return (asked_s or 0.0) + self._random.uniform(0.0, most_s)

    def error_of(self, answer: httpx.Response) -> ApiError:
        """Why the service said no; its body has to have been read."""
        delay_s = retry_after_s(answer.headers, self.clock.now())
        return api_error(answer.status_code, _problem(answer.content), delay_s)


class Trial(Generic[T]):
    """One call, sent until it is answered for good or its time is over."""

    def __init__(self, core: Core, call: Call[T], over_at: float = math.inf) -> None:
        """`over_at` is when to give up at the latest, on the monotonic clock."""
        self._core = core
        self._call = call
        self._over_at = min(over_at, core.over_at(core.retry_within_s))
        self._sent = 0

    def request(self) -> dict[str, Any]:
        """What to send now, in the words of httpx."""
        self._sent += 1
        call, left_s = self._call, self._over_at - self._core.clock.monotonic()
        return {
            "method": call.method,
            "url": call.path,
            "params": dict(call.params) or None,
            "headers": self._headers(),
            "content": self._content(),
            "files": None if call.form is None else call.form.parts(),
            "timeout": call.wait_s + max(1.0, min(self._core.timeout_s, left_s)),
        }

    def read(self, answer: httpx.Response) -> T:
        """What was answered. Raises `PenstockError`."""
        is_done = answer.is_success or (self._call.erases and self._sent > 1 and answer.status_code == 404)
        if not is_done:
            raise self._core.error_of(answer)
        try:
            return self._call.read(answer.content)
        except ValueError as error:
            raise UnexpectedAnswer(f"{self._core.where} does not answer as Penstock does") from error

    @property
    def policy(self) -> dict[str, Any]:
        """When and how soon to send again, in the words of tenacity."""
        return {
            "retry": tenacity.retry_if_exception(self._may_go_again),
            "wait": self._pause_s,
            "stop": self._is_over,
            "reraise": True,
        }

    def _may_go_again(self, error: BaseException) -> bool:
        return is_passing(error) and not (self._call.adds_up and may_have_arrived(error))

    def _headers(self) -> dict[str, str]:
        key = {} if self._call.key is None else {IDEMPOTENCY_KEY: json.dumps(self._call.key)}
        if self._call.lines is not None:
            return {**key, "Content-Type": NDJSON}
        return key if self._call.body is None else {**key, "Content-Type": "application/json"}

    def _content(self) -> bytes | Iterable[bytes] | None:
        if self._call.lines is not None:
            return self._call.lines
        return None if self._call.body is None else encoded(self._call.body)

    def _pause_s(self, state: tenacity.RetryCallState) -> float:
        failed = state.outcome.exception() if state.outcome else None
        return self._core.pause_s(state.attempt_number, failed)

    def _is_over(self, state: tenacity.RetryCallState) -> bool:
        return self._core.clock.monotonic() + state.upcoming_sleep > self._over_at


def is_passing(error: BaseException) -> bool:
    """Whether it may be over when it is asked again."""
    return isinstance(error, PASSING) and not isinstance(error.__cause__, HOPELESS)


def may_have_arrived(error: BaseException) -> bool:
    """Whether what was asked may have been done, although this came of it."""
    return not (isinstance(error, RateLimited) or isinstance(error.__cause__, NOT_SENT))


@contextmanager
def translated() -> Iterator[None]:
    """Turn what httpx raises into errors of the client."""
    try:
        yield
    except httpx.DecodingError as error:
        raise UnexpectedAnswer(f"the answer cannot be read: {error}") from error
    except httpx.RequestError as error:
        what = str(error) or type(error).__name__
        raise Unreachable(f"no answer from {where(error.request.url)}: {what}") from error


def where(url: httpx.URL) -> str:
    """A service, as errors name it.

    >>> where(httpx.URL("https://example.org/penstock/v1/jobs"))
    'https://example.org'
    """
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _service_url(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("the URL of the service has to be absolute, such as http://127.0.0.1:8000")
    if parsed.userinfo:
        raise ValueError("the URL of the service has to be without user and password; there is `api_key`")
    return parsed


def _is_local(host: str) -> bool:
    """Whether a host is this machine.

    >>> _is_local("localhost"), _is_local("127.0.0.1"), _is_local("::1"), _is_local("example.org")
    (True, True, True, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _visible(api_key: str) -> str:
    """Refuse what no header can carry here: further down, the error would show it."""
    if not re.fullmatch(r"[!-~]+", api_key):
        raise ValueError("the API key has to be visible ASCII characters without spaces")
    return api_key


def _problem(body: bytes) -> Mapping[str, Any]:
    try:
        problem = json.loads(body)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}
