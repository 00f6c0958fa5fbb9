"""What probes find out of real servers, files and a real endpoint, and what they leave behind."""

import time
from contextlib import closing

import pytest
from sqlalchemy import create_engine, text

from orchestration.doctor import probes
from orchestration.doctor.facts import LlmFacts, NoAnswer, Work
from orchestration.outbound.llm import OpenAiChat
from orchestration.storage.payload_folder import PayloadFolder
from orchestration.storage.records import SqlRecords
from orchestration.storage.schema import REVISION
from pipeline.budgets import Period
from pipeline.clock import SystemClock
from pipeline.memory import MemoryRecords
from pipeline.queues import Worker
from tests.support.brokers import KINDS, Broker
from tests.support.databases import empty_postgresql_url, postgresql_url, sqlite_url
from tests.support.openai_server import as_json, failure, openai_server
from tests.support.ports import free_port
from tests.support.tools import START, ManualClock

CLOCK = SystemClock()
MODELS = "/v1/models"
SECRET = "hunter2/secret"  # made up


@pytest.fixture
def folder(tmp_path_factory):
    # The path of a Unix socket may have about a hundred bytes.
    return tmp_path_factory.mktemp("b")


@pytest.mark.parametrize("kind", KINDS)
def test_a_broker_says_what_it_is_and_what_it_keeps(kind, folder):
    with Broker(KINDS[kind].binary(), folder, maxmemory="64mb", maxmemory_policy="allkeys-lru") as broker:
        facts = probes.ask_broker(broker.url, CLOCK)
        assert abs(facts.ahead_s) < 0.5
        server = facts.server
        assert (server.valkey_version is not None) == (kind == "valkey")
        assert int(server.version.split(".")[0]) >= 7
        assert (server.appends, server.snapshots) == (True, False)
        assert (server.memory_policy, server.max_memory_bytes) == ("allkeys-lru", 64 * 2**20)
        broker.run("CONFIG", "SET", "appendonly", "no", "save", "60 1")
        server = probes.ask_broker(broker.url, CLOCK).server
        assert (server.appends, server.snapshots) == (False, True)


def test_a_broker_that_answers_only_what_workers_ask_is_known_to_answer(folder):
    with Broker(KINDS["valkey"].binary(), folder, port=free_port()) as broker:
        broker.run("ACL", "SETUSER", "worker", "on", ">pw", "-@all", "+ping", "+time")
        facts = probes.ask_broker(f"redis://worker:pw@127.0.0.1:{broker.port}/0", CLOCK)
        assert facts.server is None
        assert abs(facts.ahead_s) < 0.5


def test_a_clock_that_is_wrong_is_noticed(folder):
    with Broker(KINDS["valkey"].binary(), folder) as broker:
        late = ManualClock()
        assert probes.ask_broker(broker.url, late).ahead_s == pytest.approx(time.time() - START.timestamp(), abs=5)


def test_a_broker_that_is_stopped_holds_up_nobody(folder):
    with Broker(KINDS["valkey"].binary(), folder) as broker:
        broker.pause()
        began_s = time.monotonic()
        try:
            assert isinstance(probes.ask_broker(broker.url, CLOCK), NoAnswer)
        finally:
            broker.resume()
        assert time.monotonic() - began_s < probes.PATIENCE_S + 2


@pytest.mark.parametrize(
    "url", [f"redis://:{SECRET}@127.0.0.1:{{port}}/0", "redis://:hunter2@127.0.0.1:{port}/0", "amqp://u:hunter2@h/"]
)
def test_a_broker_that_is_not_there_is_told_without_its_password(url):
    facts = probes.ask_broker(url.format(port=free_port()), CLOCK)
    assert isinstance(facts, NoAnswer)
    assert "hunter2" not in facts.reason
    assert "secret" not in facts.reason


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.full)])
def url(request, tmp_path):
    return sqlite_url(tmp_path) if request.param == "sqlite" else postgresql_url()


def test_a_database_says_its_revision_its_time_and_who_works(url):
    with closing(SqlRecords(url)) as records:
        records.lead("keeper", "host:7", lease_s=30)
    facts = probes.ask_database(url, CLOCK)
    assert (facts.revision, facts.needed) == (REVISION, REVISION)
    assert abs(facts.ahead_s) < 0.5
    assert facts.work == Work(frozenset(), frozenset(), "host:7", unsent=0)


def test_a_database_of_another_version_is_asked_for_no_more_than_that(url):
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    engine.dispose()
    facts = probes.ask_database(url, CLOCK)
    assert (facts.revision, facts.work) == ("0001", None)


