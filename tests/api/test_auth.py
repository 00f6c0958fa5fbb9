"""Who is let in, and what for."""

import logging
import re
from datetime import timedelta

import pytest

from orchestration.keys import KNOWN_FOR_S
from pipeline.errors import RecordsUnavailable
from tests.support.api import MAX_BODY_BYTES, Api, problem_of

PUBLIC = {"api_host": "0.0.0.0"}


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Api:
    return Api(monkeypatch, api_auth="required")


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({}, 200),
        ({"api_auth": "off"}, 200),
        ({"api_auth": "required"}, 401),
        (PUBLIC, 401),
        ({"api_host": "::"}, 401),
        ({"api_host": "::1"}, 200),
        ({"api_host": "localhost"}, 200),
        ({"api_host": "penstock.example.org"}, 401),
        (PUBLIC | {"api_auth": "required"}, 401),
        (PUBLIC | {"api_auth": "off"}, 200),
    ],
)
def test_a_key_is_needed_off_loopback_unless_the_setting_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], status: int
) -> None:
    api = Api(monkeypatch, **settings)
    assert api.client.get("/v1/jobs").status_code == status
    assert api.client.get("/v1/jobs", headers=api.bearer()).status_code == 200


def test_without_a_key_the_answer_says_how_to_send_one(guarded: Api) -> None:
    answer = guarded.client.get("/v1/jobs")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert problem_of(answer)["code"] == "unauthorized"
    assert "Authorization: Bearer" in problem_of(answer)["detail"]


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer psk_",
        "Bearer psk_0a1b2c3d_" + "x" * 43,
        "Bearer psk_0a1b2c3d_" + "x" * 100_000,
        "Bearer ' OR 1=1",
        "Bearer é",
        "Basic dXNlcjpwYXNz",
        "psk_0a1b2c3d_" + "x" * 43,
        "",
    ],
)
def test_what_is_no_key_opens_nothing(guarded: Api, header: str) -> None:
    answer = guarded.client.get("/v1/jobs", headers={"Authorization": header.encode()})
    assert problem_of(answer)["code"] == "unauthorized"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_all_bad_keys_are_refused_with_the_same_words(guarded: Api) -> None:
    expired = guarded.bearer(lifetime=timedelta(seconds=1))
    guarded.clock.advance(1)
    wrong = {"Authorization": guarded.bearer()["Authorization"][:-2] + "-_"}
    revoked = guarded.bearer()
    guarded.wiring.key_desk.revoke(revoked["Authorization"][len("Bearer psk_") :][:8])
    unknown = {"Authorization": "Bearer psk_0a1b2c3d_" + "x" * 43}
    answers = [guarded.client.get("/v1/jobs", headers=header) for header in (expired, wrong, revoked, unknown)]
    assert {(answer.status_code, answer.text) for answer in answers} == {(401, answers[0].text)}


def test_the_scheme_is_written_in_any_case(guarded: Api) -> None:
    text = guarded.bearer()["Authorization"].partition(" ")[2]
    assert guarded.client.get("/v1/jobs", headers={"Authorization": f"bEARER  {text}"}).status_code == 200


def test_a_key_that_is_shown_counts_also_where_none_is_needed(api: Api) -> None:
    theirs = api.bearer("read", tenant_id="theirs")
    job_id = api.submit()
    assert api.client.get(f"/v1/jobs/{job_id}").status_code == 200
    assert api.client.get(f"/v1/jobs/{job_id}", headers=theirs).status_code == 404
    assert problem_of(api.client.post(f"/v1/jobs/{job_id}/retry", headers=theirs))["code"] == "forbidden_scope"
    bad = {"Authorization": "Bearer psk_0a1b2c3d_" + "x" * 43}
    assert api.client.get(f"/v1/jobs/{job_id}", headers=bad).status_code == 401


def test_what_a_proxy_asks_for_itself_is_not_taken_for_a_key(api: Api) -> None:
    assert api.client.get("/v1/jobs", headers={"Authorization": "Basic dXNlcjpwYXNz"}).status_code == 200


def test_the_job_belongs_to_the_tenant_of_the_key(guarded: Api) -> None:
    ours, theirs = guarded.bearer(tenant_id="ours"), guarded.bearer(tenant_id="theirs")
    answer = guarded.client.post("/v1/jobs", json={"text": "Water falls."}, headers=ours)
    path = answer.headers["location"]
    assert guarded.client.get(path, headers=ours).status_code == 200
    assert problem_of(guarded.client.get(path, headers=theirs))["code"] == "job_not_found"
    assert [len(guarded.client.get("/v1/jobs", headers=key).json()["items"]) for key in (ours, theirs)] == [1, 0]
    [stored] = guarded.payloads.inner.objects
    assert stored.startswith("ours/")


def test_a_refusal_names_the_scope_that_is_needed(guarded: Api) -> None:
    answer = guarded.client.post("/v1/jobs", json={"text": "Water falls."}, headers=guarded.bearer("read,admin"))
    assert (answer.status_code, problem_of(answer)["code"]) == (403, "forbidden_scope")
    assert problem_of(answer)["detail"] == "This needs a key with the scope submit."
    assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="submit"'


