"""`penstock tenants`: lists, shows and sets what tenants may use."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.cli.app import app
from tests.support.databases import sqlite_url


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", sqlite_url(tmp_path))
    monkeypatch.setenv("PENSTOCK_QUOTA_JOBS_IN_FLIGHT", "100")


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})


def shown(tenant: str) -> dict[str, Any]:
    ran = run("tenants", "show", tenant, "--json")
    assert ran.exit_code == 0, ran.stderr
    view: dict[str, Any] = json.loads(ran.stdout)
    return view


def test_a_tenant_of_whom_nothing_is_set_has_what_the_settings_say() -> None:
    assert shown("newsroom") == {
        "tenant": "newsroom",
        "weight": 1,
        "requests_per_minute": None,
        "jobs_in_flight": 100,
        "bytes_per_day": None,
        "own": [],
    }


def test_what_is_set_stays_until_it_is_set_again() -> None:
    words = ("--weight", "3", "--jobs-in-flight", "unlimited", "--bytes-per-day", "1000")
    assert run("tenants", "set", "newsroom", *words).exit_code == 0
    assert run("tenants", "set", "newsroom", "--requests-per-minute", "60").exit_code == 0
    view = shown("newsroom")
    assert (view["weight"], view["requests_per_minute"], view["jobs_in_flight"]) == (3, 60, None)
    assert view["own"] == ["bytes_per_day", "jobs_in_flight", "requests_per_minute"]
    assert run("tenants", "set", "newsroom", "--jobs-in-flight", "default").exit_code == 0
    assert shown("newsroom")["jobs_in_flight"] == 100


def test_tenants_with_keys_and_with_quotas_are_listed() -> None:
    run("keys", "create", "--name", "x", "--scope", "read", "--tenant", "keyed")
    run("tenants", "set", "set", "--weight", "2")
    listed = [json.loads(line) for line in run("tenants", "list", "--json").stdout.splitlines()]
    assert [(view["tenant"], view["weight"]) for view in listed] == [("keyed", 1), ("set", 2)]
    table = run("tenants", "list").stdout
    assert "keyed" in table
    assert "unlimited" in table


@pytest.mark.parametrize(
    "words", [("set", "x", "--jobs-in-flight", "0"), ("set", "x", "--bytes-per-day", "many"), ("show", "../etc")]
)
def test_what_makes_no_sense_is_refused(words: tuple[str, ...]) -> None:
    ran = run("tenants", *words)
    assert ran.exit_code == 2
    assert "Traceback" not in ran.output
