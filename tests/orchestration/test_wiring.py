import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import SecretStr

from orchestration.settings import Settings
from orchestration.wiring import Wiring, load_catalog
from pipeline.definition import CATALOG
from pipeline.errors import BrokerUnavailable, NoCatalog, RecordsUnavailable, UnknownStage
from pipeline.ids import Hold, StageKey
from pipeline.spending import Caller
from tests.support.broker import MemoryBroker
from tests.support.catalogs import FIVE, five_stages
from tests.support.databases import sqlite_url
from tests.support.jobs import new_job


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    absent = SecretStr(f"redis+socket://{tmp_path}/absent.sock")
    return Settings(data_dir=tmp_path, broker_url=absent, broker_transport="lists", llm_api_key=None)


@pytest.fixture
def wiring(settings: Settings) -> Iterator[Wiring]:
    with closing(Wiring(settings)) as made:
        yield made


def test_nothing_is_made_before_it_is_used(wiring: Wiring) -> None:
    assert set(vars(wiring)) == {"settings", "clock", "random", "_patience", "_records_patience_s"}


def test_only_what_was_made_is_closed(wiring: Wiring) -> None:
    _ = wiring.leases
    made = set(vars(wiring))
    wiring.close()
    assert set(vars(wiring)) == made
    assert "app" not in made


def test_a_process_that_accepts_jobs_makes_nothing_that_runs_them(wiring: Wiring) -> None:
    assert wiring.desk.catalog.pipelines == CATALOG.pipelines
    assert {"services", "isolation", "leases", "keeper"}.isdisjoint(vars(wiring))


def test_services_share_the_adapters_of_the_process(wiring: Wiring) -> None:
    services = wiring.services
    assert services.records is wiring.records is wiring.desk.records
    assert services.payloads is wiring.payloads is wiring.desk.payloads
    assert services.leases is wiring.leases
    assert services.outbound.isolate is wiring.isolation


def test_without_a_model_the_stages_are_given_none(wiring: Wiring) -> None:
    assert wiring.services.outbound.llm is None


@pytest.mark.parametrize("key", [{}, {"llm_api_key": "sk-1"}])
def test_with_a_model_the_stages_are_given_it(settings: Settings, key: dict[str, Any]) -> None:
    given = {"llm_base_url": "http://llm.internal:8080/v1", "llm_max_input_tokens": 5000, **key}
    configured = Settings.model_validate({**settings.model_dump(exclude_unset=True), **given})
    with closing(Wiring(configured)) as wiring:
        models = wiring.services.outbound.llm
        assert models is not None
        llm = models.on_behalf_of(Caller("default", Hold(StageKey("0198", 1, "summarize"), 1)))
        assert "llm.internal" in llm.endpoint
        assert llm.max_input_tokens == 5000


def test_a_process_waits_for_the_database_as_long_as_it_was_told(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=SecretStr(sqlite_url(tmp_path)))
    with closing(Wiring(settings)) as other, closing(Wiring(settings, records_patience_s=0.1)) as wiring:
        with other.records._database.write(), pytest.raises(RecordsUnavailable, match="locked"):
            wiring.records.accept(new_job())
        wiring.records.accept(new_job())


def test_the_records_and_payloads_are_where_the_settings_say(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path / "data", database_url=SecretStr(sqlite_url(tmp_path)), payload_dir=tmp_path / "kept"
    )
    with closing(Wiring(settings)) as wiring:
        wiring.records.check()
        wiring.payloads.check()
    assert (tmp_path / "kept").is_dir()
    assert not (tmp_path / "data").exists()


def test_a_deployment_may_bring_its_own_catalog(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    module = ModuleType("deployed_pipelines")
    module.MINE = five_stages()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "deployed_pipelines", module)
    with closing(Wiring(settings.model_copy(update={"catalog": "deployed_pipelines:MINE"}))) as wiring:
        assert tuple(wiring.catalog.stages) == FIVE
        assert {"penstock.translate", "penstock.store"} <= set(wiring.app.tasks)
        with pytest.raises(UnknownStage, match="translate"):
            wiring.catalog.stage("analyze")


@pytest.mark.parametrize(
    "path",
    [
        "pipeline.definition:DEFAULT_PIPELINE",
        "pipeline.definition:NOTHING",
        "pipeline.definition",
        "no.such.module:CATALOG",
        ":CATALOG",
        "",
    ],
)
def test_a_path_that_leads_to_no_catalog_is_refused(path: str) -> None:
    with pytest.raises(NoCatalog, match=f"no catalog of pipelines at {path}:"):
        load_catalog(path)


def test_the_broker_is_checked_by_asking_it(wiring: Wiring, tmp_path: Path) -> None:
    present = Settings(data_dir=tmp_path, broker_url=SecretStr("memory://"), broker_transport="lists")
    with closing(Wiring(present)) as other:
        other.check_broker()
    with pytest.raises(BrokerUnavailable):
        wiring.check_broker()


def test_the_keeper_knows_which_queues_hold_messages(monkeypatch: pytest.MonkeyPatch, wiring: Wiring) -> None:
    broker = MemoryBroker(monkeypatch, CATALOG.stages.values())
    broker.app.send_task("penstock.extract", queue="extract")
    vars(wiring)["app"] = broker.app
    assert wiring.keeper._queues.in_line() == {"extract"}
