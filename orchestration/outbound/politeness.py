"""The client and the browser for pages: as fast as a host can bear, and only where it wants visitors.

Nobody waits here. Who may not visit a host yet is told when he may (`Awaited`), and his message comes back then.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address

from orchestration.outbound.guard import Allowed
from orchestration.outbound.hosts import HostPace, HostStates
from orchestration.outbound.robots import Robots
from stages.contract import Awaited, Browser, Fetched, Http, Scope, Validators
from stages.web import origin_of, retry_after_s

LEASE_MARGIN_S = 5.0
ASKING_FOR_PATIENCE = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


@dataclass(frozen=True, slots=True)
class Manners:
    """How hosts are visited that do not say how.

    - `pace`: of hosts on the open web. Those an operator allowed by name or network are the operator's own: only what
      they say themselves counts, in robots.txt and by Retry-After.
    - `own`: these hosts and networks.
    """

    pace: HostPace
    own: tuple[Allowed, ...] = ()

    def pace_of(self, host: str, crawl_delay_s: float) -> HostPace:
        """The pace of a host whose robots.txt asks for this delay."""
        pace = HostPace() if self._is_own(host) else self.pace
        return HostPace(max(pace.interval_s, crawl_delay_s), pace.most)

    def _is_own(self, host: str) -> bool:
        if host in self.own:
            return True
        try:
            address = ip_address("127.0.0.1" if host == "localhost" else host)
        except ValueError:
            return False
        return any(address in network for network in self.own if not isinstance(network, str))


class Etiquette:
    """Admits visitors to hosts, one page at a time."""

    def __init__(self, robots: Robots, states: HostStates, manners: Manners) -> None:
        self._robots = robots
        self._states = states
        self._manners = manners

    def visit(self, url: str, scope: Scope, get: Callable[[], Fetched]) -> Fetched:
        """Get a page on behalf of the scope's visitor, when it is his turn.

        Raises what `get` raises, `Permanent` with `robots_denied`, `Postponed` with `robots_unavailable`, and
        `Awaited` with `host_busy` where it is not the visitor's turn yet; the turn is kept for him.
        """
        crawl_delay_s = self._robots.welcome(url, scope)
        host = _host_of(url)
        with self._turn(host, self._manners.pace_of(origin_of(url).host, crawl_delay_s), scope):
            answer = get()
        self._heed(answer, scope)
        return answer

    @contextmanager
    def _turn(self, host: str, pace: HostPace, scope: Scope) -> Iterator[None]:
        visitor = scope.visitor
        delay_s = self._states.enter(host, visitor, pace, scope.remaining_s() + LEASE_MARGIN_S)
        if delay_s > 0:
            raise Awaited("host_busy", delay_s=delay_s)
        began = scope.clock.monotonic()
        try:
            yield
        finally:
            if pace.most:
                self._states.leave(host, visitor, scope.clock.monotonic() - began)

    def _heed(self, answer: Fetched, scope: Scope) -> None:
        """Have all workers wait where a host asks one of them to."""
        delay_s = retry_after_s(answer.headers, scope.clock.now())
        if answer.status in ASKING_FOR_PATIENCE and delay_s:
            self._states.hold(_host_of(answer.url), delay_s)


class PoliteHttp:
    """Implements `stages.contract.Http` for pages. `http` is to ask about redirects itself."""

    def __init__(self, http: Http, etiquette: Etiquette) -> None:
        self._http = http
        self._etiquette = etiquette

    def get(self, url: str, scope: Scope, validators: Validators | None = None) -> Fetched:
        """GET a URL when it is the visitor's turn. Raises what the client and `Etiquette.visit` raise."""
        return self._etiquette.visit(url, scope, lambda: self._http.get(url, scope, validators))


class PoliteBrowser:
    """Implements `stages.contract.Browser`. What a page loads belongs to the visit that the page is.

    - `browser`: is to ask about redirects itself.
    """

    def __init__(self, browser: Browser, etiquette: Etiquette) -> None:
        self._browser = browser
        self._etiquette = etiquette

    def render(self, url: str, scope: Scope) -> Fetched:
        """Load a page when it is the visitor's turn. Raises what the browser and `Etiquette.visit` raise."""
        return self._etiquette.visit(url, scope, lambda: self._browser.render(url, scope))


def _host_of(url: str) -> str:
    """What turns are kept by.

    >>> _host_of("https://Example.org./a")
    'example.org:443'
    """
    origin = origin_of(url)
    return f"{origin.host.rstrip('.')}:{origin.port}"
