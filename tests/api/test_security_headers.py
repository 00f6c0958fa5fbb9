"""Every answer tells browsers to make nothing of it but data."""

import asyncio

import pytest

from api.security_headers import SecurityHeaders
from tests.support.api import MAX_BODY_BYTES, Api

STRICT = "default-src 'none'; frame-ancestors 'none'"


def assert_safe(answer, policy: str = STRICT) -> None:
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers.get_list("content-security-policy") == [policy]


def test_every_answer_has_them(api: Api) -> None:
    api.records.broken["runs"] = KeyError("a defect")
    answers = {
        200: api.client.get("/v1/jobs"),
        202: api.client.post("/v1/jobs", json={"text": "Water falls."}),
        400: api.client.post("/v1/jobs", content="{", headers={"Content-Type": "application/json"}),
        401: api.client.get("/v1/jobs", headers={"Authorization": "Bearer x"}),
        403: api.client.get("/v1/jobs", headers={"Origin": "https://evil.example"}),
        404: api.client.get("/nothing"),
        405: api.client.put("/v1/jobs"),
        413: api.client.post("/v1/jobs", json={"text": "x" * MAX_BODY_BYTES}),
        421: api.client.get("/v1/jobs", headers={"Host": "rebound.example"}),
        500: api.client.get("/v1/jobs/x/runs"),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert_safe(answer)
    assert_safe(api.client.get("/healthz"))


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_pages_may_load_what_they_need_but_not_be_framed(api: Api, path: str) -> None:
    assert_safe(api.client.get(path), "frame-ancestors 'none'")


def test_a_result_is_a_file_and_never_a_page(api: Api) -> None:
    job_id = api.submit()
    api.finish(job_id, "fetch", "extract", "summarize", "store")
    answer = api.client.get(f"/v1/jobs/{job_id}/result")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == "attachment"
    assert_safe(answer, "sandbox")


def test_what_is_streamed_passes_as_it_comes() -> None:
    log: list[str] = []

    async def streaming(_scope, _receive, send) -> None:
        await send({"type": "http.response.start", "status": 200})
        for part in (b"1", b"2"):
            log.append(f"made {part.decode()}")
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    async def send(message) -> None:
        log.append(f"sent {message.get('body', b'').decode() or len(message.get('headers', ()))}")

    asyncio.run(SecurityHeaders(streaming)({"type": "http", "path": "/"}, None, send))
    assert log == ["sent 4", "made 1", "sent 1", "made 2", "sent 2", "sent 0"]
