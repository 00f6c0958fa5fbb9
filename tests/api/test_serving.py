"""An API that others can reach does not start while nobody has a key to it."""

import asyncio
import logging
import resource
import socket
from pathlib import Path
from typing import Any

import pytest

import api.serve
from api.serve import NoKeys, allow_connections, listen, require_keys, run_api, serve
from orchestration.settings import Settings
from orchestration.wiring import Wiring
from pipeline.errors import RecordsUnavailable
from pipeline.keys import KeyScope
from tests.support.databases import empty_postgresql_url, sqlite_url

PUBLIC = {"api_host": "0.0.0.0", "api_port": 0}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path)


def settings_of(url: str, **given: Any) -> Settings:
    return Settings.model_validate({"database_url": url, **given})


def make_key(url: str) -> str:
    wiring = Wiring(settings_of(url))
    key, _ = wiring.key_desk.create("default", "laptop", frozenset({KeyScope.READ}), None)
    wiring.close()
    return key.prefix


def revoke_key(url: str, prefix: str) -> None:
    wiring = Wiring(settings_of(url))
    wiring.key_desk.revoke(prefix)
    wiring.close()


def test_without_a_key_it_does_not_listen_publicly(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.serve, "listen", lambda _settings: pytest.fail("it listens"))
    with pytest.raises(NoKeys, match=r"0\.0\.0\.0.*`penstock keys create .*`penstock api --host 127\.0\.0\.1`"):
        run_api(settings_of(url, **PUBLIC))


def test_with_a_valid_key_it_does(url: str) -> None:
    prefix = make_key(url)
    require_keys(settings_of(url, **PUBLIC), "up")
    revoke_key(url, prefix)
    with pytest.raises(NoKeys, match="`penstock up --host"):
        require_keys(settings_of(url, **PUBLIC), "up")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"api_host": "::1"},
        PUBLIC | {"api_auth": "off"},
        PUBLIC | {"api_auth": "required"},
        {"api_auth": "required"},
    ],
)
def test_on_loopback_or_by_an_explicit_setting_no_key_has_to_exist(given: dict[str, Any]) -> None:
    require_keys(settings_of("sqlite:////nowhere/penstock.db", **given), "up")


@pytest.mark.parametrize("make_url", [lambda path: f"sqlite:///{path}/new.db", lambda _path: empty_postgresql_url()])
def test_a_database_without_tables_is_named_as_the_reason(tmp_path: Path, make_url: Any) -> None:
    with pytest.raises(RecordsUnavailable, match="penstock migrate"):
        require_keys(settings_of(make_url(tmp_path), **PUBLIC), "api")


@pytest.mark.parametrize(
    ("given", "warned"),
    [
        (PUBLIC | {"api_auth": "off"}, True),
        (PUBLIC | {"api_auth": "required"}, False),
        (PUBLIC, False),
        ({"api_auth": "off"}, False),
        ({}, False),
    ],
)
def test_it_warns_when_it_serves_everybody(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, given: dict[str, Any], warned: bool
) -> None:
    monkeypatch.setattr(api.serve, "configure_logging", lambda *_: None)
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
    with socket.socket() as listener, caplog.at_level(logging.WARNING):
        serve(settings_of(url, **given), listener)
    assert ("PENSTOCK_API_AUTH is off" in caplog.text) == warned


def test_small_answers_are_sent_at_once() -> None:
    """Else each one waits for the acknowledgement of the one before, about 40 ms."""

    async def accepted() -> int:
        delays: asyncio.Queue[int] = asyncio.Queue()

        def note(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            delays.put_nowait(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = listen(Settings(api_port=0))
        async with await asyncio.start_server(note, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            writer.close()
            return await delays.get()

    assert asyncio.run(accepted())


def test_the_number_of_connections_is_not_held_down_by_a_low_limit_of_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        allow_connections(1024)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (1024, hard)
        allow_connections(100)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (1024, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
