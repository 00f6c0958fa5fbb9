"""What a URL, a name server or a redirect may try in order to reach the inside, against the real clients.

Two servers listen on loopback: a canary, which nothing may ever reach, and one that stands for the open web. Every
connection that this process tries is watched as well, for addresses where no canary can sing.
"""

import re
import sys
from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network
from itertools import chain
from typing import Any

import pytest

from orchestration.outbound.guard import Address
from orchestration.outbound.http import GuardedHttp, HttpLimits
from orchestration.outbound.post import GuardedPost
from pipeline.clock import SystemClock
from stages.contract import Scope, StageError
from tests.orchestration.outbound.test_guard import NOT_PUBLIC
from tests.support.origin import Origin, Reply

CLOCK = SystemClock()
WEB = ip_network("127.0.0.2/32")
"""Where the server listens that stands for the open web."""
LIMITS = HttpLimits(connect_timeout_s=1, read_timeout_s=1, total_timeout_s=4)
REFUSED = {"blocked_address", "blocked_port", "invalid_url", "unsupported_scheme", "dns_failure"}
INTERNAL = re.compile(r"\b(?:10|127|169|172|192)\.\d+\.\d+\.\d+|::1\b|fe80|fd00")

LOOPBACK_SPELLINGS = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7F000001",
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "0177.0.0.1",
    "0177.0.0.01",
    "127.0x0.0.1",
    "00000177.1",
    "0",
    "0.0.0.0",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "localhost..",
    "ip6-localhost",
    "１２７.０.０.１",
    "127。0。0。1",
    "127．0．0．1",
    "①②⑦.⓪.⓪.①",
    "ｌｏｃａｌｈｏｓｔ",
    "local\u00adhost",
    "localhost\u3002",
    "%31%32%37.0.0.1",
    "127.0.0.1%00",
    "127.0.0.1%00.example.org",
    "127.0.0.1%2eexample.org",
    "%6cocalhost",
    "[::1]",
    "[::1%25lo]",
    "[::1%lo]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[v1.127]",
    "[127.0.0.1]",
    "::1",
]
WHOLE_URLS = [
    "http://user@{canary}/",
    "http://user:secret@{canary}/",
    "http://@{canary}/",
    "http://1.1.1.1@{canary}/",
    "http://1.1.1.1 @{canary}/",
    "http://1.1.1.1&@{canary}/",
    "http://10.0.0.1#@{canary}/",
    "http://{canary}#@1.1.1.1/",
    "http://{canary}\\@1.1.1.1/",
    "http://{canary}?@1.1.1.1/",
    "http:\\\\{canary}/",
    "http:/{canary}/",
    "http:{canary}/",
    "//{canary}/",
    "{canary}",
    "http:///{canary}/",
    " http://{canary}/",
    "http://{canary}/\r\nHost: example.org",
    "http://{canary}\t/",
    "http://\x00{canary}/",
    "http://{canary}\x7f/",
    "ht\ntp://{canary}/",
    "HTTP://{canary}/",
    "https://{canary}/",
    "ftp://{canary}/",
    "gopher://{canary}/_x",
    "file://{canary}/etc/passwd",
    "file:///etc/passwd",
    "ws://{canary}/",
    "dict://{canary}/x",
    "unix:///run/redis.sock",
    "http+unix://%2Frun%2Fredis.sock/",
    "view-source:http://{canary}/",
    "jar:http://{canary}/!/",
    "http://{canary}:80/",
    "http://127.0.0.1:+80/",
    "http://127.0.0.1:８０/",
    "http://127.0.0.1:0x50/",
    "http://127.0.0.1:/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://100.100.100.200/latest/meta-data/",
    "http://192.0.0.192/opc/v2/instance/",
    "http://168.63.129.16/machine?comp=goalstate",
    "http://metadata.google.internal/computeMetadata/v1/",
]
DNS_ANSWERS = [
    *([address] for address in NOT_PUBLIC),
    ["93.184.215.14", "127.0.0.1"],
    ["127.0.0.1", "93.184.215.14"],
    ["93.184.215.14", "::1"],
    ["2606:4700::1", "10.0.0.1"],
    ["2606:4700::1", "93.184.215.14", "fe80::1"],
    ["93.184.215.14", "::ffff:127.0.0.1"],
]
LOCATIONS = [
    "http://{canary}/",
    "//{canary}/",
    "http://localhost:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f.1:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://inside.test:{port}/",
    "https://{canary}/",
    "ftp://{canary}/",
    "file:///etc/passwd",
    "javascript:fetch('http://{canary}/')",
    "data:text/html,x",
    "http://user:secret@{canary}/",
    "http://web.test:6379/",
    "http://10.0.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::1]:{port}/",
    "http://[::1%25lo]:{port}/",
    "http://1.1.1.1:25/",
]

