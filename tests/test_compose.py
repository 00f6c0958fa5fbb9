"""The deployment files fit the code: a worker for each stage, time to finish, settings that exist."""

import re
from pathlib import Path

import pytest

from api.auth import OPEN_PATHS
from orchestration.settings import Settings
from pipeline.composition import AnyStage
from pipeline.definition import CATALOG

ROOT = Path(__file__).parents[1]
COMPOSE = (ROOT / "compose.yaml").read_text()
ENV_EXAMPLE = (ROOT / ".env.example").read_text()
NOT_OURS = {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"}


def worker_services() -> dict[str, str]:
    """The text of each worker's service, by the stage it works on."""
    services = re.findall(r"^  (\S+):\n((?:(?:    .*)?\n)+)", COMPOSE.partition("\nservices:\n")[2], re.MULTILINE)
    queues = [(re.search(r"\[worker, --queue, (\w+)\]", body), body) for _name, body in services]
    return {match.group(1): body for match, body in queues if match}


def variables(text: str) -> set[str]:
    return set(re.findall(r"\b((?:PENSTOCK|POSTGRES)_[A-Z0-9_]+)", text))


def test_every_stage_has_one_worker_service() -> None:
    assert set(worker_services()) == set(CATALOG.stages)
    assert COMPOSE.count("[worker,") == len(CATALOG.stages)


@pytest.mark.parametrize("stage", CATALOG.stages.values(), ids=lambda stage: stage.name)
def test_a_stopped_worker_may_finish_its_stage(stage: AnyStage) -> None:
    grace = re.search(r"stop_grace_period: (\d+)s", worker_services()[stage.name])
    assert grace is not None
    assert int(grace.group(1)) > stage.time_limit_s


def test_the_api_that_listens_to_all_requires_keys_and_leaves_the_probe_open() -> None:
    api = re.search(r"^  api:\n((?:(?:    .*)?\n)+)", COMPOSE, re.MULTILINE)
    assert api is not None
    assert "PENSTOCK_API_HOST: 0.0.0.0" in api[1]
    assert "PENSTOCK_API_AUTH: required" in api[1]
    probed = re.search(r"healthcheck:\n *test: .*http://127\.0\.0\.1:8000(/\w+)", api[1])
    assert probed is not None
    assert probed[1] in OPEN_PATHS


@pytest.mark.parametrize("text", [COMPOSE, ENV_EXAMPLE], ids=["compose.yaml", ".env.example"])
def test_every_variable_is_a_setting(text: str) -> None:
    settings = {f"PENSTOCK_{name.upper()}" for name in Settings.model_fields}
    found = variables(text)
    assert found
    assert found <= settings | NOT_OURS


def test_the_example_environment_changes_nothing_until_it_is_edited(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in variables(ENV_EXAMPLE):
        monkeypatch.delenv(name, raising=False)
    untouched = Settings()
    for line in ENV_EXAMPLE.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            monkeypatch.setenv(name, value)
    assert Settings() == untouched
    assert not Settings().has_llm


def test_every_variable_of_the_example_environment_is_explained() -> None:
    lines = ENV_EXAMPLE.splitlines()
    for above, line in zip(["", *lines], lines, strict=False):
        if line and not line.startswith("#"):
            assert above.startswith("# "), line
