"""Queues, workers and breakers, over what a broker and workers would say."""

from dataclasses import replace
from typing import Any

import pytest

from orchestration.outbound.breakers_states import OPERATORS_PAUSE_S
from pipeline.errors import BrokerUnavailable, RecordsUnavailable
from pipeline.queues import Worker
from tests.support.api import Api, problem_of
from tests.support.clients import KINDS, Made, app_of
from tests.support.operators import LISTS, STREAMS, FakeBreakers, FakeQueues
from tests.support.tools import START

AT = "2026-01-02T03:04:05Z"
NAME = "origin:[::1]:8080"
ID = "origin~3A~5B~3A~3A1~5D~3A8080"
WORKER = Worker("fetch-7@host", ("fetch",), "host", 7, started_at=START, seen_at=START, finished_per_s=1 / 3)
PATHS = ["/v1/queues", "/v1/queues/{stage}/pause", "/v1/queues/{stage}/resume", "/v1/workers", "/v1/breakers"]
PATHS += ["/v1/breakers/{breaker_id}/open", "/v1/breakers/{breaker_id}/reset"]


@pytest.fixture
def queues(api: Api) -> FakeQueues:
    return vars(api.wiring).setdefault("queues", FakeQueues())


@pytest.fixture
def breakers(api: Api) -> FakeBreakers:
    return vars(api.wiring).setdefault("breaker_desk", FakeBreakers())


def queue(api: Api, stage: str = "fetch") -> dict[str, Any]:
    answer = api.client.get("/v1/queues")
    assert answer.status_code == 200, answer.text
    return next(item for item in answer.json()["items"] if item["stage"] == stage)


# queues


@pytest.mark.usefixtures("queues")
def test_a_queue_says_what_waits_since_when_and_who_works_on_it(api: Api) -> None:
    api.records.check_in(WORKER, lease_s=10)
    api.start(api.submit(), "fetch")
    assert queue(api) == {
        "stage": "fetch",
        "paused": False,
        "paused_at": None,
        "workers": 1,
        "running": 1,
        "waiting": 10,
        "lanes": {"urgent": 1, "normal": 2, "bulk": 3},
        "redelivery": 4,
        "delayed": 5,
        "in_flight": 6,
        "oldest_waiting_s": 7.5,
        "finished_per_s": 0.333,
    }
    assert queue(api, "store")["workers"] == 0


def test_what_lists_cannot_tell_is_null(api: Api, queues: FakeQueues) -> None:
    queues.transport, queues.backlog = "lists", LISTS
    assert api.client.get("/v1/queues").json()["transport"] == "lists"
    seen = queue(api)
    assert (seen["waiting"], seen["lanes"]["bulk"]) == (6, 3)
    assert {seen[name] for name in ("redelivery", "delayed", "in_flight", "oldest_waiting_s")} == {None}


def test_every_stage_of_the_catalog_has_a_queue(api: Api, queues: FakeQueues) -> None:
    stages = [item["stage"] for item in api.client.get("/v1/queues").json()["items"]]
    assert stages == list(api.wiring.catalog.stages) == list(queues.backlogs())


def test_a_queue_that_is_paused_says_since_when(api: Api, queues: FakeQueues) -> None:
    # It needs no broker: nobody is told but the records.
    queues.backlog = BrokerUnavailable("no answer")
    for _ in range(2):
        answer = api.client.post("/v1/queues/fetch/pause")
        assert (answer.status_code, answer.json()) == (200, {"stage": "fetch", "paused": True, "paused_at": AT})
        api.clock.advance(5)
    queues.backlog = STREAMS
    assert (queue(api)["paused"], queue(api)["paused_at"], queue(api, "store")["paused"]) == (True, AT, False)
    for _ in range(2):
        answer = api.client.post("/v1/queues/fetch/resume")
        assert (answer.status_code, answer.json()) == (200, {"stage": "fetch", "paused": False, "paused_at": None})
    assert not queue(api)["paused"]


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_a_stage_that_does_not_exist_is_not_found(api: Api, verb: str) -> None:
    problem = problem_of(api.client.post(f"/v1/queues/translate/{verb}"))
    assert (problem["status"], problem["code"]) == (404, "unknown_stage")
    assert "fetch, extract" in problem["detail"]
    assert api.records.log == []


@pytest.mark.parametrize(
    ("broken", "method", "path"),
    [
        ("pause", "POST", "/v1/queues/fetch/pause"),
        ("resume", "POST", "/v1/queues/fetch/resume"),
        ("paused", "GET", "/v1/queues"),
        ("workers", "GET", "/v1/workers"),
    ],
)
@pytest.mark.usefixtures("queues")
def test_without_the_records_there_is_no_answer(api: Api, broken: str, method: str, path: str) -> None:
    api.records.broken[broken] = RecordsUnavailable("no answer")
    assert problem_of(api.client.request(method, path))["code"] == "service_unavailable"


