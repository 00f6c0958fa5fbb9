import os
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestration.settings import MAX_SOCKET_PATH, Settings

SECRETS = {
    "PENSTOCK_DATABASE_URL": "postgresql://penstock:hunter2@db/penstock",
    "PENSTOCK_BROKER_URL": "redis://:hunter2@redis:6379/0",
    "PENSTOCK_LLM_API_KEY": "sk-hunter2",
    "PENSTOCK_SECRET_KEY": "hunter2" * 6,
}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("PENSTOCK_"):
            monkeypatch.delenv(name)


def test_without_an_environment_everything_is_embedded(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert settings.is_embedded
    assert settings.sql_url == f"sqlite:///{tmp_path}/penstock.db"
    assert settings.redis_url == f"redis+socket://{settings.socket_path}"
    assert settings.payload_root == tmp_path / "payloads"
    assert settings.cpu_concurrency >= 1


def test_every_field_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {
        "PENSTOCK_DATA_DIR": "/srv/penstock",
        "PENSTOCK_PAYLOAD_DIR": "/srv/payloads",
        "PENSTOCK_FETCH_MAX_REDIRECTS": "0",
        "PENSTOCK_LEASE_S": "2.5",
        "PENSTOCK_API_PORT": "0",
        "PENSTOCK_LOG_LEVEL": "debug",
        **SECRETS,
    }
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.data_dir, settings.payload_root) == (Path("/srv/penstock"), Path("/srv/payloads"))
    assert (settings.fetch_max_redirects, settings.lease_s, settings.api_port) == (0, 2.5, 0)
    assert settings.log_level == "debug"
    assert settings.sql_url == SECRETS["PENSTOCK_DATABASE_URL"]
    assert settings.redis_url == SECRETS["PENSTOCK_BROKER_URL"]
    assert not settings.is_embedded


def test_an_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(f"PENSTOCK_{name.upper()}", "")
    settings = Settings()
    assert settings == Settings.model_validate({"data_dir": settings.data_dir})
    assert settings.is_embedded
    assert not settings.has_llm


@pytest.mark.parametrize(
    ("value", "networks"),
    [
        ("127.0.0.0/8", ["127.0.0.0/8"]),
        (" 127.0.0.0/8 , ::1/128,10.1.2.3,", ["127.0.0.0/8", "::1/128", "10.1.2.3/32"]),
        (",", []),
        ("Wiki.Internal., 10.0.0.0/8, localhost", ["wiki.internal", "10.0.0.0/8", "localhost"]),
    ],
)
def test_networks_are_a_list_with_commas(monkeypatch: pytest.MonkeyPatch, value: str, networks: list[str]) -> None:
    monkeypatch.setenv("PENSTOCK_ALLOW_NETWORKS", value)
    assert Settings().allow_networks == tuple(
        ip_network(network) if "/" in network else network for network in networks
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALLOW_NETWORKS", "10.0.0.1/8"),
        ("ALLOW_NETWORKS", "wiki.internal:8080"),
        ("ALLOW_NETWORKS", "https://wiki.internal"),
        ("ALLOW_NETWORKS", "*.internal"),
        ("ALLOW_NETWORKS", "10.0.0.256"),
        ("ALLOW_NETWORKS", "0x7f.0x1"),
        ("API_PORT", "65536"),
        ("API_PORT", "http"),
        ("FETCH_TOTAL_TIMEOUT_S", "0"),
        ("FETCH_MAX_WIRE_BYTES", "-1"),
        ("FETCH_MAX_REDIRECTS", "-1"),
        ("LEASE_S", "1.9"),
        ("SECRET_KEY", "hunter2"),
        ("JOB_DEADLINE_S", "0"),
        ("IO_CONCURRENCY", "0"),
        ("CPU_CONCURRENCY", "0"),
        ("BREAKER_FAIL_MAX", "0"),
        ("LLM_MAX_INPUT_TOKENS", "999"),
        ("LOG_LEVEL", "loud"),
        ("API_AUTH", "maybe"),
    ],
)
def test_a_bad_value_is_refused_by_name_and_tells_no_secret(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    for secret, text in SECRETS.items():
        monkeypatch.setenv(secret, text)
    monkeypatch.setenv(f"PENSTOCK_{name}", value)
    with pytest.raises(ValidationError) as refused:
        Settings()
    (error,) = refused.value.errors()
    assert error["loc"] == (name.lower(),)
    assert "hunter2" not in str(refused.value)


def test_secrets_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    for secret, text in SECRETS.items():
        monkeypatch.setenv(secret, text)
    settings = Settings()
    for shown in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert "hunter2" not in shown


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().api_port = 1


@pytest.mark.parametrize(
    ("given", "configured"),
    [
        ({}, False),
        ({"PENSTOCK_LLM_API_KEY": "sk"}, True),
        ({"PENSTOCK_LLM_BASE_URL": "http://localhost:11434/v1"}, True),
        ({"PENSTOCK_LLM_MODEL": "tiny"}, False),
    ],
)
def test_a_language_model_is_configured_by_a_key_or_an_endpoint(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], configured: bool
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert Settings().has_llm is configured


def test_the_socket_is_in_the_data_directory_where_its_path_fits() -> None:
    assert Settings(data_dir=Path("/srv/penstock")).socket_path == Path("/srv/penstock/broker/valkey.sock")


@pytest.mark.parametrize("length", [60, 75, 76, 77, 78, 200])
@pytest.mark.parametrize("letter", ["x", "ü"])
def test_no_socket_has_a_path_that_the_kernel_refuses(
    monkeypatch: pytest.MonkeyPatch, length: int, letter: str
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/tmp")
    settings = Settings(data_dir=Path("/") / (letter * length))
    path = os.fsencode(settings.socket_path)
    assert len(path) <= MAX_SOCKET_PATH < 108
    inside = len(os.fsencode(settings.data_dir / "broker/valkey.sock")) <= MAX_SOCKET_PATH
    assert settings.socket_path.is_relative_to(settings.data_dir) == inside


def test_two_long_data_directories_have_two_sockets() -> None:
    one, other = (Settings(data_dir=Path("/") / (letter * 200)) for letter in "ab")
    assert one.socket_path != other.socket_path
    assert one.socket_path == Settings(data_dir=one.data_dir).socket_path


def test_a_relative_data_directory_has_an_absolute_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert Settings(data_dir=Path("srv/data")).socket_path == Path("/srv/data/broker/valkey.sock")
