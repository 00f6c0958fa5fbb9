import pytest

from pipeline.errors import PayloadsUnavailable, RecordsUnavailable
from tests.support.api import Api

RERUN = {"202", "400", "404", "409", "422", "503", "default"}
WITH_BODY = {"400", "413", "415", "422"}
ROUTES = {
    ("/v1/jobs", "post"): {"200", "202", "503", "default"} | WITH_BODY,
    ("/v1/jobs", "get"): {"200", "422", "default"},
    ("/v1/jobs/{job_id}", "get"): {"200", "304", "404", "422", "default"},
    ("/v1/jobs/{job_id}/artifacts/{stage}", "get"): {"200", "206", "304", "404", "410", "416", "422", "default"},
    ("/v1/jobs/{job_id}/events", "get"): {"200", "404", "422", "default"},
    ("/v1/events", "get"): {"200", "422", "default"},
    ("/v1/jobs/{job_id}", "delete"): {"200", "204", "404", "409", "422", "default"},
    ("/v1/jobs/{job_id}/result", "get"): {"200", "304", "404", "406", "409", "410", "422", "default"},
    ("/v1/jobs/{job_id}/retry", "post"): RERUN,
    ("/v1/jobs/{job_id}/replay", "post"): RERUN | WITH_BODY,
    ("/v1/jobs/{job_id}/runs", "get"): {"200", "404", "default"},
    ("/v1/jobs/bulk-actions", "post"): {"200", "202", "503", "default"} | WITH_BODY,
    ("/v1/bulk-actions", "get"): {"200", "422", "default"},
    ("/v1/bulk-actions/{action_id}", "get"): {"200", "404", "default"},
    ("/v1/bulk-actions/{action_id}/abort", "post"): {"200", "404", "default"},
    ("/v1/batches", "post"): {"202", "409", "503", "default"} | WITH_BODY,
    ("/v1/batches", "get"): {"200", "422", "default"},
    ("/v1/batches/{batch_id}", "get"): {"200", "404", "default"},
    ("/v1/batches/{batch_id}", "delete"): {"200", "404", "default"},
    ("/v1/batches/{batch_id}/jobs", "get"): {"200", "404", "422", "default"},
    ("/v1/batches/{batch_id}/retry-failed", "post"): {"202", "404", "503", "default"},
    ("/v1/batches/{batch_id}/results", "get"): {"200", "404", "406", "default"},
    ("/v1/batches/{batch_id}/events", "get"): {"200", "404", "422", "default"},
    ("/v1/schedules", "post"): {"201", "503", "default"} | WITH_BODY,
    ("/v1/schedules", "get"): {"200", "422", "default"},
    ("/v1/schedules/{schedule_id}", "get"): {"200", "404", "default"},
    ("/v1/schedules/{schedule_id}", "patch"): {"200", "404", "default"} | WITH_BODY,
    ("/v1/schedules/{schedule_id}", "delete"): {"204", "404", "default"},
    ("/v1/schedules/{schedule_id}/pause", "post"): {"200", "404", "default"},
    ("/v1/schedules/{schedule_id}/resume", "post"): {"200", "404", "default"},
    ("/v1/schedules/{schedule_id}/run", "post"): {"202", "404", "503", "default"},
    ("/v1/schedules/{schedule_id}/runs", "get"): {"200", "404", "422", "default"},
    ("/v1/webhooks", "post"): {"201", "501", "503", "default"} | WITH_BODY,
    ("/v1/webhooks", "get"): {"200", "422", "default"},
    ("/v1/webhooks/{webhook_id}", "get"): {"200", "404", "default"},
    ("/v1/webhooks/{webhook_id}", "patch"): {"200", "404", "default"} | WITH_BODY,
    ("/v1/webhooks/{webhook_id}", "delete"): {"204", "404", "default"},
    ("/v1/webhooks/{webhook_id}/rotate-secret", "post"): {"200", "404", "501", "default"},
    ("/v1/webhooks/{webhook_id}/test", "post"): {"202", "404", "409", "default"},
    ("/v1/webhooks/{webhook_id}/deliveries", "get"): {"200", "404", "422", "default"},
    ("/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", "post"): {"202", "404", "409", "default"},
    ("/v1/dead-letters", "get"): {"200", "422", "default"},
    ("/v1/dead-letters/{job_id}", "get"): {"200", "404", "default"},
    ("/v1/dead-letters/{job_id}", "delete"): {"204", "404", "409", "default"},
    ("/v1/dead-letters/{job_id}/retry", "post"): RERUN,
    ("/v1/usage", "get"): {"200", "422", "default"},
    ("/v1/queues", "get"): {"200", "503", "default"},
    ("/v1/queues/{stage}/pause", "post"): {"200", "404", "503", "default"},
    ("/v1/queues/{stage}/resume", "post"): {"200", "404", "503", "default"},
    ("/v1/workers", "get"): {"200", "503", "default"},
    ("/v1/breakers", "get"): {"200", "503", "default"},
    ("/v1/breakers/{breaker_id}/open", "post"): {"200", "422", "503", "default"},
    ("/v1/breakers/{breaker_id}/reset", "post"): {"200", "404", "503", "default"},
    ("/healthz", "get"): {"200"},
    ("/readyz", "get"): {"200", "503"},
    ("/metrics", "get"): {"200", "503"},
}


