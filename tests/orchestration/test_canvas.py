from dataclasses import replace
from random import Random
from typing import Any

import pytest

from orchestration.canvas import chain_from, message, task_name
from orchestration.gate import Gate
from orchestration.launch import launch
from orchestration.tasks import register_tasks
from pipeline.composition import MAX_STAGES, Catalog
from pipeline.definition import CATALOG
from pipeline.ids import StageKey, uuid7
from pipeline.job import JobSource, JobState, Lane, NewJob
from stages.contract import Article, Document, Tools, Transient
from tests.support.bench import Bench
from tests.support.broker import MemoryBroker
from tests.support.catalogs import FIVE, five_stages, translate
from tests.support.jobs import key_of
from tests.support.tools import START

JOB = str(uuid7(START, Random(1)))
SUMMARIZE = CATALOG.pipeline("summarize").stage_names
MAX_MESSAGE_BYTES = 8 * 1024


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> MemoryBroker:
    return MemoryBroker(monkeypatch, CATALOG.stages.values())


def links(broker: MemoryBroker, lane: Lane = Lane.NORMAL) -> list[Any]:
    """The signatures of a fresh run's chain, in order."""
    chain: Any = chain_from(broker.app, StageKey(JOB, 1, "fetch"), SUMMARIZE, lane, launch=1)
    return list(chain.tasks)


def test_there_is_one_message_per_stage_each_with_its_own_id_and_queue(broker: MemoryBroker) -> None:
    tasks = links(broker)
    assert [task.task for task in tasks] == [task_name(stage) for stage in SUMMARIZE]
    assert [task.options["task_id"] for task in tasks] == [f"{JOB}:1:{stage}:0:1" for stage in SUMMARIZE]
    assert [task.options["queue"] for task in tasks] == list(SUMMARIZE)
    assert [task.kwargs for task in tasks] == [
        {"v": 1, "job_id": JOB, "run": 1, "stage": stage, "part": 0} for stage in SUMMARIZE
    ]


def test_only_the_first_is_told_that_there_is_no_claim_yet(broker: MemoryBroker) -> None:
    tasks = links(broker)
    assert [tuple(task.args) for task in tasks] == [(None,), (), (), ()]


@pytest.mark.parametrize(("lane", "priority"), [(Lane.URGENT, 0), (Lane.NORMAL, 3), (Lane.BULK, 6)])
def test_the_lane_is_the_priority_of_every_message(broker: MemoryBroker, lane: Lane, priority: int) -> None:
    tasks = links(broker, lane)
    assert {task.options["priority"] for task in tasks} == {priority}
    launch(broker.app, StageKey(JOB, 1, "fetch"), SUMMARIZE, lane, number=1)
    assert broker.take("fetch").priority == priority


def test_a_relaunch_begins_where_the_run_stands(broker: MemoryBroker) -> None:
    launch(broker.app, StageKey(JOB, 2, "summarize"), SUMMARIZE, Lane.BULK, number=3)
    (first,) = broker.all_waiting()
    assert (first.queue, first.id) == ("summarize", f"{JOB}:2:summarize:0:3")
    assert [link["options"]["task_id"] for link in first.embed["chain"]] == [f"{JOB}:2:store:0:3"]


def test_the_last_stage_can_be_launched_alone(broker: MemoryBroker) -> None:
    launch(broker.app, StageKey(JOB, 1, "store"), SUMMARIZE, Lane.NORMAL, number=2)
    (only,) = broker.all_waiting()
    assert (only.id, only.args, only.kwargs) == (f"{JOB}:1:store:0:2", [None], message(StageKey(JOB, 1, "store")))
    assert not only.embed["chain"]


