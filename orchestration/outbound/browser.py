"""A headless Chromium for pages that need scripts: a new one for each page, held to bounds, and killed at the end.

What a page does stays in its attempt: no cookies, no storage, no process of it is left for the next one. Launching
costs about half a second, which is little beside what pages that need scripts take.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.outbound.browser_course import Course
from orchestration.outbound.browser_proxy import GuardedProxy, ProxyLimits
from orchestration.outbound.browser_watch import Watch
from orchestration.outbound.guard import WEB_PORTS, AddressRules, Allowed
from orchestration.outbound.http import MayFollow
from orchestration.outbound.network import Pace, Resolve, resolve
from stages.contract import Fetched, Permanent, Scope, StageError, Transient
from stages.web import origin_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Response

ARGUMENTS = (
    # nothing past the proxy
    "--proxy-bypass-list=<-loopback>",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--disable-quic",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--dns-prefetch-disable",
    "--no-pings",
    # nothing on its own account
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--metrics-recording-only",
    # nothing that is not read
    "--autoplay-policy=user-gesture-required",
    "--blink-settings=imagesEnabled=false",
    "--deny-permission-prompts",
    "--disable-gpu",
    "--mute-audio",
    "--disable-dev-shm-usage",
)
LAUNCH_TIMEOUT_S = 20.0
SETTLE_S = 3.0
"""How long a page that has loaded may go on loading before it is taken as it is."""
MAX_MOVES = 5
"""How often a page may go on to another one while it is read."""
SERIALIZE = "max => { const text = document.documentElement.outerHTML; return text.length > max ? null : text; }"


@dataclass(frozen=True, slots=True)
class BrowserLimits:
    """What one page may take."""

    total_timeout_s: float = 45.0
    max_bytes: int = 50 * 2**20
    """Of all it loads, as transferred."""
    max_requests: int = 500
    max_decoded_bytes: int = 20 * 2**20
    """Of the document in the end, in characters of UTF-16."""
    max_memory_bytes: int = 2 * 2**30
    """Of all processes of its browser."""


@dataclass(frozen=True, slots=True)
class _Visit:
    """One page that is being loaded."""

    url: str
    scope: Scope
    proxy: GuardedProxy
    watch: Watch
    course: Course

    @property
    def why(self) -> StageError | None:
        """Why it was stopped."""
        return self.watch.why or self.course.refusal


class Chromium:
    """Implements `stages.contract.Browser`.

    - `sandbox`: Chromium's own; it cannot be had by root, nor where user namespaces are forbidden.
    - `may_follow`: asked about each URL that the page itself is loaded from, those it is redirected to and those its
      scripts go on to among them; raises to refuse it. Default: all of them.
    """

    def __init__(
        self,
        executable: Path,
        *,
        user_agent: str,
        limits: BrowserLimits | None = None,
        allow_networks: Sequence[Allowed] = (),
        allow_ports: frozenset[int] = WEB_PORTS,
        sandbox: bool = True,
        resolve: Resolve = resolve,
        may_follow: MayFollow = lambda _url, _scope: None,
    ) -> None:
        self._executable = executable
        self._user_agent = user_agent
        self._limits = limits or BrowserLimits()
        self._rules = AddressRules(tuple(allow_networks), allow_ports)
        self._sandbox = sandbox
        self._resolve = resolve
        self._may_follow = may_follow

    def render(self, url: str, scope: Scope) -> Fetched:
        """Load a page, let its scripts run, and return the document as they left it.

        Raises `StageError` with a fetch code, `render_timeout`, `render_memory` or `render_crashed`.
        """
        origin_of(url)
        deadline = scope.clock.monotonic() + self._limits.total_timeout_s
        pace = Pace(scope, deadline)
        limits = ProxyLimits(self._limits.max_bytes, self._limits.max_requests)
        proxy = GuardedProxy(self._rules, pace, limits, self._resolve)
        watch = Watch(scope, deadline, self._limits.max_memory_bytes, lambda: proxy.traffic.is_too_much)
        with proxy.open():
            return self._explained(_Visit(url, scope, proxy, watch, Course(self._may_follow, scope)))

    def _explained(self, visit: _Visit) -> Fetched:
        from playwright.sync_api import Error

        try:
            fetched = self._rendered(visit)
        except Error as error:
            raise visit.why or _unreached(error, visit.proxy) or _meaning(error) from error
        except StageError as error:
            raise visit.why or error from error
        if visit.why is not None:
            raise visit.why
        return fetched

    def _rendered(self, visit: _Visit) -> Fetched:
        from playwright.sync_api import sync_playwright

        visit.scope.check()
        opened = sync_playwright()
        with opened as playwright:
            browser = playwright.chromium.launch(
                executable_path=self._executable,
                args=list(ARGUMENTS),
                chromium_sandbox=self._sandbox,
                proxy={**visit.proxy.access, "bypass": "<-loopback>"},
                timeout=LAUNCH_TIMEOUT_S * 1000,
                env=_environment(),
                handle_sigint=False,
                handle_sigterm=False,
                handle_sighup=False,
            )
            with visit.watch.over(_process_group(browser), _driver(opened)):
                return self._loaded(self._context(browser).new_page(), visit)

    def _context(self, browser: "Browser") -> "BrowserContext":
        return browser.new_context(
            user_agent=self._user_agent, accept_downloads=False, service_workers="block", permissions=[]
        )

    def _loaded(self, page: "Page", visit: _Visit) -> Fetched:
        from playwright.sync_api import TimeoutError as TooLate

        page.on("dialog", lambda dialog: dialog.dismiss())
        visit.course.guard(page)
        timeout_ms = min(visit.scope.remaining_s(), self._limits.total_timeout_s) * 1000
        response = page.goto(visit.url, wait_until="domcontentloaded", timeout=timeout_ms)
        with suppress(TooLate):
            page.wait_for_load_state("networkidle", timeout=SETTLE_S * 1000)
        if response is None:
            raise Permanent("http_unexpected")
        if refusal := _refusal(response.url, visit.proxy):
            raise refusal
        return self._fetched(page, response, visit.proxy)

    def _document(self, page: "Page") -> str | None:
        """What the page is now; None where that is too long. It may just be going on to another one."""
        from playwright.sync_api import Error

        for _ in range(MAX_MOVES):
            try:
                text: str | None = page.evaluate(SERIALIZE, self._limits.max_decoded_bytes)
            except Error as error:
                if "context was destroyed" not in str(error):
                    raise
                page.wait_for_load_state("domcontentloaded")
            else:
                return text
        raise Permanent("too_many_redirects", "The page's scripts lead on and on.")

    def _fetched(self, page: "Page", response: "Response", proxy: GuardedProxy) -> Fetched:
        text = self._document(page)
        if text is None:
            raise Permanent("too_large", "The document is larger than the limit once its scripts have run.")
        return Fetched(
            url=page.url if page.url.startswith(("http://", "https://")) else response.url,
            status=response.status,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=f"<!DOCTYPE html>\n{text}".encode(errors="replace"),
            wire_bytes=proxy.traffic.received_bytes,
            redirects=_redirects(response),
        )


def _driver(opened: Any) -> int:
    """The process that Playwright speaks to, which it does not name."""
    return int(opened._client._transport._proc.pid)


def _process_group(browser: "Browser") -> int:
    """Playwright starts each browser as the leader of a group of its own."""
    known: dict[str, Any] = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
    pid = next(int(each["id"]) for each in known["processInfo"] if each["type"] == "browser")
    if os.getpgid(pid) == os.getpgid(0):
        raise Transient("render_crashed", "The browser does not run in a process group of its own.")
    return os.getpgid(pid)


def _refusal(url: str, proxy: GuardedProxy) -> StageError | None:
    """Why the proxy did not reach the host of a page."""
    origin = origin_of(url)
    return proxy.traffic.refused.get((origin.host, origin.port))


def _unreached(error: Exception, proxy: GuardedProxy) -> StageError | None:
    """Why the proxy did not reach the host that the page, or a redirect of it, leads to."""
    if "net::ERR_" not in str(error) or _is_tls(error):
        return None
    return next(reversed(proxy.traffic.refused.values()), None)


def _is_tls(error: Exception) -> bool:
    """Whether a host was reached whose TLS is no good; Chromium may ask others of its own accord then, in vain."""
    return "ERR_CERT" in str(error) or "ERR_SSL" in str(error)


def _meaning(error: Exception) -> StageError:
    """Of an error of Playwright's, whose text names what Chromium calls it."""
    said = str(error)
    if "Download is starting" in said or "ERR_ABORTED" in said:
        return Permanent("unsupported_media_type")
    if _is_tls(error):
        return Permanent("tls_failure")
    if "ERR_TOO_MANY_REDIRECTS" in said:
        return Permanent("too_many_redirects")
    if "Timeout" in said or "ERR_TIMED_OUT" in said:
        return Transient("render_timeout")
    if "net::ERR_" in said:
        return Transient("protocol_error")
    return Transient("render_crashed")


def _redirects(response: "Response") -> tuple[str, ...]:
    """The URLs that led to an answer, the first one first."""
    visited: list[str] = []
    request = response.request.redirected_from
    while request is not None:
        visited.append(request.url)
        request = request.redirected_from
    return tuple(reversed(visited))


def _environment() -> dict[str, str | float | bool]:
    """No proxies, keys or settings of ours."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "TZ") if name in os.environ}