def test_alive_touches_nothing(api: Api) -> None:
    answer = api.client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert api.records.log == api.payloads.log == []


def test_ready_when_everything_answers(api: Api) -> None:
    answer = api.client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "checks": {"records": "ok", "payloads": "ok", "broker": "ok"}}


@pytest.mark.parametrize(
    ("service", "error"),
    [("records", RecordsUnavailable("the database is away")), ("payloads", PayloadsUnavailable("the disk is full"))],
)
def test_not_ready_when_one_of_them_does_not_and_only_the_log_says_why(
    api: Api, service: str, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    getattr(api, service).broken["check"] = error
    answer = api.client.get("/readyz")
    assert answer.status_code == 503
    body = answer.json()
    assert body["status"] == "unavailable"
    assert body["checks"].pop(service) == "unavailable"
    assert str(error) in caplog.text
    assert set(body["checks"].values()) == {"ok"}


def test_not_ready_without_a_broker(api: Api, tmp_path: object) -> None:
    absent = f"redis+socket://{tmp_path}/absent.sock"
    api.broker.app.conf.update(broker_url=absent, broker_write_url=absent)
    answer = api.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["broker"] == "unavailable"


def test_the_description_has_every_route_and_every_answer(api: Api) -> None:
    described = api.client.get("/openapi.json").json()
    found = {
        (path, method): set(operation["responses"])
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    }
    assert found == ROUTES


def test_every_error_is_described_as_a_problem(api: Api) -> None:
    described = api.client.get("/openapi.json").json()
    for path in {path for path, _ in ROUTES if path.startswith("/v1")}:
        for operation in described["paths"][path].values():
            errors = {code: body for code, body in operation["responses"].items() if not code.startswith(("2", "3"))}
            schemas = {media["schema"]["$ref"] for body in errors.values() for media in body["content"].values()}
            assert schemas == {"#/components/schemas/Problem"}


def test_the_pages_for_people_are_served(api: Api) -> None:
    assert "swagger" in api.client.get("/docs").text


def test_at_the_end_the_services_are_closed(api: Api) -> None:
    closed: list[str] = []
    api.records.inner.close = lambda: closed.append("records")
    api.announcer.close = lambda: closed.append("announcer")  # type: ignore[attr-defined]
    with api.client as client:
        assert client.get("/healthz").status_code == 200
        assert closed == []
    assert closed == ["announcer", "records"]


def test_errors_are_described_with_the_media_type_they_have(api: Api) -> None:
    responses = api.client.get("/openapi.json").json()["paths"]["/v1/jobs"]["post"]["responses"]
    assert list(responses["422"]["content"]) == ["application/problem+json"]
    assert list(responses["202"]["content"]) == ["application/json"]
