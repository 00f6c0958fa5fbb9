"""Telling the open web: one POST to a public address, no redirects, and no more of the answer than its head."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import httpcore
import httpx

from orchestration.outbound.guard import AddressRules, Allowed
from orchestration.outbound.http import CODE_OF_ERROR, explain
from orchestration.outbound.network import Pace, PacedBackend, Resolve, resolve, tls_context
from orchestration.outbound.transport import PoolTransport
from stages.contract import Scope
from stages.web import origin_of

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]


class GuardedPost:
    """Posts by the same rules as pages are fetched.

    - `user_agent`: sent with every request.
    - `allow_networks`: networks and names of hosts that are reachable although not public, on any port; default none.
    - `timeout_s`: for all of a request, from name resolution to the head of the answer; default 10.
    - `ca_file`: PEM file of further certificate authorities; default none.
    - `resolve`: `(host, port) -> addresses`, raising OSError; default the system's resolver.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        allow_networks: Sequence[Allowed] = (),
        timeout_s: float = TIMEOUT_S,
        ca_file: str | None = None,
        resolve: Resolve = resolve,
    ) -> None:
        self._user_agent = user_agent
        self._rules = AddressRules(tuple(allow_networks))
        self._timeout_s = timeout_s
        self._ca_file = ca_file
        self._resolve = resolve

    def post(self, url: str, body: bytes, headers: Mapping[str, str], scope: Scope) -> Answer:
        """Post JSON once. Raises `StageError` with one of the fetch codes; every status is an answer."""
        origin_of(url)
        try:
            with PoolTransport(self._pool(scope)) as transport:
                return self._send(transport, url, body, headers)
        except tuple(CODE_OF_ERROR) as error:
            raise explain(error) from error

    def _pool(self, scope: Scope) -> httpcore.ConnectionPool:
        pace = Pace(scope, scope.clock.monotonic() + self._timeout_s)
        backend = PacedBackend(pace, self._rules.require, self._resolve)
        return httpcore.ConnectionPool(ssl_context=tls_context(self._ca_file), network_backend=backend)

    def _send(self, transport: PoolTransport, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        about = {"Content-Type": "application/json", "User-Agent": self._user_agent, **headers}
        request = httpx.Request("POST", url, headers=about, content=body)
        with closing(transport.handle_request(request)) as response:
            return Answer(response.status_code, dict(response.headers))