_tried: list[Any] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and _tried is not None:
        _tried.append(arguments[1])


sys.addaudithook(_watch)


@pytest.fixture(scope="module")
def canary() -> Iterator[Origin]:
    with Origin() as server:
        yield server
        assert server.all_hits() == 0


@pytest.fixture(scope="module")
def web() -> Iterator[Origin]:
    with Origin(host="127.0.0.2") as server:
        yield server


@pytest.fixture
def tried() -> Iterator[list[Any]]:
    """The addresses that were dialled."""
    global _tried  # noqa: PLW0603  # an audit hook cannot be taken away again
    _tried = []
    yield _tried
    _tried = None


def scope() -> Scope:
    return Scope(CLOCK, CLOCK.monotonic() + 20)


def get(url: str, **options: Any) -> int:
    return GuardedHttp(user_agent="test", limits=LIMITS, **options).get(url, scope()).status


def post(url: str, **options: Any) -> int:
    return GuardedPost(user_agent="test", timeout_s=4, **options).post(url, b"{}", {}, scope()).status


def answering(*answers: list[str]) -> Callable[[str, int], tuple[Address, ...]]:
    """A name server that says something else each time; the last answer stays."""
    left = list(answers)

    def resolve(_host: str, _port: int) -> tuple[Address, ...]:
        answer = left.pop(0) if len(left) > 1 else left[0]
        return tuple(ip_address(address) for address in answer)

    return resolve


def assert_refused(call: Callable[[], object]) -> None:
    with pytest.raises(StageError) as caught:
        call()
    assert caught.value.code in REFUSED
    assert not INTERNAL.search(str(caught.value))
    assert "secret" not in str(caught.value)


def outside(url: str, canary: Origin) -> str:
    return url.replace("{canary}", f"127.0.0.1:{canary.port}").replace("{port}", str(canary.port))


def test_the_table_is_long() -> None:
    assert len(set(chain(LOOPBACK_SPELLINGS, WHOLE_URLS, map(str, DNS_ANSWERS), LOCATIONS))) >= 150


def test_the_canary_sings_when_it_is_reached(tried: list[Any]) -> None:
    with Origin() as another:
        assert get(another.url("/"), allow_networks=[ip_network("127.0.0.1/32")]) == 200
        assert another.all_hits() == 1
        assert ("127.0.0.1", another.port) in tried


@pytest.mark.parametrize("ask", [get, post])
@pytest.mark.parametrize("host", LOOPBACK_SPELLINGS)
def test_no_spelling_of_loopback_is_dialled(host: str, ask: Any, canary: Origin, tried: list[Any]) -> None:
    assert_refused(lambda: ask(f"http://{host}:{canary.port}/"))
    assert tried == []


@pytest.mark.parametrize("ask", [get, post])
@pytest.mark.parametrize("url", WHOLE_URLS)
def test_no_form_of_a_url_is_dialled(url: str, ask: Any, canary: Origin, tried: list[Any]) -> None:
    assert_refused(lambda: ask(outside(url, canary), resolve=_literally))
    assert tried == []


