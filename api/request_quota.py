"""How often a tenant may ask, and what answers say of it (draft-ietf-httpapi-ratelimit-headers).

Only of a tenant whose requests are limited; for all others nothing is counted.
"""

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import Caller
from api.errors import over_quota, unavailable
from orchestration.quotas import WINDOW_S, QuotaBook, RequestCounter, Standing
from pipeline.errors import MachineryFailed, TooManyRequests

POLICY = "requests"


class RequestQuota:
    """ASGI middleware behind the gate: 429 for the request that is one too many. Bodies pass as they come."""

    def __init__(self, app: ASGIApp, *, book: QuotaBook, counter: RequestCounter) -> None:
        self._app = app
        self._book = book
        self._counter = counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller: Caller | None = scope.get("state", {}).get("caller")
        if scope["type"] != "http" or caller is None:
            await self._app(scope, receive, send)
            return
        try:
            standing = await self._standing(caller.tenant_id)
        except MachineryFailed as error:
            await unavailable(error)(scope, receive, send)
            return
        if standing is None:
            await self._app(scope, receive, send)
            return
        answer = self._app
        if standing.is_over:
            answer = over_quota(TooManyRequests(standing.limit, standing.reset_s))
        await answer(scope, receive, _saying(standing, send))

    async def _standing(self, tenant_id: str) -> Standing | None:
        quotas = self._book.known(tenant_id)
        if quotas is None:
            quotas = await run_in_threadpool(self._book.of, tenant_id)
        if quotas.requests_per_minute is None:
            return None
        return await run_in_threadpool(self._counter.count, tenant_id, quotas.requests_per_minute)


def _saying(standing: Standing, send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            headers["RateLimit-Policy"] = f'"{POLICY}";q={standing.limit};w={WINDOW_S}'
            headers["RateLimit"] = f'"{POLICY}";r={standing.remaining};t={standing.reset_s}'
        await send(message)

    return with_headers
