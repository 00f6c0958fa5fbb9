"""Without a key only programs of this machine are served, not web pages that its browsers show."""

import pytest

from tests.support.api import BASE_URL, Api, problem_of

JOB = {"text": "Water falls."}


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> Api:
    """Reached under any name, without keys, because somebody said so."""
    return Api(monkeypatch, api_host="0.0.0.0", api_auth="off")


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:1", "127.9.8.7:8000", "[::1]", "[::1]:8000"],
)
def test_names_of_this_machine_are_served(api: Api, host: str) -> None:
    assert api.client.get("/v1/jobs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example",
        "rebound.example:8000",
        "localhost.rebound.example",
        "127.0.0.1.rebound.example",
        "localhost:8000@rebound.example",
        "rebound.example:localhost",
        "0.0.0.0:8000",
        "192.168.1.5:8000",
        "[::]:8000",
        "[2001:db8::1]:8000",
        "[localhost]:8000]",
        "127.1",
        "2130706433",
        ":8000",
        "",
    ],
)
def test_another_name_is_a_page_that_let_it_point_here(api: Api, host: str) -> None:
    for answer in (
        api.client.get("/v1/jobs", headers={"Host": host}),
        api.client.get("/docs", headers={"Host": host}),
        api.client.post("/v1/jobs", json=JOB, headers={"Host": host}),
    ):
        assert (answer.status_code, problem_of(answer)["code"]) == (421, "host_not_allowed")
    assert api.records.log == []


def test_with_a_key_or_off_loopback_any_name_will_do(api: Api, public: Api) -> None:
    host = {"Host": "penstock.example.org"}
    assert api.client.get("/v1/jobs", headers=host | api.bearer()).status_code == 200
    assert public.client.get("/v1/jobs", headers=host).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "cross-site", "Origin": BASE_URL},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:3000"},
        {"Origin": "http://127.0.0.1:8000.evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
    ],
)
@pytest.mark.parametrize("kind", ["api", "public"])
def test_a_page_of_another_site_may_change_nothing(
    request: pytest.FixtureRequest, kind: str, sent: dict[str, str]
) -> None:
    api: Api = request.getfixturevalue(kind)
    job_id = api.submit()
    for method, path in (("POST", "/v1/jobs"), ("DELETE", f"/v1/jobs/{job_id}"), ("POST", f"/v1/jobs/{job_id}/retry")):
        answer = api.client.request(method, path, headers=sent, json=JOB if path == "/v1/jobs" else None)
        assert (answer.status_code, problem_of(answer)["code"]) == (403, "cross_site_request")
    assert api.client.get(f"/v1/jobs/{job_id}").json()["status"] == "queued"


@pytest.mark.parametrize(
    "sent",
    [
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
        {"Origin": "https://evil.example"},
    ],
)
def test_a_page_of_another_site_may_embed_nothing(api: Api, sent: dict[str, str]) -> None:
    assert problem_of(api.client.get("/v1/jobs", headers=sent))["code"] == "cross_site_request"


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
        {"Origin": BASE_URL},
    ],
)
def test_who_opens_an_address_or_its_own_page_is_served(api: Api, sent: dict[str, str]) -> None:
    assert api.client.get("/docs", headers=sent).status_code == 200


def test_its_own_page_may_submit(api: Api) -> None:
    for sent in ({"Sec-Fetch-Site": "same-origin", "Origin": BASE_URL}, {"Origin": BASE_URL}):
        assert api.client.post("/v1/jobs", json=JOB, headers=sent).status_code == 202


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "text/plain;json"],
)
def test_what_a_page_may_send_unasked_is_no_body_here(api: Api, content_type: str) -> None:
    job_id = api.submit()
    for path in ("/v1/jobs", f"/v1/jobs/{job_id}/retry", f"/v1/bulk-actions/{job_id}/abort"):
        answer = api.client.post(path, content='{"text": "x"}', headers={"Content-Type": content_type})
        assert (answer.status_code, problem_of(answer)["code"]) == (415, "unsupported_media_type")


def test_a_key_is_no_page_so_its_bodies_are_left_to_the_routes(api: Api) -> None:
    job_id = api.submit()
    headers = api.bearer() | {"Content-Type": "multipart/form-data; boundary=x", "Sec-Fetch-Site": "cross-site"}
    answer = api.client.post(f"/v1/jobs/{job_id}/retry", content="--x--", headers=headers)
    assert problem_of(answer)["code"] == "job_unfinished"


def test_a_request_without_a_body_needs_no_type_of_it(api: Api) -> None:
    job_id = api.submit()
    assert problem_of(api.client.post(f"/v1/jobs/{job_id}/retry"))["code"] == "job_unfinished"


def test_no_page_is_told_that_it_may(api: Api) -> None:
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answers = [
        api.client.options("/v1/jobs", headers=preflight),
        api.client.get("/v1/jobs", headers=api.bearer() | {"Origin": "https://evil.example"}),
    ]
    assert [name for answer in answers for name in answer.headers if name.startswith("access-control")] == []
