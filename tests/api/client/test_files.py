"""Files by the clients: sent as forms from disk, sent again from their beginning; and jobs that are found done."""

import io

import httpx
import pytest

from api.client.errors import IdempotencyKeyReused, InvalidRequest
from tests.support.clients import Script, app_of

PAGE = "<h1>Wärme</h1><p>Water falls.</p>".encode("latin-1")
STAGES = ("fetch", "extract", "summarize", "store")
CUT_OFF = httpx.ReadError("cut off")
ACCEPTED = httpx.Response(202, json={"id": "7", "status": "queued", "url": "/v1/jobs/7"})


@pytest.fixture
def keyed(make, api):
    """Has an API key, without which files are not taken."""
    return make(app_of(api), api_key=api.bearer()["Authorization"].removeprefix("Bearer "))


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "pagé.html"
    path.write_bytes(PAGE)
    return path


def input_of(api, job_id):
    source = api.records.job("default", job_id).source
    return source.name, source.content_type, api.payloads.get(source.body)


def test_a_file_becomes_a_job_with_its_name_and_its_bytes(keyed, api, page):
    options = {"stages": (stage for stage in ("fetch", "extract", "store")), "tags": ("a",), "lane": "bulk"}
    accepted = keyed.submit_file(page, **options)
    assert input_of(api, accepted.id) == ("pagé.html", "text/html", PAGE)
    job = keyed.job(accepted.id)
    assert ([stage.name for stage in job.stages], job.tags, job.lane) == (["fetch", "extract", "store"], ["a"], "bulk")


@pytest.mark.parametrize("kind", [str, open])
def test_a_path_or_an_open_file_is_sent_under_the_name_and_type_that_is_given(keyed, api, page, kind):
    source = page.open("rb") if kind is open else str(page)
    accepted = keyed.submit_file(source, name="other", content_type="text/html; charset=latin-1")
    assert input_of(api, accepted.id) == ("other", "text/html; charset=latin-1", PAGE)
    if kind is open:
        assert not source.closed
        source.close()


def test_what_has_no_name_is_sent_all_the_same(keyed, api):
    accepted = keyed.submit_file(io.BytesIO(PAGE))
    assert input_of(api, accepted.id) == ("upload", "application/octet-stream", PAGE)


def test_the_same_key_finds_the_job_of_the_file(keyed, page):
    first = keyed.submit_file(page, idempotency_key="monday")
    assert keyed.submit_file(page, idempotency_key="monday") == first
    assert keyed.submit_file(page).id != first.id
    with pytest.raises(IdempotencyKeyReused):
        keyed.submit_file(page, idempotency_key="monday", lane="bulk")


@pytest.mark.parametrize("failure", [CUT_OFF, httpx.ConnectError("refused"), httpx.Response(503)], ids=repr)
def test_a_file_is_sent_again_from_its_beginning_with_the_same_key(make, failure, page):
    service = Script(failure, failure, ACCEPTED)
    assert make(service).submit_file(page).id == "7"
    assert len({request.headers["idempotency-key"] for request in service.asked}) == 1
    assert [request.content.count(PAGE) for request in service.asked] == [1] * 3
    assert {int(request.headers["content-length"]) - len(request.content) for request in service.asked} == {0}


def test_a_file_is_read_in_pieces(make):
    class Watched(io.BytesIO):
        def read(self, size=-1):
            sizes.append(size)
            return super().read(size)

    sizes = []
    service = Script(ACCEPTED)
    make(service).submit_file(Watched(bytes(500_000)))
    assert len(service.asked[0].content) > 500_000
    assert len(sizes) > 5
    assert all(0 < size <= 65_536 for size in sizes)


def test_what_could_not_be_sent_again_is_not_sent(make, tmp_path):
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    service = Script(ACCEPTED)
    with pytest.raises(ValueError, match="seekable"):
        make(service).submit_file(Pipe(PAGE))
    with pytest.raises(FileNotFoundError):
        make(service).submit_file(tmp_path / "none.html")
    with (tmp_path / "text").open("w+") as text, pytest.raises(TypeError, match="binary"):
        make(service).submit_file(text)
    assert service.asked == []


def test_without_a_key_the_service_says_why_it_takes_no_file(penstock, page):
    with pytest.raises(InvalidRequest, match="API key") as refused:
        penstock.submit_file(page)
    assert (refused.value.status, refused.value.code) == (415, "unsupported_media_type")


# jobs that have done the same


def test_a_job_that_has_done_the_same_is_named(penstock, api):
    first = penstock.submit(url="https://example.org/", dedupe={"max_age_s": 3600})
    api.finish(first.id, *STAGES)
    again = penstock.submit(url="https://example.org/", dedupe={"max_age_s": 3600})
    assert (first.cached, again.cached, again.id) == (False, True, first.id)
    assert not penstock.submit(url="https://example.org/").cached


def test_a_run_takes_the_result_of_a_job_that_has_done_the_same(penstock, api):
    first = penstock.submit(text="Water falls.")
    document = api.finish(first.id, *STAGES)
    assert penstock.run(text="Water falls.", dedupe={"max_age_s": 3600}) == document


def test_a_file_that_was_done_is_named(keyed, api, page):
    first = keyed.submit_file(page)
    api.finish(first.id, *STAGES)
    again = keyed.submit_file(page, dedupe={"max_age_s": 3600})
    assert (again.cached, again.id) == (True, first.id)
