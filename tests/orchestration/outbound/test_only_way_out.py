"""That nothing but the guarded clients opens connections to where a job, a page or a webhook says.

What operators configure (the broker, the database) has clients of its own and is not meant here.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGES = ("api", "orchestration", "pipeline", "stages")
ABLE_TO_CONNECT = {
    "aiohttp", "asyncio.open_connection", "ftplib", "http.client", "httpcore", "httpx", "openai", "pycurl", "requests",
    "smtplib", "socket", "telnetlib", "urllib.request", "urllib3", "websockets", "xmlrpc.client",
}  # fmt: skip
"""Modules, and functions of modules, that can open a connection."""
READING_URLS = {"urlopen", "urlretrieve", "fetch_url", "fetch_response", "create_connection", "open_connection"}
"""Functions of libraries in use that fetch what they are given the URL of."""

GUARDED = "orchestration/outbound/"
OWN_SERVICE = {
    "api/client/asynchronous.py": "httpx",
    "api/client/blocking.py": "httpx",
    "api/client/core.py": "httpx",
    "api/client/errors.py": "httpx",
    "api/client/feed.py": "httpx",
    "api/client/streaming.py": "httpx",
}
"""The client of Penstock itself, which runs elsewhere and asks the service it was told to."""
NO_CONNECTION = {
    "api/serve.py": "socket",  # listens
    "orchestration/attendance.py": "socket",  # the rest ask for the machine's name
    "orchestration/leases.py": "socket",
    "orchestration/roles.py": "socket",
    "orchestration/wiring.py": "socket",
}


def trees() -> Iterator[tuple[str, ast.AST]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called == name:
                yield node


def able_to_connect(tree: ast.AST) -> set[str]:
    found = (name for name in imported(tree) for able in ABLE_TO_CONNECT if f"{name}.".startswith(f"{able}."))
    return {name.partition(".")[0] for name in found}


def test_only_the_guarded_clients_can_connect() -> None:
    able = {path: modules for path, tree in trees() if (modules := able_to_connect(tree))}
    others = {path: modules for path, modules in able.items() if not path.startswith(GUARDED)}
    assert others == {path: {module} for path, module in (OWN_SERVICE | NO_CONNECTION).items() if path in others}
    assert {path for path in able if path.startswith(GUARDED)} >= {f"{GUARDED}http.py", f"{GUARDED}post.py"}


def test_those_who_know_the_machines_name_do_no_more_with_sockets() -> None:
    uses = {
        node.attr
        for path, tree in trees()
        if path in NO_CONNECTION and path != "api/serve.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "socket"
    }
    assert uses == {"gethostname"}


def test_no_library_is_given_a_url_to_fetch() -> None:
    found = [(path, name) for path, tree in trees() for name in READING_URLS if any(calls(tree, name))]
    assert found == []


def test_every_pool_dials_through_the_guarded_backend() -> None:
    pools = [
        (path, {keyword.arg for keyword in call.keywords})
        for path, tree in trees()
        for kind in ("ConnectionPool", "HTTPProxy", "SOCKSProxy", "AsyncConnectionPool", "Client", "AsyncClient")
        if path.startswith(GUARDED)
        for call in calls(tree, kind)
    ]
    assert {path for path, _ in pools} == {f"{GUARDED}{name}.py" for name in ("http", "llm", "post")}
    own = {"network_backend", "transport"}
    assert [path for path, arguments in pools if not arguments & own] == []


def test_only_the_language_model_which_an_operator_configures_is_asked_wherever_it_is() -> None:
    assert {path for path, tree in trees() if f"{GUARDED[:-1].replace('/', '.')}.guard.anywhere" in imported(tree)} == {
        f"{GUARDED}llm.py"
    }


def test_sockets_are_made_in_one_place() -> None:
    def makes_sockets(tree: ast.AST) -> bool:
        return any(isinstance(call.func, ast.Attribute) for call in calls(tree, "socket"))

    guarded = {path: tree for path, tree in trees() if path.startswith(GUARDED)}
    assert [path for path, tree in guarded.items() if makes_sockets(tree)] == [f"{GUARDED}network.py"]
    # The browser's proxy hands on what comes over a connection that the guarded backend made.
    able = {path for path, tree in guarded.items() if "socket" in set(imported(tree))}
    assert able == {f"{GUARDED}network.py", f"{GUARDED}browser_proxy.py"}
    assert any(calls(guarded[f"{GUARDED}browser_proxy.py"], "PacedBackend"))
