"""`penstock keys`: makes, lists and revokes keys, and shows a key once."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.cli.app import app
from orchestration.settings import Settings
from orchestration.wiring import Wiring
from tests.support.databases import sqlite_url


@pytest.fixture(autouse=True)
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = sqlite_url(tmp_path)
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", url)
    return url


def keys(*words: str) -> Any:
    # Wide enough for any table.
    ran: Result = CliRunner().invoke(app, ["keys", *words], env={"COLUMNS": "200"})
    return ran


def created(*words: str) -> str:
    ran = keys("create", "--name", "laptop", "--scope", "read,submit", *words)
    assert ran.exit_code == 0, ran.stderr
    return str(ran.stdout.strip())


def listed() -> list[dict[str, Any]]:
    return [json.loads(line) for line in keys("list", "--json").stdout.splitlines()]


def is_valid(url: str, text: str) -> bool:
    wiring = Wiring(Settings())
    wiring.key_ring.read(text)
    key = wiring.key_ring.valid(text)
    wiring.close()
    return key is not None


def test_a_new_key_alone_goes_to_standard_output(url: str) -> None:
    text = created()
    assert re.fullmatch(r"psk_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", text)
    assert is_valid(url, text)


def test_a_key_is_listed_with_all_but_what_opens_it() -> None:
    text = created("--tenant", "team-7", "--expires", "12h")
    [key] = listed()
    assert (key["prefix"], key["name"], key["tenant"]) == (text[4:12], "laptop", "team-7")
    assert (key["scopes"], key["state"], key["last_used_at"]) == (["read", "submit"], "valid", None)
    expires_at = datetime.fromisoformat(key["expires_at"])
    assert expires_at - datetime.fromisoformat(key["created_at"]) == timedelta(hours=12)
    assert abs(datetime.now(UTC) + timedelta(hours=12) - expires_at) < timedelta(minutes=1)
    for shown in (keys("list").stdout, keys("list", "--json").stdout):
        assert text[4:12] in shown
        assert text[13:] not in shown
        assert "digest" not in shown


def test_a_key_lasts_90_days_unless_told_otherwise() -> None:
    created()
    created("--expires", "never")
    ordinary, lasting = listed()
    start = datetime.fromisoformat(ordinary["created_at"])
    assert datetime.fromisoformat(ordinary["expires_at"]) - start == timedelta(days=90)
    assert lasting["expires_at"] is None


@pytest.mark.parametrize(
    "name_of", [lambda key: key["prefix"], lambda key: key["id"], lambda key: f"psk_{key['prefix']}"]
)
def test_a_revoked_key_opens_nothing(url: str, name_of: Any) -> None:
    text, other = created(), created()
    ran = keys("revoke", name_of(listed()[0]))
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert not is_valid(url, text)
    assert is_valid(url, other)
    assert [key["state"] for key in listed()] == ["revoked", "valid"]


def test_a_key_that_there_is_not_is_told_in_one_line() -> None:
    ran = keys("revoke", "00000000")
    assert ran.exit_code == 1
    assert ran.stdout == ""


def test_the_first_key_makes_the_database_of_the_embedded_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PENSTOCK_DATABASE_URL")
    monkeypatch.setenv("PENSTOCK_DATA_DIR", str(tmp_path / "new"))
    created()
    assert [key["state"] for key in listed()] == ["valid"]
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_another_database_has_to_be_migrated_by_its_operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", f"sqlite:///{tmp_path}/empty.db")
    ran = keys("create", "--name", "laptop", "--scope", "read")
    assert (ran.exit_code, ran.stdout) == (1, "")


@pytest.mark.parametrize(
    "words",
    [
        ["--scope", "write"],
        ["--scope", ""],
        ["--scope", "read,"],
        ["--expires", "0d"],
        ["--expires", "90"],
        ["--expires", "-1d"],
        ["--expires", "1y"],
        ["--expires", "100000w"],
        ["--tenant", "../etc"],
        ["--tenant", "quarantine"],
        ["--tenant", "A"],
        ["--name", ""],
        ["--name", "two\nlines"],
        ["--name", "x" * 65],
    ],
)
def test_what_makes_no_sense_makes_no_key(words: list[str]) -> None:
    ran = keys("create", "--name", "laptop", "--scope", "read", *words)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert listed() == []
