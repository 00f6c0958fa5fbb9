"""Who is asking: the gate in front of all routes, and the scope that a route needs."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPBearer, SecurityScopes
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import Forbidden, problem, unavailable
from api.keyless import refusal
from orchestration.keys import KeyRing
from orchestration.settings import Settings
from pipeline.errors import MachineryFailed
from pipeline.job import DEFAULT_TENANT
from pipeline.keys import ApiKey, KeyScope

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""For probes, which have no key."""

SCHEME_NAME = "ApiKey"
_SCHEME = HTTPBearer(
    scheme_name=SCHEME_NAME,
    bearerFormat="psk_<prefix>_<secret>",
    description="A key made by `penstock keys create`. Not needed where the API listens on loopback only.",
    auto_error=False,
)
Shown = Annotated[object, Security(_SCHEME)]
"""Of a dependency: puts the scheme into the OpenAPI description of the routes that have it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking, and what for they may."""

    tenant_id: str
    scopes: frozenset[KeyScope]
    key: ApiKey | None = None


ANYBODY = Caller(DEFAULT_TENANT, frozenset(KeyScope))
"""Whoever reaches an API that needs no keys."""


class Gate:
    """ASGI middleware: lets in who shows a valid key, or needs none. Nothing of a stranger's body is read."""

    def __init__(self, app: ASGIApp, *, ring: KeyRing, settings: Settings) -> None:
        self._app = app
        self._ring = ring
        self._needs_key = settings.api_needs_key
        self._is_local = settings.api_is_local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        caller = await self._judged(scope["method"], Headers(scope=scope))
        if isinstance(caller, Response):
            await caller(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)
        if caller.key is not None and self._ring.must_note(caller.key):
            await run_in_threadpool(self._ring.note_use, caller.key)

    async def _judged(self, method: str, headers: Headers) -> Caller | Response:
        """Who it is, or the answer for those who may not come in. A key that is shown has to be valid everywhere."""
        text = _shown_key(headers)
        if text is not None:
            return await self._holder(text)
        if self._needs_key:
            return _unauthorized("An API key is needed: send it as `Authorization: Bearer psk_…`.")
        return refusal(method, headers, is_local=self._is_local) or ANYBODY

    async def _holder(self, text: str) -> Caller | Response:
        try:
            if self._ring.must_read(text):
                await run_in_threadpool(self._ring.read, text)
        except MachineryFailed as error:
            return unavailable(error)
        key = self._ring.valid(text)
        if key is None:
            return _unauthorized("The API key is not valid: it is unknown, expired or revoked.")
        return Caller(key.tenant_id, key.scopes, key)


def require(caller: Caller, scope: KeyScope) -> None:
    """Raise `Forbidden` unless the caller has this scope."""
    if scope not in caller.scopes:
        raise Forbidden(scope)


def caller_of(request: Request) -> Caller:
    """Who the gate has let in."""
    caller: Caller = request.state.caller
    return caller


async def _check_scopes(needed: SecurityScopes, request: Request, _shown: Shown) -> None:
    for scope in needed.scopes:
        require(caller_of(request), KeyScope(scope))


MAY_READ = Security(_check_scopes, scopes=[KeyScope.READ])
"""Dependency of a route: refuses callers without this scope, and puts it into the OpenAPI description."""
MAY_SUBMIT = Security(_check_scopes, scopes=[KeyScope.SUBMIT])
MAY_ADMIN = Security(_check_scopes, scopes=[KeyScope.ADMIN])


def _shown_key(headers: Headers) -> str | None:
    """What is sent as a bearer token; other schemes are between the client and a proxy."""
    scheme, _, text = headers.get("authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else None


def _unauthorized(detail: str) -> Response:
    return problem(401, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})