def test_a_database_without_a_schema_has_no_revision(tmp_path):
    (tmp_path / "empty.db").touch()
    assert probes.ask_database(f"sqlite:///{tmp_path}/empty.db", CLOCK).revision is None


@pytest.mark.full
def test_a_postgresql_database_without_a_schema_has_no_revision():
    assert probes.ask_database(empty_postgresql_url(), CLOCK).revision is None


def test_a_database_that_is_not_there_is_not_made(tmp_path):
    assert probes.ask_database(f"sqlite:///{tmp_path}/none.db", CLOCK) == NoAnswer("there is no database yet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", [f"postgresql://u:{SECRET}@127.0.0.1:{{port}}/x", "mysql://u:hunter2@h/x", "hunter2"])
def test_a_database_that_cannot_be_found_is_told_without_its_password(url):
    facts = probes.ask_database(url.format(port=free_port()), CLOCK)
    assert isinstance(facts, NoAnswer)
    assert "hunter2" not in facts.reason
    assert "secret" not in facts.reason


def test_who_works_is_what_the_records_say():
    clock = ManualClock()
    records = MemoryRecords(clock)
    now = clock.now()
    records.check_in(Worker("fetch-7@host", ("fetch",), "host", 7, started_at=now, seen_at=now), lease_s=10)
    records.pause("store", now)
    assert probes.work_in(records) == Work(frozenset({"fetch"}), frozenset({"store"}), None, unsent=0)
    records.set_limit("acme", Period.DAY, 7)
    assert probes.work_in(records).has_budgets
    clock.advance(11)
    assert probes.work_in(records).served == frozenset()


def test_a_payload_folder_is_tried_and_left_empty(tmp_path):
    root = tmp_path / "payloads"
    facts = probes.ask_payloads(PayloadFolder(root))
    assert (facts.root, facts.free_bytes > 0) == (root, True)
    assert [path for path in root.rglob("*") if path.is_file()] == []


def test_a_payload_folder_nowhere_is_not_made(tmp_path):
    facts = probes.ask_payloads(PayloadFolder(tmp_path / "volume" / "payloads"))
    assert facts == NoAnswer(f"there is no folder {tmp_path}/volume")
    assert list(tmp_path.iterdir()) == []


def test_a_payload_folder_that_is_none_cannot_be_used(tmp_path):
    (tmp_path / "payloads").touch()
    facts = probes.ask_payloads(PayloadFolder(tmp_path / "payloads"))
    assert isinstance(facts, NoAnswer)
    assert "cannot be used" in facts.reason


@pytest.fixture(scope="module")
def endpoint():
    with openai_server() as server:
        yield server


def chat(server):
    return OpenAiChat(base_url=server.url("/v1"), api_key="hunter2", model="m", max_input_tokens=1000)


@pytest.mark.parametrize(
    ("reply", "models"),
    [
        (as_json({"object": "list", "data": [{"id": "m"}, {"id": "n", "object": "model"}]}), frozenset("mn")),
        (failure(404), None),
        (failure(405), None),
    ],
    ids=["a list", "404", "405"],
)
def test_an_endpoint_says_which_models_it_has_if_it_does(endpoint, reply, models):
    endpoint.on(MODELS, reply)
    facts = probes.ask_llm(lambda: chat(endpoint), CLOCK)
    assert facts == LlmFacts(endpoint.url("").removeprefix("http://"), "m", models)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (failure(401, "no such key: hunter2"), "refused the API key"),
        (failure(503), "cannot be reached or failed"),
        (as_json({"models": []}), "could not be used"),
    ],
    ids=str,
)
def test_an_endpoint_that_is_of_no_use_says_why_without_the_key(endpoint, reply, said):
    endpoint.on(MODELS, reply)
    facts = probes.ask_llm(lambda: chat(endpoint), CLOCK)
    assert isinstance(facts, NoAnswer)
    assert (said in facts.reason, "hunter2" in facts.reason) == (True, False)


def test_without_an_endpoint_nobody_is_asked():
    assert probes.ask_llm(lambda: None, CLOCK) is None


def test_a_key_that_no_header_can_carry_is_not_shown():
    def make():
        return OpenAiChat(base_url="http://llm/v1", api_key="hunter2 ", model="m", max_input_tokens=1000)

    assert probes.ask_llm(make, CLOCK) == NoAnswer("The API key has to be printable ASCII without spaces.")