def test_without_the_broker_the_queues_are_not_known(api: Api, queues: FakeQueues) -> None:
    queues.backlog = BrokerUnavailable("no answer")
    answer = api.client.get("/v1/queues")
    assert problem_of(answer)["code"] == "service_unavailable"
    assert answer.headers["retry-after"]


# workers


def test_workers_are_listed_with_what_they_run(api: Api) -> None:
    assert api.client.get("/v1/workers").json() == {"items": []}
    api.records.check_in(replace(WORKER, host="worker", pid=1, stages=("fetch",)), lease_s=10)
    (worker,) = api.client.get("/v1/workers").json()["items"]
    assert worker == {
        "name": "fetch-7@host",
        "stages": ["fetch"],
        "host": "worker",
        "pid": 1,
        "started_at": AT,
        "seen_at": AT,
        "running": 0,
        "finished_per_s": 0.333,
    }
    api.clock.advance(11)
    assert api.client.get("/v1/workers").json() == {"items": []}


# breakers


def test_breakers_have_an_id_that_fits_into_a_path(api: Api, breakers: FakeBreakers) -> None:
    assert api.client.get("/v1/breakers").json() == {"items": []}
    opened = {
        "id": ID,
        "dependency": NAME,
        "state": "open",
        "failures": 0,
        "opened_at": AT,
        "retry_at": "2026-01-03T00:00:00Z",
    }
    answer = api.client.post(f"/v1/breakers/{ID}/open")
    assert (answer.status_code, answer.json()) == (200, opened)
    assert breakers.opened_for == [OPERATORS_PAUSE_S]
    assert api.client.get("/v1/breakers").json() == {"items": [opened]}
    answer = api.client.post(f"/v1/breakers/{ID}/reset")
    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["dependency"]) == ("closed", NAME)
    assert breakers.known == {}


def test_a_breaker_is_opened_for_as_long_as_is_said(api: Api, breakers: FakeBreakers) -> None:
    api.client.post(f"/v1/breakers/{ID}/open?for_s=30")
    assert breakers.opened_for == [30]


@pytest.mark.parametrize("for_s", ["0", "-1", "86401", "long", "nan"])
def test_a_time_that_makes_no_sense_is_refused(api: Api, breakers: FakeBreakers, for_s: str) -> None:
    problem = problem_of(api.client.post(f"/v1/breakers/{ID}/open?for_s={for_s}"))
    assert (problem["status"], problem["code"]) == (422, "invalid_request")
    assert breakers.opened_for == []


@pytest.mark.usefixtures("breakers")
def test_a_breaker_that_is_not_known_cannot_be_reset(api: Api) -> None:
    problem = problem_of(api.client.post(f"/v1/breakers/{ID}/reset"))
    assert (problem["status"], problem["code"]) == (404, "breaker_not_found")
    assert NAME in problem["detail"]


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", f"/{ID}/open"), ("POST", f"/{ID}/reset")])
def test_without_the_broker_breakers_are_not_known(api: Api, breakers: FakeBreakers, method: str, path: str) -> None:
    breakers.is_down = True
    assert problem_of(api.client.request(method, f"/v1/breakers{path}"))["code"] == "service_unavailable"


# the description


@pytest.mark.parametrize("path", PATHS)
def test_answers_and_errors_are_described_with_examples(api: Api, path: str) -> None:
    document = api.client.get("/openapi.json").json()
    (operation,) = document["paths"][path].values()
    assert operation["description"]
    good = operation["responses"].pop("200")["content"]["application/json"]["schema"]["$ref"]
    assert document["components"]["schemas"][good.rpartition("/")[2]]["examples"]
    del operation["responses"]["default"]
    for status, response in operation["responses"].items():
        example = response["content"]["application/problem+json"]["example"]
        assert (str(example["status"]), example["type"]) == (status, f"urn:penstock:error:{example['code']}")


@pytest.mark.parametrize("kind", KINDS)
def test_the_clients_ask_for_the_same(api: Api, queues: FakeQueues, breakers: FakeBreakers, kind: str) -> None:
    breakers.open(NAME, 30)
    penstock = Made(kind, app_of(api))
    assert [queue.stage for queue in penstock.queues().items] == list(queues.backlogs())
    assert penstock.workers().items == []
    assert [breaker.dependency for breaker in penstock.breakers().items] == [NAME]
    penstock.close()
