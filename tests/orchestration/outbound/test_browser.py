"""A real Chromium: what it makes of pages, what it can reach, and how it ends."""

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import psutil
import pytest
import trustme

from orchestration.outbound import browser_proxy
from orchestration.outbound.browser import BrowserLimits, Chromium
from orchestration.outbound.guard import Address
from pipeline.clock import SystemClock
from stages.contract import Cancelled, CancelToken, Fetched, Permanent, Scope, StageError
from tests.support.chromium import chromium_path
from tests.support.origin import Origin, Reply
from tests.support.waiting import until

HOST = "page.test"
"""The one host that may be reached; it is this machine."""
CLOCK = SystemClock()
PUBLIC, INSIDE = ip_address("93.184.215.14"), ip_address("127.0.0.1")


@pytest.fixture(scope="module")
def executable() -> Path:
    return chromium_path()


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as server:
        yield server


@pytest.fixture
def canary() -> Iterator[Origin]:
    """Must never be asked for anything."""
    with Origin(default=Reply(headers={"Access-Control-Allow-Origin": "*"})) as server:
        yield server


class Names:
    """A resolver under the control of an attacker: `rebind.test` is public at first and inside from then on."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, host: str, _port: int) -> tuple[Address, ...]:
        self.asked.append(host)
        if host == "rebind.test":
            return (PUBLIC,) if self.asked.count(host) == 1 else (INSIDE,)
        if host == "mixed.test":
            return (PUBLIC, INSIDE)
        if host in {HOST, "inside.test", "localhost"}:
            return (INSIDE,)
        try:
            return (ip_address(host),)
        except ValueError:
            raise OSError(host) from None


def browser(executable: Path, limits: dict[str, Any] | None = None, **options: Any) -> Chromium:
    bounds = BrowserLimits(**{"total_timeout_s": 40.0, **(limits or {})})
    allowed = {"allow_networks": (HOST,), "resolve": Names(), "sandbox": os.geteuid() != 0}
    return Chromium(executable, user_agent="Penstock/test", limits=bounds, **{**allowed, **options})


def scope(seconds: float = 60.0, token: CancelToken | None = None) -> Scope:
    return Scope(CLOCK, CLOCK.monotonic() + seconds, token or CancelToken())


def render(made: Chromium, url: str, **about: Any) -> Fetched:
    return made.render(url, scope(**about))


def failure(made: Chromium, url: str, **about: Any) -> str:
    with pytest.raises(StageError) as caught:
        render(made, url, **about)
    return caught.value.code


def browsers() -> list[psutil.Process]:
    """Those that this process started, by now."""
    return [each for each in psutil.Process().children(recursive=True) if "chrom" in each.name()]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    until(lambda: not browsers(), within_s=10, what="the end of all browsers")


def script(code: str, body: str = '<div id="x"></div>') -> Reply:
    return Reply(body=f"<!doctype html><title>t</title><body>{body}<script>{code}</script></body>")


@pytest.mark.full
def test_scripts_run_and_what_they_make_is_read(executable: Path, origin: Origin) -> None:
    origin.on("/data", Reply(body="Grüße vom Skript", content_type="text/plain; charset=utf-8"))
    origin.on("/", script("fetch('/data').then(r => r.text()).then(t => { document.all.x.innerText = t })"))
    answer = render(browser(executable), origin.url("/?a=b", HOST))
    assert '<div id="x">Grüße vom Skript</div>' in answer.body.decode()
    assert (answer.status, answer.url, answer.redirects) == (200, origin.url("/?a=b", HOST), ())
    assert origin.requests("/")[0].headers["user-agent"] == "Penstock/test"
    assert answer.wire_bytes > 100


@pytest.mark.full
def test_redirects_and_statuses_are_told(executable: Path, origin: Origin) -> None:
    origin.on("/from", Reply(302, headers={"Location": "/gone"}))
    origin.on("/gone", Reply(404))
    answer = render(browser(executable), origin.url("/from", HOST))
    assert (answer.status, answer.url) == (404, origin.url("/gone", HOST))
    assert answer.redirects == (origin.url("/from", HOST),)


@pytest.mark.full
@pytest.mark.parametrize("way", ["location", "script"])
def test_a_page_does_not_go_on_to_what_may_not_be_visited(executable: Path, origin: Origin, way: str) -> None:
    def may_follow(url: str, _scope: Scope) -> None:
        asked.append(url)
        if url.endswith("/private"):
            raise Permanent("robots_denied")

    asked: list[str] = []
    pages = {"location": Reply(302, headers={"Location": "/private"}), "script": script("location = '/private'")}
    frame = Reply(body="<iframe src='/private?embedded'></iframe><script src='/private?script'></script>")
    origin.on("/", pages[way])
    made = browser(executable, may_follow=may_follow)
    assert failure(made, origin.url("/", HOST)) == "robots_denied"
    assert asked == [origin.url("/", HOST), origin.url("/private", HOST)]
    assert origin.hits("/private") == 0
    origin.on("/", frame)
    assert render(made, origin.url("/", HOST)).status == 200
    assert origin.hits("/private") == 2


@pytest.mark.full
def test_a_certificate_that_nobody_vouches_for_has_its_code(executable: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    with Origin(tls=context) as secured:
        assert failure(browser(executable), secured.url("/", HOST)) == "tls_failure"


@pytest.mark.full
def test_no_command_line_shows_the_password_of_the_proxy(
    executable: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    origin.on("/", Reply(delay_s=3))
    monkeypatch.setattr(browser_proxy, "token_urlsafe", lambda _size: "sesame")

    def look() -> None:
        until(lambda: origin.hits("/"), within_s=30, what="a request")
        seen.extend(" ".join(each.cmdline()) for each in psutil.Process().children(recursive=True))

    looking = threading.Thread(target=look)
    looking.start()
    render(browser(executable), origin.url("/", HOST))
    looking.join()
    assert any("--proxy-server=http://127.0.0.1" in line for line in seen)
    assert not any("sesame" in line for line in seen)


ATTEMPTS = """
const tried = [];
const note = name => { tried.push(name); document.getElementById('x').innerText = tried.join(' '); };
const urls = %s;
const work = [];
for (const url of urls) {
  work.push(fetch(url, {mode: 'no-cors'}).then(() => note('reached'), () => note('fetch')));
  work.push(new Promise(done => {
    const socket = new WebSocket(url.replace('http', 'ws'));
    socket.onerror = socket.onclose = () => { note('socket'); done(); };
  }));
  for (const [tag, attribute] of [['img', 'src'], ['iframe', 'src'], ['script', 'src'], ['link', 'href'],
                                  ['video', 'src'], ['object', 'data']]) {
    const element = document.createElement(tag);
    if (tag === 'link') element.rel = 'stylesheet';
    element[attribute] = url;
    document.body.append(element);
  }
  navigator.sendBeacon(url, 'x');
}
for (const secret of ['file:///etc/passwd']) {
  work.push(fetch(secret).then(() => note('read'), () => note('file')));
  const frame = document.createElement('iframe');
  frame.src = secret;
  document.body.append(frame);
}
try {
  const peer = new RTCPeerConnection({iceServers: [{urls: 'stun:127.0.0.1:%d'}]});
  peer.createDataChannel('x');
  peer.createOffer().then(offer => peer.setLocalDescription(offer));
} catch (error) { note('rtc'); }
navigator.serviceWorker?.register('/worker.js').then(() => note('worker'), () => note('unserved'));
Promise.all(work).then(() => note('over'));
"""


def targets(canary: Origin) -> list[str]:
    names = ("inside.test", "rebind.test", "mixed.test", "localhost")
    hosts = (*names, "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433")
    return [canary.url("/canary", host) for host in hosts]


def test_nothing_leads_inside(executable: Path, origin: Origin, canary: Origin) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp:
        udp.bind(("127.0.0.1", 0))
        origin.on("/", script(ATTEMPTS % (targets(canary), udp.getsockname()[1])))
        text = render(browser(executable), origin.url("/", HOST)).body.decode()
        said = text.partition('<div id="x">')[2].partition("</div>")[0].split()
        udp.setblocking(False)
        with pytest.raises(BlockingIOError):
            udp.recv(1)
    assert said.count("fetch") == len(targets(canary))
    assert said.count("socket") >= len(targets(canary))
    assert "over" in said
    assert not {"reached", "read", "worker"} & set(said)
    assert canary.requests("/canary") == []


def test_the_canary_would_be_hit_if_it_could(executable: Path, origin: Origin, canary: Origin) -> None:
    origin.on("/", script(ATTEMPTS % ([canary.url("/canary")], 9)))
    open_to_all = browser(executable, allow_networks=(ip_network("127.0.0.0/8"),))
    text = render(open_to_all, origin.url("/", HOST)).body.decode()
    assert "reached" in text
    assert canary.hits("/canary") >= 3
    assert "websocket" in {seen.headers.get("upgrade") for seen in canary.requests("/canary")}


@pytest.mark.full
@pytest.mark.parametrize("way", ["location", "meta", "script", "form"])
def test_no_way_on_leads_inside(executable: Path, origin: Origin, canary: Origin, way: str) -> None:
    url = canary.url("/canary", "inside.test")
    pages = {
        "location": Reply(302, headers={"Location": url}),
        "meta": Reply(body=f'<meta http-equiv="refresh" content="0;url={url}"><p>words'),
        "script": script(f"location = '{url}'"),
        "form": script("document.forms[0].submit()", f'<form method="post" action="{url}"></form>'),
    }
    origin.on("/", pages[way])
    made = browser(executable)
    if way == "location":
        assert failure(made, origin.url("/", HOST)) == "blocked_address"
    else:
        with suppress(StageError):
            render(made, origin.url("/", HOST))
    assert canary.requests("/canary") == []


@pytest.mark.full
@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://inside.test/", "blocked_address"),
        ("http://127.0.0.1:{port}/", "blocked_address"),
        ("https://inside.test/", "blocked_address"),
        ("http://unknown.test/", "dns_failure"),
        ("file:///etc/passwd", "unsupported_scheme"),
        ("http://user@page.test/", "invalid_url"),
        ("chrome://version", "unsupported_scheme"),
    ],
)
def test_what_cannot_be_reached_has_the_code_it_has_without_a_browser(
    executable: Path, origin: Origin, url: str, code: str
) -> None:
    assert failure(browser(executable), url.format(port=origin.port)) == code


@pytest.mark.full
def test_a_script_without_end_is_stopped(executable: Path, origin: Origin) -> None:
    origin.on("/", script("setTimeout(() => { for (;;); }, 50)"))
    made = browser(executable, {"total_timeout_s": 8.0})
    assert failure(made, origin.url("/", HOST)) == "render_timeout"
    origin.on("/", Reply(body="<p>still here"))
    assert render(made, origin.url("/", HOST)).status == 200


@pytest.mark.full
def test_a_cancelled_job_stops_its_browser(executable: Path, origin: Origin) -> None:
    token = CancelToken()
    origin.on("/", script("setTimeout(() => { for (;;); }, 50)"))
    threading.Thread(
        target=lambda: until(lambda: origin.hits("/"), within_s=30, what="a request") and token.cancel()
    ).start()
    with pytest.raises(Cancelled):
        render(browser(executable), origin.url("/", HOST), token=token)


@pytest.mark.full
def test_a_browser_that_is_killed_fails_its_attempt_only(executable: Path, origin: Origin) -> None:
    origin.on("/", Reply(delay_s=20))

    def kill() -> None:
        until(lambda: origin.hits("/"), within_s=30, what="a request")
        for process in browsers():
            process.kill()

    threading.Thread(target=kill).start()
    made = browser(executable)
    assert failure(made, origin.url("/", HOST)) == "render_crashed"
    origin.on("/", Reply(body="<p>again"))
    assert render(made, origin.url("/", HOST)).status == 200


@pytest.mark.full
@pytest.mark.full
@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"max_bytes": 100_000}, "too_large"),
        ({"max_requests": 5}, "too_large"),
        ({"max_decoded_bytes": 1000}, "too_large"),
        ({"max_memory_bytes": 10_000_000}, "render_memory"),
    ],
)
def test_a_page_is_held_to_its_bounds(executable: Path, origin: Origin, limits: dict[str, int], code: str) -> None:
    origin.on("/big", Reply(raw=b"x" * 1000, repeat=1000, content_type="text/plain"))
    many = "for (let n = 0; n < 20; n++) fetch('/big?' + n);"
    origin.on(
        "/", script(many + "document.getElementById('x').innerText = 'x'.repeat(5000); setTimeout(() => {}, 9000)")
    )
    assert failure(browser(executable, limits), origin.url("/", HOST)) == code


def test_a_download_is_no_page(executable: Path, origin: Origin) -> None:
    headers = {"Content-Disposition": "attachment; filename=a.zip"}
    origin.on("/", Reply(body="PK", content_type="application/zip", headers=headers))
    assert failure(browser(executable), origin.url("/", HOST)) == "unsupported_media_type"