def test_a_launch_publishes_one_message_and_the_rest_travels_in_it(broker: MemoryBroker) -> None:
    launch(broker.app, StageKey(JOB, 1, "fetch"), SUMMARIZE, Lane.URGENT, number=1)
    (first,) = broker.all_waiting()
    assert first.kwargs == {"v": 1, "job_id": JOB, "run": 1, "stage": "fetch", "part": 0}
    assert [link["options"]["queue"] for link in reversed(first.embed["chain"])] == list(SUMMARIZE[1:])


@pytest.mark.parametrize(("part", "links"), [(0, MAX_STAGES - 1), (500, MAX_STAGES)])
def test_the_longest_chain_stays_a_small_message(monkeypatch: pytest.MonkeyPatch, part: int, links: int) -> None:
    names = [f"summarize{number:02}" for number in range(MAX_STAGES)]
    broker = MemoryBroker(monkeypatch, [replace(translate, name=name) for name in names])
    launch(broker.app, StageKey(JOB, 1, names[0], part), names, Lane.NORMAL, number=1)
    (first,) = broker.all_waiting()
    assert len(first.embed["chain"]) == links
    assert first.size < MAX_MESSAGE_BYTES


# a stage of one's own: queue, task, route, retries and record follow from the declaration


def deployed(monkeypatch: pytest.MonkeyPatch, catalog: Catalog | None = None) -> tuple[Bench, MemoryBroker, NewJob]:
    bench = Bench(catalog or five_stages())
    broker = MemoryBroker(monkeypatch, bench.catalog.stages.values())
    register_tasks(broker.app, bench.catalog, lambda: bench.services, Gate())
    text = "Turbines turn falling water into light. " * 30
    body = bench.payloads.put("default/x/1/source.0", text.encode(), "text/plain")
    return bench, broker, bench.accept(source=JobSource(body=body, content_type="text/plain"), lane=Lane.URGENT)


def test_a_new_stage_has_its_queue_its_task_and_its_record(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, broker, job = deployed(monkeypatch)
    assert [queue.name for queue in broker.app.conf.task_queues] == list(FIVE)
    assert [queue.routing_key for queue in broker.app.conf.task_queues] == list(FIVE)
    assert {name for name in broker.app.tasks if name.startswith("penstock.")} == {task_name(name) for name in FIVE}
    assert [record.stage for record in bench.read(job).stages] == list(FIVE)


def test_a_run_of_five_stages_goes_through_its_queues_to_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, broker, job = deployed(monkeypatch)
    launch(broker.app, key_of(job, "fetch"), FIVE, job.lane, number=1)
    for stage in FIVE:
        (waiting,) = broker.all_waiting()
        assert (waiting.queue, waiting.id, waiting.priority) == (stage, f"{job.id}:1:{stage}:0:1", 0)
        assert waiting.size < MAX_MESSAGE_BYTES
        (claim,) = broker.work(stage)
        assert claim["key"].startswith(f"default/{job.id}/1/{stage}.0-")
    assert not broker.all_waiting()
    read = bench.read(job)
    assert read.state is JobState.SUCCEEDED
    assert read.result is not None
    assert Document.from_bytes(bench.payloads.get(read.result)).text.startswith("TURBINES TURN")


def test_a_new_stage_is_retried_as_it_declares(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_article: Article, _tools: Tools) -> Article:
        raise Transient("stage_timeout")

    bench, broker, job = deployed(monkeypatch, five_stages(replace(translate, run=fails)))
    launch(broker.app, key_of(job, "fetch"), FIVE, job.lane, number=1)
    broker.work("fetch", "extract")
    assert broker.work("translate") == ["RETRY"]
    assert 0 <= bench.stage(job, "translate").not_before_s - bench.clock.now().timestamp() <= translate.retry.base_s
    bench.clock.advance(translate.retry.base_s)
    assert broker.work("translate") == ["IGNORED"]
    assert not broker.all_waiting()
    error = bench.read(job).error
    assert error is not None
    assert (error.code, error.stage) == ("stage_timeout", "translate")
    assert bench.stage(job, "translate").attempts == translate.retry.max_attempts
