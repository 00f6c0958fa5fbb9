import time
from typing import Literal

import kombu.transport.redis
import pytest
from celery import Celery
from celery.exceptions import Ignore
from pydantic import SecretStr

import orchestration.transport
from orchestration.celery_app import create_app
from orchestration.gate import Gate
from orchestration.launch import launch
from orchestration.settings import Settings
from orchestration.tasks import register_tasks
from pipeline.attempt import Services
from pipeline.definition import CATALOG
from pipeline.errors import BrokerUnavailable
from pipeline.ids import StageKey
from pipeline.job import Lane, LanePriority
from tests.support.bench import Bench
from tests.support.catalogs import scripted

STAGES = CATALOG.pipeline("summarize").stage_names


def test_delivery_is_at_least_once_and_results_stay_out_of_the_broker() -> None:
    conf = create_app(Settings(), CATALOG.stages.values()).conf
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.worker_prefetch_multiplier == 1
    assert conf.result_backend is None
    assert conf.task_ignore_result
    assert conf.accept_content == ["json"]


def test_lanes_are_the_steps_of_priority_that_the_broker_keeps_apart() -> None:
    for transport in ("streams", "lists"):
        options = create_app(Settings(broker_transport=transport), ()).conf.broker_transport_options
        assert options["priority_steps"] == sorted(priority.value for priority in LanePriority) == [0, 3, 6]


def test_lists_are_read_in_the_order_of_lanes() -> None:
    options = create_app(Settings(broker_transport="lists"), ()).conf.broker_transport_options
    assert options["queue_order_strategy"] == "priority"


@pytest.mark.parametrize("transport", ["streams", "lists"])
def test_the_broker_is_the_one_of_the_settings(transport: Literal["streams", "lists"]) -> None:
    url = SecretStr("redis://:secret@redis.example:6380/2")
    app = create_app(Settings(broker_url=url, broker_transport=transport), CATALOG.stages.values())
    assert app.conf.broker_url == "redis://:secret@redis.example:6380/2"


def test_messages_travel_over_streams_unless_lists_are_asked_for() -> None:
    for url in (None, SecretStr("redis://redis.example/2"), SecretStr("rediss://redis.example")):
        streams = create_app(Settings(broker_url=url), ()).connection_for_write()
        lists = create_app(Settings(broker_url=url, broker_transport="lists"), ()).connection_for_write()
        assert type(streams.transport) is orchestration.transport.Transport
        assert type(lists.transport) is kombu.transport.redis.Transport


def test_apps_of_one_process_do_not_share_their_tasks() -> None:
    """A task goes to the services of its own app, even where another app has one of the same name."""
    called: list[int] = []

    def app_number(number: int) -> Celery:
        def services() -> Services:
            called.append(number)
            return bench.services

        bench = Bench(scripted(lambda _source, _tools: pytest.fail("not reached")))
        app = create_app(Settings(), bench.catalog.stages.values())
        register_tasks(app, bench.catalog, services, Gate())
        return app

    for app in [app_number(1), app_number(2)]:
        with pytest.raises(Ignore, match="Superseded"):
            app.tasks["penstock.read"](None, v=1, job_id="x", run=1, stage="read", part=0)
    assert called == [1, 2]


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "redis+socket:///nowhere/valkey.sock"])
def test_a_publisher_gives_up_on_an_absent_broker_within_about_a_second(url: str) -> None:
    app = create_app(Settings(broker_url=SecretStr(url)), CATALOG.stages.values())
    began = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        launch(app, StageKey("0198", 1, "fetch"), STAGES, Lane.NORMAL, number=1)
    assert time.monotonic() - began < 3
