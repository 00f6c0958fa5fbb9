"""Operators are answered within a second, whatever the broker does."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from api.app import create_app
from orchestration.settings import Settings
from orchestration.wiring import Wiring
from tests.support.api import problem_of
from tests.support.brokers import KINDS, Broker
from tests.support.databases import sqlite_url

WITHIN_S = 1.0
SLACK_S = 0.5
"""Of two processors that others use as well."""
ON_REDIS = ["GET /v1/queues", "GET /v1/breakers", "POST /v1/breakers/x/open", "POST /v1/breakers/x/reset"]
ON_RECORDS = ["POST /v1/queues/fetch/pause", "POST /v1/queues/fetch/resume", "GET /v1/workers"]


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    # Not pytest's folder: the path of a Unix socket may have about a hundred bytes.
    with (
        tempfile.TemporaryDirectory(prefix="outage-") as folder,
        Broker(KINDS["valkey"].binary(), Path(folder), appendonly="no") as broker,
    ):
        yield broker


@pytest.fixture(params=["streams", "lists"])
def client(request: pytest.FixtureRequest, broker: Broker, tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(
        data_dir=tmp_path,
        broker_url=SecretStr(broker.url),
        broker_transport=request.param,
        database_url=SecretStr(sqlite_url(tmp_path)),
    )
    with TestClient(
        create_app(Wiring(settings)), base_url="http://127.0.0.1:8000", raise_server_exceptions=False
    ) as client:
        yield client


def ask(client: TestClient, question: str) -> Any:
    began_at = time.monotonic()
    answer = client.request(*question.split(" "))
    assert time.monotonic() - began_at < WITHIN_S + SLACK_S
    return answer


@pytest.mark.parametrize("outage", ["stopped", "killed"])
def test_operators_learn_of_an_outage_at_once(client: TestClient, broker: Broker, outage: str) -> None:
    assert {ask(client, question).status_code for question in [*ON_RECORDS, *ON_REDIS]} == {200}
    if outage == "stopped":
        broker.pause()
    else:
        broker.kill()
    try:
        for question in ON_REDIS:
            assert problem_of(ask(client, question))["code"] == "service_unavailable"
        assert {ask(client, question).status_code for question in ON_RECORDS} == {200}
    finally:
        if outage == "stopped":
            broker.resume()
        else:
            broker.start()
    answers = [client.request(*question.split(" ")) for question in [*ON_RECORDS, *ON_REDIS]]
    assert {answer.status_code for answer in answers} == {200}
