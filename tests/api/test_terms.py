"""What may be asked of a job besides its work."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.api import Api, problem_of
from tests.support.tools import START

URL = "https://example.org/"
LATER = START + timedelta(hours=1)
MOST_METADATA = {"k" * 64: "v" * (4096 - 64 - len('{"":""}'))}


def refusal(api: Api, **asked: Any) -> dict[str, Any]:
    answer = api.client.post("/v1/jobs", json={"url": URL, **asked})
    assert answer.status_code == 422
    assert api.records.log == []
    return problem_of(answer)


def test_the_job_shows_what_was_asked_of_it(api: Api) -> None:
    asked = {"tags": ["news", "№ 7", "news"], "metadata": {"ticket": "A-1"}, "max_attempts": 20}
    job_id = api.submit(url=URL, not_before=LATER.isoformat(), expires_at="2026-01-02T06:00:00+01:00", **asked)
    job = api.client.get(f"/v1/jobs/{job_id}").json()
    assert (job["tags"], job["metadata"], job["max_attempts"]) == (["news", "№ 7"], {"ticket": "A-1"}, 20)
    assert (job["not_before"], job["deadline_at"]) == ("2026-01-02T04:04:05Z", "2026-01-02T05:00:00Z")
    (item,) = api.client.get("/v1/jobs").json()["items"]
    assert {name: item[name] for name in ("tags", "metadata", "not_before")} == {
        name: job[name] for name in ("tags", "metadata", "not_before")
    }


def test_a_delay_is_shown_as_the_moment_at_which_the_job_is_due(api: Api) -> None:
    job_id = api.submit(url=URL, delay_s=1.5)
    job = api.client.get(f"/v1/jobs/{job_id}").json()
    assert job["not_before"] == "2026-01-02T03:04:06.501000Z"


def test_without_terms_there_are_none(api: Api) -> None:
    job = api.client.get(f"/v1/jobs/{api.submit()}").json()
    names = ("tags", "metadata", "not_before", "max_attempts")
    assert [job[name] for name in names] == [[], {}, None, None]


@pytest.mark.parametrize(
    "asked",
    [
        {"tags": [f"{number}" * 64 for number in range(10)] + [f"t{number}" for number in range(10)]},
        {"metadata": {f"k{number}": "" for number in range(16)}},
        {"metadata": MOST_METADATA},
        {"metadata": {"nul": "a\x00b"}},
        {"max_attempts": 1},
        {"delay_s": 0},
        {"not_before": "0001-01-01T12:00:00Z"},
    ],
)
def test_what_is_within_the_limits_is_accepted(api: Api, asked: dict[str, Any]) -> None:
    assert api.submit(url=URL, **asked)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"tags": [f"t{number}" for number in range(21)]}, "tags"),
        ({"tags": [""]}, "tags.0"),
        ({"tags": ["x" * 65]}, "tags.0"),
        ({"tags": ["a\x00b"]}, "tags.0"),
        ({"tags": ["a\n"]}, "tags.0"),
        ({"tags": "news"}, "tags"),
        ({"metadata": {f"k{number}": "" for number in range(17)}}, "metadata"),
        ({"metadata": {name: value + "v" for name, value in MOST_METADATA.items()}}, "metadata"),
        ({"metadata": {"k": {"nested": "x"}}}, "metadata.k"),
        ({"metadata": {"k": 7}}, "metadata.k"),
        ({"metadata": ["k"]}, "metadata"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"max_attempts": 21}, "max_attempts"),
        ({"delay_s": -1}, "delay_s"),
        ({"delay_s": 367 * 24 * 3600}, "delay_s"),
        ({"delay_s": "soon"}, "delay_s"),
        ({"not_before": "2026-01-02T04:00:00"}, "not_before"),
        ({"not_before": "0001-01-01T00:00:00+12:00"}, "not_before"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"not_before": LATER.isoformat(), "delay_s": 1}, ""),
    ],
)
def test_what_is_beyond_the_limits_is_refused_with_the_field(api: Api, asked: dict[str, Any], field: str) -> None:
    problem = refusal(api, **asked)
    assert problem["code"] == "invalid_request"
    assert [error["field"].removesuffix(".[key]") for error in problem["errors"]] == [field]


@pytest.mark.parametrize(
    "asked",
    [
        {"expires_at": START.isoformat()},
        {"expires_at": LATER.isoformat(), "delay_s": 7200},
        {"expires_at": "9999-12-31T23:59:59Z"},
        {"not_before": "9999-12-31T23:59:59Z"},
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused(api: Api, asked: dict[str, Any]) -> None:
    assert refusal(api, **asked)["code"] == "invalid_schedule"


def test_half_a_surrogate_pair_is_refused_wherever_it_is(api: Api) -> None:
    for field, value in (("tags", r'["\ud800"]'), ("metadata", r'{"k": "\ud800"}'), ("metadata", r'{"\ud800": "v"}')):
        body = f'{{"url": "x", "{field}": {value}}}'
        answer = api.client.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, problem_of(answer)["code"]) == (422, "invalid_request")
