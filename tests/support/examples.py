"""Answers of the API that its description shows as examples: `python -m tests.support.examples` writes them anew.

They are real answers, given by the application over the twins in memory, at a fixed time and with fixed random numbers.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from api.examples import FILE
from pipeline.ports import Finished
from pipeline.spending import Spending, Spent
from stages.contract import Document, Summary
from stages.contract.document import DocumentSource, Metadata, StageProvenance
from tests.support.api import Api

SECRET = "whsec_" + "A" * 43 + "="
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
PAGE = "https://en.wikipedia.org/wiki/Penstock"
TEXT = "A penstock is a gate or a pipe that controls how much water flows to a turbine."
STAGES = ("fetch", "extract", "summarize", "store")
ASKED = Spent(calls=1, input_tokens=812, output_tokens=64, micros=427, currency="USD")


class Recorder:
    """Asks for one of everything and remembers the answers by the schema that describes them."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.described = api.client.get("/openapi.json").json()
        self.answers: dict[str, Any] = {}

    def ask(self, method: str, path: str, *, of: str | None = None, body: Any = None, **headers: str) -> Any:
        """`of` is the path as the description has it, where it is another one."""
        self.api.clock.advance(1)
        answer = self.api.client.request(method, path, json=body, headers=headers)
        assert answer.is_success, answer.text
        operation = self.described["paths"][of or path.partition("?")[0]][method.lower()]
        schema = operation["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
        return self.answers.setdefault(schema["$ref"].rpartition("/")[2], answer.json())


def recorded() -> dict[str, Any]:
    """All examples, by the name of the schema."""
    with pytest.MonkeyPatch.context() as patch:
        api = Api(patch, secret_key="s" * 32)
        api.clock.advance((NOON - api.clock.now()).total_seconds())
        api.wiring.random = Random(1)  # type: ignore[assignment]
        patch.setattr("orchestration.webhooks.desk.new_secret", lambda _random: SECRET)
        recorder = Recorder(api)
        _jobs(recorder)
        _collections(recorder)
        return recorder.answers


def _jobs(recorder: Recorder) -> None:
    api = recorder.api
    submitted = recorder.ask("POST", "/v1/jobs", body={"url": PAGE, "tags": ["energy"]})
    for stage in STAGES:
        _finish(api, submitted["id"], stage)
    for path in ("", "/runs", "/result"):
        recorder.ask("GET", submitted["url"] + path, of=f"/v1/jobs/{{job_id}}{path}")
    recorder.ask("GET", "/v1/jobs")
    failed = api.submit(url="https://example.invalid/")
    api.fail(failed, message="The host name could not be resolved; check the spelling of the URL.")
    recorder.ask("GET", "/v1/dead-letters")
    recorder.ask("GET", f"/v1/dead-letters/{failed}", of="/v1/dead-letters/{job_id}")
    bulk = {"action": "retry", "filter": {"code": "dns_failure"}}
    recorder.ask("POST", "/v1/jobs/bulk-actions", body=bulk | {"preview": True})
    recorder.ask("POST", "/v1/jobs/bulk-actions", body=bulk)
    recorder.ask("GET", "/v1/bulk-actions")
    recorder.ask("POST", f"/v1/jobs/{failed}/retry", of="/v1/jobs/{job_id}/retry")


def _collections(recorder: Recorder) -> None:
    recorder.ask("POST", "/v1/batches", body={"name": "archive", "items": [{"url": PAGE}, {"url": 7}]})
    recorder.ask("GET", "/v1/batches")
    daily = {"name": "news", "cron": "30 7 * * *", "time_zone": "Europe/Berlin", "job": {"url": "https://example.com/"}}
    schedule = recorder.ask("POST", "/v1/schedules", body=daily)
    recorder.ask("GET", "/v1/schedules")
    for method, path in (("POST", "/run"), ("GET", "/runs")):
        recorder.ask(method, schedule["url"] + path, of=f"/v1/schedules/{{schedule_id}}{path}")
    hook = recorder.ask("POST", "/v1/webhooks", body={"url": "https://example.com/hooks"})
    recorder.ask("GET", "/v1/webhooks")
    for method, path in (("GET", ""), ("POST", "/test"), ("GET", "/deliveries")):
        recorder.ask(method, f"/v1/webhooks/{hook['id']}{path}", of=f"/v1/webhooks/{{webhook_id}}{path}")
    recorder.ask("GET", "/v1/usage?from=2026-11-21&to=2026-11-21")
    recorder.ask("GET", "/healthz")
    recorder.ask("GET", "/readyz")


def _finish(api: Api, job_id: str, stage: str) -> None:
    hold = api.start(job_id, stage)
    started = api.clock.now()
    api.clock.advance(0.4)
    document = _document(job_id, started, api.clock.now())
    claim = api.payloads.put(f"default/{job_id}/1/{stage}.0", document.to_bytes(), document.media_type)
    spending = Spending("default", {"gpt-4.1-mini": ASKED}) if stage == "summarize" else None
    assert api.records.complete(hold, claim, Finished(api.clock.now(), 0.4, spending))


def _document(job_id: str, started: datetime, now: datetime) -> Document:
    step = StageProvenance(
        stage="fetch",
        attempts=1,
        started_at=started - timedelta(seconds=1),
        finished_at=now,
        duration_s=0.4,
        sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        size=4_031,
        media_type="application/vnd.penstock.page+json",
    )
    return Document(
        job_id=job_id,
        run=1,
        pipeline="summarize",
        created_at=NOON,
        source=DocumentSource(url=PAGE, final_url=PAGE, charset="utf-8", fetched_at=now),
        metadata=Metadata(title="Penstock", language="en", site_name="Wikipedia", sources={"title": "opengraph"}),
        text=TEXT,
        markdown=f"# Penstock\n\n{TEXT}",
        html=f"<h1>Penstock</h1>\n<p>{TEXT}</p>",
        summary=Summary(text=TEXT, processing="quick", method="llm", model="gpt-4.1-mini", language="en"),
        provenance=(step,),
    )


if __name__ == "__main__":
    Path(FILE).write_text(json.dumps(recorded(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
