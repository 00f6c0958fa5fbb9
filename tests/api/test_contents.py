"""Results and outputs of stages: in which form, which part of them, and whether the client has them already."""

import pytest

from pipeline.errors import PayloadMissing
from pipeline.ids import Claim
from pipeline.ports import Finished
from stages.contract.document import Metadata
from tests.support.api import Api, problem_of

STAGES = ("fetch", "extract", "summarize", "store")


@pytest.fixture
def done(api: Api) -> str:
    """A job that has succeeded."""
    job_id = api.submit()
    api.finish(job_id, *STAGES)
    return f"/v1/jobs/{job_id}"


def assert_safe(headers) -> None:
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "sandbox"


# forms of a result


def finish_with(api: Api, **changes: str) -> str:
    job_id = api.submit()
    document = api.finish(job_id, *STAGES[:-1]).model_copy(update=changes)
    hold = api.start(job_id, "store")
    claim = api.payloads.put(f"default/{job_id}/1/store.0", document.to_bytes(), document.media_type)
    api.records.complete(hold, claim, Finished(api.clock.now(), 2.0))
    return f"/v1/jobs/{job_id}/result"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("text/markdown", "text/markdown; charset=utf-8"),
        ("TEXT/Markdown; charset=utf-8", "text/markdown; charset=utf-8"),
        ("text/*", "text/markdown; charset=utf-8"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("application/json;q=0.5, text/plain;q=0.9, text/markdown;q=0.1", "text/plain; charset=utf-8"),
        ("*/*, application/json;q=0", "text/markdown; charset=utf-8"),
    ],
)
def test_a_result_comes_in_the_form_that_is_liked_best(api: Api, accept: str | None, media_type: str) -> None:
    path = finish_with(api, text="Grüße.", markdown="**Grüße.**", html="<p>Grüße.</p>")
    headers = {} if accept is None else {"Accept": accept}
    if accept is None:
        del api.client.headers["Accept"]
    answer = api.client.get(path, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    content = {"text/markdown": "**Grüße.**", "text/plain": "Grüße."}.get(media_type.partition(";")[0])
    match media_type.partition(";")[0]:
        case "application/json":
            assert (answer.json()["text"], answer.json()["html"]) == ("Grüße.", "<p>Grüße.</p>")
        case "text/html":
            assert "<body>\n<p>Grüße.</p>\n</body>" in answer.content.decode()
        case _:
            assert answer.content.decode() == content
    assert "accept" in answer.headers["vary"].lower()
    assert_safe(answer.headers)


def test_html_names_its_title_and_stays_a_download(api: Api) -> None:
    metadata = Metadata(title='Locks & "gates" </title>', language="de")
    path = finish_with(api, text="a < b", html="", metadata=metadata)
    answer = api.client.get(path, headers={"Accept": "text/html"})
    assert '<html lang="de">' in answer.text
    assert "<title>Locks &amp; &quot;gates&quot; &lt;/title&gt;</title>" in answer.text
    assert "<pre>a &lt; b</pre>" in answer.text
    assert_safe(answer.headers)


@pytest.mark.parametrize(
    "accept", ["application/pdf", "image/*", "application/json;q=0", "text/markdown;q=x", "nonsense"]
)
def test_a_form_that_there_is_not_is_refused_and_those_there_are_are_named(api: Api, done: str, accept: str) -> None:
    answer = api.client.get(f"{done}/result", headers={"Accept": accept})
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"]) == (406, "not_acceptable")
    assert "text/markdown" in problem["detail"]


def test_each_form_has_a_tag_of_its_own_and_is_not_sent_twice(api: Api, done: str) -> None:
    tags = set()
    for form in ("application/json", "text/markdown", "text/plain", "text/html"):
        tag = api.client.get(f"{done}/result", headers={"Accept": form}).headers["etag"]
        assert not tag.startswith("W/")
        tags.add(tag)
        before = list(api.payloads.log)
        answer = api.client.get(f"{done}/result", headers={"Accept": form, "If-None-Match": f'"x", {tag}'})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
        assert api.payloads.log == before
    assert len(tags) == 4
    other = api.client.get(f"{done}/result", headers={"Accept": "text/plain", "If-None-Match": min(tags - {tag})})
    assert other.status_code == 200


# outputs of stages


def test_the_output_of_a_stage_is_downloaded_as_it_is_stored(api: Api, done: str) -> None:
    for stage in STAGES:
        answer = api.client.get(f"{done}/artifacts/{stage}")
        claim = api.records.job("default", done.rpartition("/")[2]).stages[STAGES.index(stage)].claim
        assert (answer.status_code, answer.content) == (200, api.payloads.get(claim))
        assert answer.headers["content-type"] == "application/vnd.penstock.document+json"
        assert answer.headers["etag"] == f'"{claim.sha256}"'
        job_id = done.rpartition("/")[2]
        assert answer.headers["content-disposition"] == f'attachment; filename="{job_id}-1-{stage}.json"'
        assert answer.headers["accept-ranges"] == "bytes"
        assert_safe(answer.headers)


def test_an_output_that_is_known_is_not_sent_again(api: Api, done: str) -> None:
    tag = api.client.get(f"{done}/artifacts/fetch").headers["etag"]
    for header in (tag, f"W/{tag}", "*"):
        answer = api.client.get(f"{done}/artifacts/fetch", headers={"If-None-Match": header, "Range": "bytes=0-1"})
        assert (answer.status_code, answer.content) == (304, b"")
    assert api.client.get(f"{done}/artifacts/fetch", headers={"If-None-Match": '"x"'}).status_code == 200


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=3-9", 3, 10),
        ("bytes=3-", 3, None),
        ("Bytes=-4", -4, None),
        ("bytes=-99999", 0, None),
        ("bytes=1-99999", 1, None),
    ],
)
def test_one_range_is_sent(api: Api, done: str, asked: str, start: int, stop: int | None) -> None:
    whole = api.client.get(f"{done}/artifacts/fetch").content
    answer = api.client.get(f"{done}/artifacts/fetch", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, whole[start:stop])
    first, last, _ = slice(start, stop).indices(len(whole))
    assert answer.headers["content-range"] == f"bytes {first}-{last - 1}/{len(whole)}"
    assert answer.headers["content-length"] == str(last - first)
    assert_safe(answer.headers)


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,3-4", "bytes=x", "bytes=-", "bytes=4-2", "lines=1-2", "bytes=1-" + "9" * 99]
)
def test_what_is_no_single_range_is_ignored(api: Api, done: str, asked: str) -> None:
    answer = api.client.get(f"{done}/artifacts/fetch", headers={"Range": asked})
    assert answer.status_code == 200
    assert "content-range" not in answer.headers


