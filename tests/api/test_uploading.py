"""A file may be sent instead of JSON."""

import json
from typing import Any

import pytest

from pipeline.claims import verified
from tests.support.api import MAX_BODY_BYTES, Api, problem_of

PAGE = "<h1>Wärme</h1><p>Water falls.</p>".encode("latin-1")
HTML = ("page.html", PAGE, "text/html; charset=latin-1")


@pytest.fixture
def keyed(api: Api) -> dict[str, str]:
    return api.bearer()


def upload(api: Api, headers: dict[str, str], file: Any = HTML, **fields: str) -> Any:
    return api.client.post("/v1/jobs", files={"file": file}, data=fields, headers=headers)


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, problem_of(answer)["code"]


def test_a_file_becomes_a_job_with_the_bytes_as_they_came(api: Api, keyed: dict[str, str]) -> None:
    options = {"pipeline": "extract", "tags": ["news"], "lane": "urgent", "max_attempts": 2}
    answer = upload(api, keyed, job=json.dumps(options))
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == answer.json()["url"]
    job = api.records.job("default", answer.json()["id"])
    assert job is not None
    assert job.source.body is not None
    assert api.payloads.get(job.source.body) == PAGE
    assert (job.source.name, job.source.content_type, job.source.url) == ("page.html", HTML[2], None)
    assert (job.pipeline, job.lane, job.terms.tags, job.terms.max_attempts) == ("extract", "urgent", ("news",), 2)


def test_a_file_alone_is_enough(api: Api, keyed: dict[str, str]) -> None:
    answer = upload(api, keyed, ("notes", b"Water falls."))
    job = api.records.job("default", answer.json()["id"])
    assert job is not None
    assert (job.source.name, job.source.content_type) == ("notes", "application/octet-stream")


def test_it_is_stored_in_pieces(api: Api, keyed: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    put = api.payloads.put

    def put_stream(key: str, chunks: Any, media_type: str) -> Any:
        pieces = list(chunks)
        sizes.extend(map(len, pieces))
        return put(key, b"".join(pieces), media_type)

    monkeypatch.setattr("orchestration.contents.READ_BYTES", 1000)
    monkeypatch.setattr(api.payloads, "put_stream", put_stream, raising=False)
    content = bytes(range(256)) * 10
    job = api.records.job("default", upload(api, keyed, ("a.txt", content)).json()["id"])
    assert job is not None
    assert job.source.body is not None
    assert verified(job.source.body, content)
    assert sizes == [1000, 1000, 560]


def test_the_same_upload_is_answered_again(api: Api, keyed: dict[str, str]) -> None:
    headers = {**keyed, "Idempotency-Key": "one"}
    first, again = upload(api, headers), upload(api, headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    for other in (("page.html", PAGE + b" ", HTML[2]), ("other.html", *HTML[1:])):
        assert refused(upload(api, headers, other)) == (422, "idempotency_key_reused")
    assert refused(upload(api, headers, job='{"lane": "bulk"}')) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ("{", "JSON"),
        ('{"lane": "fast"}', "lane"),
        ('{"url": "https://example.org/"}', "url"),
        ('{"delay_s": 1, "not_before": "2026-12-01T00:00:00Z"}', "not both"),
        ("[]", "dictionary"),
    ],
)
def test_options_that_make_no_sense_are_refused(api: Api, keyed: dict[str, str], job: str, said: str) -> None:
    answer = upload(api, keyed, job=job)
    assert refused(answer) in ((422, "invalid_request"), (400, "invalid_json"))
    assert said in problem_of(answer)["detail"]
    assert "accept" not in api.records.log


def test_a_form_without_a_file_or_with_more_is_refused(api: Api, keyed: dict[str, str]) -> None:
    two = [("file", HTML), ("file", HTML)]
    for files, data in (({"file": (None, "text")}, {}), ({"other": HTML}, {}), ({"file": HTML}, {"lane": "bulk"})):
        answer = api.client.post("/v1/jobs", files=files, data=data, headers=keyed)
        assert refused(answer) == (422, "invalid_request")
        assert "`file`" in problem_of(answer)["detail"]
    answer = api.client.post("/v1/jobs", files=two, headers=keyed)
    assert refused(answer) == (422, "invalid_request")
    assert "Too many files" in problem_of(answer)["detail"]
    assert "accept" not in api.records.log
    assert api.payloads.log == []


# Starlette leaves the file of a part without an end to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_form_that_was_cut_off_is_refused(api: Api, keyed: dict[str, str]) -> None:
    cut = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nWater fa'
    multipart = {**keyed, "Content-Type": "multipart/form-data; boundary=x"}
    assert refused(api.client.post("/v1/jobs", content=cut, headers=multipart)) == (422, "invalid_request")
    assert "accept" not in api.records.log
    assert api.payloads.log == []


def test_a_file_that_is_too_large_is_refused(api: Api, keyed: dict[str, str]) -> None:
    answer = upload(api, keyed, ("a.txt", bytes(MAX_BODY_BYTES)))
    assert refused(answer) == (413, "body_too_large")


def test_without_a_key_no_form_is_taken(api: Api) -> None:
    assert refused(upload(api, {})) == (415, "unsupported_media_type")


def test_the_description_knows_both_forms(api: Api) -> None:
    operation = api.client.get("/openapi.json").json()["paths"]["/v1/jobs"]["post"]
    assert set(operation["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