@pytest.mark.parametrize("ask", [get, post])
@pytest.mark.parametrize("answer", DNS_ANSWERS, ids=str)
def test_no_answer_of_a_name_server_leads_inside(answer: list[str], ask: Any, canary: Origin, tried: list[Any]) -> None:
    assert_refused(lambda: ask(f"http://inside.test:{canary.port}/", resolve=answering(answer)))
    assert_refused(lambda: ask("http://inside.test/", resolve=answering(answer)))
    assert tried == []


@pytest.mark.parametrize("location", LOCATIONS)
def test_no_redirect_leads_inside(location: str, canary: Origin, web: Origin, tried: list[Any]) -> None:
    web.on("/away", Reply(status=302, headers={"Location": outside(location, canary)}))
    # Allowed by its name, so that its other ports and other names for its address are not.
    names = {"web.test": "127.0.0.2", "inside.test": "127.0.0.1"}
    options = {"allow_networks": [WEB], "resolve": lambda host, port: _named(host, port, names)}
    if location == "http://web.test:6379/":
        options["resolve"] = answering(["127.0.0.2"], ["93.184.215.14"])
    assert_refused(lambda: get(f"http://web.test:{web.port}/away", **options))
    assert tried == [("127.0.0.2", web.port)]


def test_webhooks_follow_no_redirect(canary: Origin, web: Origin, tried: list[Any]) -> None:
    url = web.on("/away", Reply(status=307, headers={"Location": canary.url("/")})).replace("127.0.0.1", "127.0.0.2")
    assert post(url, allow_networks=[WEB]) == 307
    assert tried == [("127.0.0.2", web.port)]


@pytest.mark.parametrize("ask", [get, post])
def test_what_was_checked_is_what_is_dialled(ask: Any, web: Origin, tried: list[Any]) -> None:
    """Rebinding: a second question would be answered with the canary's address."""
    rebinding = answering(["127.0.0.2"], ["127.0.0.1"])
    assert ask(f"http://rebind.test:{web.port}/", allow_networks=[WEB], resolve=rebinding) == 200
    assert tried == [("127.0.0.2", web.port)]


def test_a_redirect_to_the_same_name_is_checked_again(canary: Origin, web: Origin, tried: list[Any]) -> None:
    rebinding = answering(["127.0.0.2"], ["127.0.0.1"])
    web.on("/rebind", Reply(status=302, headers={"Location": f"http://rebind.test:{canary.port}/"}))
    url = f"http://rebind.test:{web.port}/rebind"
    assert_refused(lambda: get(url, allow_networks=[WEB], resolve=rebinding))
    assert tried == [("127.0.0.2", web.port)]


def test_a_second_try_is_checked_again(canary: Origin, tried: list[Any]) -> None:
    """The canary's port is closed on the first address, so the connection is tried once more."""
    rebinding = answering(["127.0.0.2"], ["127.0.0.1"])
    url = f"http://rebind.test:{canary.port}/"
    assert_refused(lambda: get(url, allow_networks=[WEB], resolve=rebinding))
    assert tried == [("127.0.0.2", canary.port)]


def test_the_name_of_an_allowed_host_opens_no_other_name_of_its_address(web: Origin, tried: list[Any]) -> None:
    both = answering(["127.0.0.2"])
    assert get(f"http://Web.Test:{web.port}/", allow_networks=["web.test"], resolve=both) == 200
    tried.clear()
    for host in ("other.test", "sub.web.test", "127.0.0.2"):
        assert_refused(lambda host=host: get(f"http://{host}:{web.port}/", allow_networks=["web.test"], resolve=both))  # type: ignore[misc]
    assert tried == []


def _literally(host: str, port: int) -> tuple[Address, ...]:
    """The system's resolver, without a question to the world."""
    return _named(host, port, {"metadata.google.internal": "169.254.169.254"})


def _named(host: str, port: int, names: dict[str, str]) -> tuple[Address, ...]:
    from orchestration.outbound.network import resolve

    return (ip_address(names[host]),) if host in names else tuple(resolve(host, port))