@pytest.mark.parametrize("asked", ["bytes=99999-", "bytes=99999-100000", "bytes=-0"])
def test_a_range_with_nothing_in_it_is_refused(api: Api, done: str, asked: str) -> None:
    size = len(api.client.get(f"{done}/artifacts/fetch").content)
    answer = api.client.get(f"{done}/artifacts/fetch", headers={"Range": asked})
    assert (answer.status_code, problem_of(answer)["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{size}"


def test_a_range_of_what_has_changed_is_all_of_it(api: Api, done: str) -> None:
    tag = api.client.get(f"{done}/artifacts/fetch").headers["etag"]
    for if_range, status in ((tag, 206), ('"old"', 200), (f"W/{tag}", 200)):
        headers = {"Range": "bytes=0-1", "If-Range": if_range}
        assert api.client.get(f"{done}/artifacts/fetch", headers=headers).status_code == status


def test_what_no_stage_has_left_is_not_found(api: Api) -> None:
    job_id = api.submit()
    api.finish(job_id, "fetch")
    for path in (f"{job_id}/artifacts/extract", f"{job_id}/artifacts/nope", f"{job_id}/artifacts/%00"):
        answer = api.client.get(f"/v1/jobs/{path}")
        assert (answer.status_code, problem_of(answer)["code"]) == (404, "artifact_not_found")
    answer = api.client.get(f"/v1/jobs/{job_id}/artifacts/fetch?run=2")
    assert (answer.status_code, problem_of(answer)["code"]) == (404, "run_not_found")
    answer = api.client.get("/v1/jobs/nope/artifacts/fetch")
    assert (answer.status_code, problem_of(answer)["code"]) == (404, "job_not_found")


def test_an_output_that_was_lost_is_gone(api: Api, done: str) -> None:
    api.payloads.broken["get"] = PayloadMissing("key")
    answer = api.client.get(f"{done}/artifacts/fetch")
    assert (answer.status_code, problem_of(answer)["code"]) == (410, "payload_missing")


def test_an_empty_output_is_whole_and_has_no_ranges(api: Api) -> None:
    job_id = api.submit()
    hold = api.start(job_id, "fetch")
    claim: Claim = api.payloads.put(f"default/{job_id}/1/fetch.0", b"", "text/html")
    api.records.complete(hold, claim, Finished(api.clock.now(), 2.0))
    path = f"/v1/jobs/{job_id}/artifacts/fetch"
    answer = api.client.get(path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-disposition"].endswith('-1-fetch.html"')
    assert api.client.get(path, headers={"Range": "bytes=0-"}).status_code == 416


# the job itself


def test_a_job_is_sent_again_only_when_it_has_changed(api: Api) -> None:
    job_id = api.submit()
    path, known = f"/v1/jobs/{job_id}", '"none"'

    def sent() -> bool:
        nonlocal known
        answer = api.client.get(path, headers={"If-None-Match": known})
        changed = answer.headers["etag"] != known
        known = answer.headers["etag"]
        assert known.startswith('W/"')
        assert (answer.status_code, bool(answer.content)) == ((200, True) if changed else (304, False))
        return changed

    changes = (
        lambda: None,
        lambda: api.start(job_id, "fetch"),
        lambda: api.client.delete(path),
        lambda: api.client.post(f"{path}/retry"),
        lambda: api.fail(job_id, "fetch", run=2),
        lambda: api.client.delete(f"/v1/dead-letters/{job_id}"),
    )
    for change in changes:
        change()
        assert sent()
        assert not sent()


def test_an_earlier_run_has_a_tag_of_its_own(api: Api) -> None:
    job_id = api.submit()
    api.fail(job_id)
    api.client.post(f"/v1/jobs/{job_id}/retry")
    tags = {api.client.get(f"/v1/jobs/{job_id}{query}").headers["etag"] for query in ("", "?run=1", "?run=2")}
    assert len(tags) >= 2
