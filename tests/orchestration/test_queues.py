"""What the keeper asks the broker, of a real one."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from celery import Celery
from pydantic import SecretStr

from orchestration.celery_app import create_app
from orchestration.launch import launch
from orchestration.queues import Queues, queues_of
from orchestration.settings import Settings
from orchestration.transport import Inspector
from pipeline.definition import CATALOG
from pipeline.errors import BrokerUnavailable
from pipeline.ids import StageKey
from pipeline.job import Lane
from pipeline.work import Suspect
from tests.support.brokers import KINDS, Broker
from tests.support.ports import free_port

STAGES = ("fetch", "extract", "summarize", "store")
LAUNCH = 1


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(KINDS["valkey"].binary(), tmp_path_factory.mktemp("broker"), port=free_port()) as broker:
        yield broker


def app_on(broker: Broker, transport: Literal["streams", "lists"]) -> Celery:
    broker.run("FLUSHALL")
    settings = Settings(broker_url=SecretStr(broker.url), broker_transport=transport)
    return create_app(settings, CATALOG.stages.values())


def suspect(job_id: str, lane: Lane = Lane.NORMAL) -> Suspect:
    return Suspect(StageKey(job_id, 1, "fetch"), "default", STAGES, lane, launches=LAUNCH, losses=0, epoch=0)


def publish(app: Celery, one: Suspect) -> None:
    launch(app, one.key, one.stages, one.lane, number=LAUNCH)


def queues(app: Celery) -> Queues:
    return queues_of(app, STAGES)


@pytest.mark.parametrize("transport", ["streams", "lists"])
def test_a_queue_with_messages_is_a_line(broker: Broker, transport: Literal["streams", "lists"]) -> None:
    app = app_on(broker, transport)
    assert queues(app).in_line() == frozenset()
    publish(app, suspect("one"))
    assert queues(app).in_line() == {"fetch"}


def test_streams_know_which_messages_are_gone(broker: Broker) -> None:
    app = app_on(broker, "streams")
    here, bulk, gone = suspect("here"), suspect("bulk", Lane.BULK), suspect("gone")
    publish(app, here)
    publish(app, bulk)
    assert list(queues(app).without_message([here, bulk, gone])) == [gone]
    # Another launch is another message.
    assert list(queues(app).without_message([replace(here, launches=LAUNCH + 1)])) != []


def test_lists_do_not(broker: Broker) -> None:
    app = app_on(broker, "lists")
    here, gone = suspect("here"), suspect("gone")
    publish(app, here)
    assert list(queues(app).without_message([here, gone])) == [here, gone]
    assert queues(app).incarnation() is None


def test_the_incarnation_changes_with_the_memory_of_the_broker(broker: Broker) -> None:
    app = app_on(broker, "streams")
    assert queues(app).incarnation() is None
    broker.run("SET", "streams:incarnation", "first")
    assert queues(app).incarnation() == "first"
    with app.connection_for_read() as connection, Inspector(connection) as inspector:
        assert inspector.incarnation() == "first"


@pytest.mark.parametrize("transport", ["streams", "lists"])
def test_messages_are_counted_by_lane(broker: Broker, transport: Literal["streams", "lists"]) -> None:
    app = app_on(broker, transport)
    for number, lane in enumerate([Lane.URGENT, Lane.BULK, Lane.BULK]):
        publish(app, suspect(str(number), lane))
    assert queues(app).transport == transport
    backlogs = queues(app).backlogs()
    assert list(backlogs) == list(STAGES)
    assert backlogs["fetch"].lanes == {Lane.URGENT: 1, Lane.NORMAL: 0, Lane.BULK: 2}
    assert set(backlogs["extract"].lanes.values()) == {0}


def test_streams_know_what_becomes_of_the_others(broker: Broker) -> None:
    app = app_on(broker, "streams")
    for number in range(3):
        publish(app, suspect(str(number)))
    app.send_task("any", queue="fetch", countdown=60)
    # Without a consumer, whose lease would outlive the test.
    broker.run("XADD", "{fetch}:redelivery", "*", "t", "handed back")
    broker.run("XGROUP", "CREATE", "{fetch}:lane:3", "workers", "0")
    broker.run("XREADGROUP", "GROUP", "workers", "one", "COUNT", 1, "STREAMS", "{fetch}:lane:3", ">")
    backlog = queues(app).backlogs()["fetch"]
    assert (backlog.redelivery, backlog.delayed, backlog.in_flight) == (1, 1, 1)
    assert backlog.lanes[Lane.NORMAL] == 2
    assert backlog.oldest_s is not None
    assert 0 <= backlog.oldest_s < 60


def test_lists_know_no_more(broker: Broker) -> None:
    app = app_on(broker, "lists")
    publish(app, suspect("one"))
    backlog = queues(app).backlogs()["fetch"]
    assert (backlog.redelivery, backlog.delayed, backlog.in_flight, backlog.oldest_s) == (None, None, None, None)


@pytest.mark.parametrize("transport", ["streams", "lists"])
def test_a_broker_that_is_away_is_said_to_be(transport: Literal["streams", "lists"], tmp_path: Path) -> None:
    url = SecretStr(f"redis+socket://{tmp_path / 'nobody'}")
    app = create_app(Settings(broker_url=url, broker_transport=transport), CATALOG.stages.values())
    with pytest.raises(BrokerUnavailable):
        queues(app).in_line()
    with pytest.raises(BrokerUnavailable):
        queues(app).backlogs()
    if transport == "streams":
        with pytest.raises(BrokerUnavailable):
            queues(app).incarnation()
