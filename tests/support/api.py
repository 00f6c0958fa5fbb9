"""The HTTP application over the twins in memory, with no server and no database."""

import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from api.app import create_app
from orchestration.batches import BatchWork
from orchestration.digests import DigestWork
from orchestration.expansion import SourceWork
from orchestration.launcher import Launcher
from orchestration.quotas import QuotaBook
from orchestration.settings import Settings
from orchestration.streams.hub import Hub
from orchestration.transport.urls import read_url
from orchestration.wiring import Wiring
from pipeline.ids import Hold, StageKey
from pipeline.job import DEFAULT_TENANT, JobError
from pipeline.keys import KeyScope
from pipeline.memory import MemoryAnnouncer, MemoryPayloads, MemoryRecords
from pipeline.ports import Finished
from pipeline.work import Grant
from stages.contract import Document
from stages.contract.document import DocumentSource, Metadata
from tests.support.bench import Watched
from tests.support.broker import MemoryBroker
from tests.support.tools import ManualClock

MAX_BODY_BYTES = 50_000
BASE_URL = "http://127.0.0.1:8000"
ALL_SCOPES = ",".join(KeyScope)


class Api:
    """A client, and the twins behind it; settings by their names."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        self.clock = ManualClock()
        self.records = Watched(MemoryRecords(self.clock))
        self.payloads = Watched(MemoryPayloads())
        self.wiring = Wiring(
            Settings(
                broker_url=SecretStr("memory://"),
                broker_transport="lists",
                api_max_body_bytes=MAX_BODY_BYTES,
                **settings,
            )
        )
        self.wiring.clock = self.clock  # type: ignore[assignment]
        self.broker = MemoryBroker(monkeypatch, self.wiring.catalog.stages.values())
        self.announcer = MemoryAnnouncer()
        self.hub = Hub(read_url("redis+socket:///nowhere.sock"), kept=100)
        vars(self.wiring).update(
            records=self.records,
            # Read for any request, and noted by nobody.
            quotas=QuotaBook(self.records.inner, self.clock, self.wiring.settings.quotas),
            payloads=self.payloads,
            app=self.broker.app,
            announcer=self.announcer,
            hub=lambda: self.hub,
        )
        self.client = TestClient(create_app(self.wiring), base_url=BASE_URL, raise_server_exceptions=False)

    def bearer(
        self, scopes: str = ALL_SCOPES, *, tenant_id: str = DEFAULT_TENANT, lifetime: timedelta | None = None
    ) -> dict[str, str]:
        """The header of a new key."""
        allowed = frozenset(map(KeyScope, scopes.split(",")))
        _, text = self.wiring.key_desk.create(tenant_id, "test", allowed, lifetime)
        return {"Authorization": f"Bearer {text.get_secret_value()}"}

    def submit(self, **body: Any) -> str:
        """Submit a job, `url` unless told otherwise, and return its id; the next one is newer."""
        self.clock.advance(0.001)
        answer = self.client.post("/v1/jobs", json=body or {"url": "https://example.org/"})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def keep(self) -> int:
        """What the keeper does about jobs that are held, or of batches that are cancelled; how many."""
        launcher = Launcher(self.records, self.broker.app, self.announcer, self.clock, is_leading=lambda: True)
        batches = BatchWork(self.records, self.announcer, self.clock).turn()
        digests = DigestWork(self.records, self.wiring.desk).turn()
        return launcher.turn() + batches + digests + SourceWork(self.records, self.wiring.desk).turn()

    def start(self, job_id: str, stage: str, run: int = 1) -> Hold:
        """Claim a stage as a worker would."""
        key = StageKey(job_id, run, stage)
        granted = self.records.claim(key, owner="worker", lease_s=30, at=self.clock.now())
        assert isinstance(granted, Grant), granted
        return Hold(key, granted.epoch)

    def fail(self, job_id: str, stage: str = "fetch", run: int = 1, **error: Any) -> None:
        """Fail a stage for good, and the job with it."""
        failed = JobError(**{"code": "dns_failure", "message": "No such host.", "stage": stage, **error})
        hold = self.start(job_id, stage, run)
        assert self.records.fail(hold, failed, spends=True, ended=Finished(self.clock.now(), 1.0))

    def finish(self, job_id: str, *stages: str, run: int = 1, **fields: Any) -> Document:
        """Run these stages, with a small document as the output of each."""
        document = Document(
            job_id=job_id,
            run=run,
            pipeline="summarize",
            created_at=self.clock.now(),
            source=DocumentSource(url="https://example.org/"),
            metadata=Metadata(title="Ünïcödé"),
            text="Text.",
            markdown="Text.",
            provenance=(),
            **fields,
        )
        for stage in stages:
            hold = self.start(job_id, stage, run)
            self.clock.advance(2)
            claim = self.payloads.put(f"default/{job_id}/{run}/{stage}.0", document.to_bytes(), document.media_type)
            assert self.records.complete(hold, claim, Finished(self.clock.now(), 2.0))
        return document


def problem_of(answer: Any) -> dict[str, Any]:
    """The problem of an error's answer, which is checked for its form."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem: dict[str, Any] = json.loads(answer.content)
    assert problem["status"] == answer.status_code
    assert problem["type"] == f"urn:penstock:error:{problem['code']}"
    assert problem["title"]
    assert problem["detail"]
    return problem
