"""The description against the application: whatever the one allows, the other answers as it says.

`positive_data_acceptance` is left out: rules between fields, such as exactly one of `url`, `html` and `text`, are not
in the description.
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.result import Ok

from tests.support.api import Api
from tests.support.operators import FakeBreakers, FakeQueues

ENDLESS = {"/v1/events"}
"""A stream that ends with its reader; those of jobs and batches that do not exist are asked for."""
STAGES = ("fetch", "extract", "summarize", "store")


class Service(Api):
    """An application that has one of everything, and the schema of its description."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch, api_auth="required", secret_key="s" * 32)
        vars(self.wiring).update(queues=FakeQueues(), breaker_desk=FakeBreakers())
        self.wiring.close = lambda: None  # type: ignore[method-assign]  # the twins have nothing to close
        self.key = self.bearer()
        self.client.headers.update(self.key)
        self.schema = schemathesis.openapi.from_asgi("/openapi.json", self.client.app, headers=self.key)
        self.known = self._seeded()

    def _seeded(self) -> Mapping[str, str]:
        """An id of everything that there is one of, by the name it has in paths."""
        job, dead = self.submit(text="Water falls."), self.submit()
        self.finish(job, *STAGES)
        self.fail(dead)
        return {
            "job_id": job,
            "batch_id": self._made("/v1/batches", items=[{"text": "Water falls."}]),
            "schedule_id": self._made("/v1/schedules", name="daily", interval_s=86_400, job={"text": "Water."}),
            "webhook_id": self._made("/v1/webhooks", url="https://receiver.example/hook"),
            "stage": "fetch",
        }

    def _made(self, path: str, **body: Any) -> str:
        answer = self.client.post(path, json=body)
        assert answer.is_success, answer.text
        return str(answer.json()["id"])


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    logging.disable()
    yield Service(monkeypatch)
    logging.disable(logging.NOTSET)


def described(service: Service) -> list[Any]:
    load_all_checks()
    operations = [each.ok() for each in service.schema.get_all_operations() if isinstance(each, Ok)]
    assert len(operations) > 50
    return [each for each in operations if each.path not in ENDLESS]


def check(service: Service, operation: Any, *, examples: int) -> None:
    left_out = [CHECKS.get_one("positive_data_acceptance")]

    @seed(1)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        if case.meta.generation.mode.is_positive and len(str(case.body)) % 2:
            # Half of them about what is there, and so by another way through the application.
            known = service.known.keys() & case.path_parameters.keys()
            case.path_parameters.update({name: service.known[name] for name in known})
        case.call_and_validate(headers=service.key, excluded_checks=left_out)

    ask()


@pytest.mark.parametrize("examples", [3, pytest.param(200, marks=[pytest.mark.full, pytest.mark.timeout(1200)])])
def test_every_answer_is_as_the_description_says(service: Service, examples: int) -> None:
    failures = {}
    for operation in described(service):
        try:
            check(service, operation, examples=examples)
        except Exception as error:
            failures[operation.label] = error
    assert not failures, "\n\n".join(f"{label}: {error}" for label, error in failures.items())