def test_who_submits_may_cancel_and_who_administers_may_purge(guarded: Api) -> None:
    submit, admin = guarded.bearer("submit"), guarded.bearer("admin")
    path = guarded.client.post("/v1/jobs", json={"text": "Water falls."}, headers=submit).headers["location"]
    assert "scope submit" in problem_of(guarded.client.delete(path, headers=admin))["detail"]
    assert guarded.client.delete(path, headers=submit).status_code == 200
    assert "scope admin" in problem_of(guarded.client.delete(f"{path}?purge=true", headers=submit))["detail"]
    assert guarded.client.delete(f"{path}?purge=true", headers=admin).status_code == 204


def test_nothing_of_a_strangers_body_is_read(guarded: Api) -> None:
    def body():
        raise AssertionError("was read")
        yield b""

    answer = guarded.client.post("/v1/jobs", content=body(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 401
    too_much = {"Content-Type": "application/json", "Content-Length": str(10 * MAX_BODY_BYTES)}
    assert guarded.client.post("/v1/jobs", content=body(), headers=too_much).status_code == 401


def test_probes_need_no_key_and_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for settings in ({}, {"api_auth": "required"}):
        api = Api(monkeypatch, **settings)
        for path in ("/healthz", "/readyz"):
            assert api.client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200


def test_a_revoked_key_stops_working_within_five_seconds(guarded: Api) -> None:
    header = guarded.bearer()
    assert guarded.client.get("/v1/jobs", headers=header).status_code == 200
    guarded.wiring.key_desk.revoke(header["Authorization"][len("Bearer psk_") :][:8])
    guarded.clock.advance(KNOWN_FOR_S)
    assert guarded.client.get("/v1/jobs", headers=header).status_code == 401


def test_a_busy_api_reads_a_key_once_in_five_seconds_and_writes_its_use_once_a_minute(guarded: Api) -> None:
    header = guarded.bearer()
    for _ in range(20):
        guarded.clock.advance(1)
        assert guarded.client.get("/v1/jobs", headers=header).status_code == 200
    assert guarded.records.log.count("key") == 4
    assert guarded.records.log.count("note_key_use") == 1
    [key] = guarded.records.inner.all_keys()
    assert key.last_used_at is not None


def test_a_request_does_not_fail_with_the_note_of_its_use(guarded: Api) -> None:
    guarded.records.broken["note_key_use"] = RecordsUnavailable("away")
    assert guarded.client.get("/v1/jobs", headers=guarded.bearer()).status_code == 200
    assert "note_key_use" in guarded.records.log


def test_while_keys_cannot_be_read_nobody_is_let_in(guarded: Api) -> None:
    header = guarded.bearer()
    guarded.records.broken["key"] = RecordsUnavailable("away")
    answer = guarded.client.get("/v1/jobs", headers=header)
    assert problem_of(answer)["code"] == "service_unavailable"
    assert answer.headers["retry-after"]


def test_no_key_gets_into_a_log(guarded: Api, caplog: pytest.LogCaptureFixture) -> None:
    header = guarded.bearer("read")
    guarded.records.broken["note_key_use"] = RecordsUnavailable("away")
    guarded.records.broken["jobs"] = KeyError("a defect")
    with caplog.at_level(logging.DEBUG):
        assert guarded.client.get("/v1/jobs", headers=header).status_code == 500
        guarded.client.post("/v1/jobs", json={}, headers=header)
        guarded.client.get("/v1/jobs", headers={"Authorization": header["Authorization"][:-1] + "~"})
    assert caplog.records
    assert not re.search(r"psk_[0-9a-f]{8}_\w", caplog.text)


def test_the_description_says_which_scope_each_operation_needs(api: Api) -> None:
    described = api.client.get("/openapi.json").json()
    assert described["components"]["securitySchemes"]["ApiKey"]["scheme"] == "bearer"
    jobs, job = (described["paths"][path] for path in ("/v1/jobs", "/v1/jobs/{job_id}"))
    assert jobs["post"]["security"] == [{"ApiKey": ["submit"]}]
    assert jobs["get"]["security"] == [{"ApiKey": ["read"]}]
    assert job["delete"]["security"] == [{"ApiKey": ["submit"]}, {"ApiKey": ["admin"]}]
    assert [query["name"] for query in job["delete"]["parameters"]].count("purge") == 1
    assert "security" not in described["paths"]["/healthz"]["get"]


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/schedules", "/v1/batches"])
def test_leaving_robots_txt_aside_takes_more_than_leave_to_submit(guarded: Api, path: str) -> None:
    job = {"url": "https://example.org/", "robots": "ignore"}
    asked = {
        "/v1/jobs": job,
        "/v1/schedules": {"name": "often", "interval_s": 600, "job": job},
        "/v1/batches": {"items": [job]},
    }[path]
    for scopes, may in (("submit", False), ("submit,admin", True)):
        answer = guarded.client.post(path, json=asked, headers=guarded.bearer(scopes))
        refused = answer.json().get("rejected", []) if path == "/v1/batches" else [answer.json()]
        codes = [each.get("code") for each in refused]
        assert codes == ([] if path == "/v1/batches" else [None]) if may else codes == ["forbidden_scope"], answer.text
