"""Streams that break off, and how the clients go on."""

import json

import httpx
import pytest

from api.client import Gap, JobEvent, Snapshot, SummaryDelta
from api.client.errors import JobNotFound, ServerError, UnexpectedAnswer, Unreachable, WaitTimedOut
from pipeline.job import JobState
from tests.support.clients import Script, stream

ACCEPTED = {"id": "7", "status": "queued", "url": "/v1/jobs/7"}
CUT_OFF = httpx.ReadError("cut off")
HEARTBEAT = b": still here\n\n"
NOT_FOUND = httpx.Response(404, json={"code": "job_not_found", "detail": "there is no job 7"})


def told(event, number, **said):
    data = {"event": event, "job_id": "7", "run": 1, "pipeline": "extract", "lane": "normal", **said}
    body = json.dumps({"at": "2026-11-21T00:00:00+00:00", **data})
    return f"event: {event}\ndata: {body}\nid: {number}-0\n\n".encode()


QUEUED, STARTED, DONE = (
    told("job.queued", 1),
    told("stage.started", 2, stage="fetch", attempt=1),
    told("job.succeeded", 3),
)


def names(events):
    return [event.event for event in events]


def test_events_are_typed(make):
    started, done = make(Script(stream(b"retry: 1000\n\n", STARTED, DONE))).iter_events("7")
    assert isinstance(started, JobEvent)
    assert (started.stage, started.attempt, started.id, started.at.year) == ("fetch", 1, "2-0", 2026)
    assert (done.event.is_last, done.id) == (True, "3-0")


def test_a_broken_stream_goes_on_after_the_last_event(make):
    service = Script(
        stream(QUEUED, STARTED[:20], CUT_OFF),
        httpx.ConnectError("Connection refused"),
        httpx.Response(503),
        stream(HEARTBEAT),
        stream(STARTED),
        stream(DONE),
    )
    penstock = make(service)
    assert names(penstock.iter_events("7")) == ["job.queued", "stage.started", "job.succeeded"]
    assert [request.headers.get("last-event-id") for request in service.asked] == [None, *["1-0"] * 4, "2-0"]
    assert len(penstock.slept) == 5


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_message_may_come_in_any_pieces(make, size):
    whole = (HEARTBEAT + QUEUED + STARTED).replace(b"\n", b"\r\n") + DONE
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert names(make(Script(stream(*pieces))).iter_events("7")) == ["job.queued", "stage.started", "job.succeeded"]


def test_the_end_of_an_earlier_run_is_not_the_end(make):
    failed = told("job.failed", 2, stage="fetch", code="dns_failure", message="No such host.")
    service = Script(stream(QUEUED, failed, HEARTBEAT), stream(told("job.succeeded", 9, run=2)))
    assert names(make(service).iter_events("7")) == ["job.queued", "job.failed", "job.succeeded"]


def test_what_this_version_does_not_know_is_passed_over(make):
    unknown = b'event: job.levitated\ndata: {"by": "magic"}\nid: 2-0\n\nwho: me\n\n'
    service = Script(stream(QUEUED, unknown, CUT_OFF), stream(DONE))
    assert names(make(service).iter_events("7")) == ["job.queued", "job.succeeded"]
    assert service.asked[1].headers["last-event-id"] == "2-0"


def test_a_snapshot_may_hold_any_character(make, api):
    job_id = api.submit(url="https://example.org/\u2028\x85")
    view = api.client.get(f"/v1/jobs/{job_id}").text
    snapshot = f"event: snapshot\ndata: {view}\nid: 1-0\n\n".encode()
    first, _ = make(Script(stream(snapshot, DONE))).iter_events("7")
    assert isinstance(first, Snapshot)
    assert first.job.source_url == "https://example.org/\u2028\x85"


def test_a_summary_is_seen_to_grow_and_begins_again_with_another_connection(make):
    def piece(offset, text):
        said = {"event": "summary.delta", "job_id": "7", "run": 1, "stage": "summarize", "attempt": 1}
        return f"event: summary.delta\ndata: {json.dumps({**said, 'offset': offset, 'text': text})}\n\n".encode()

    service = Script(
        stream(QUEUED, piece(0, "Locks "), CUT_OFF), stream(piece(0, "Locks lift "), piece(11, "boats."), DONE)
    )
    shown = []
    for event in make(service).iter_events("7"):
        if isinstance(event, SummaryDelta):
            shown.append(event.after(shown[-1] if shown else ""))
    assert shown == ["Locks ", "Locks lift ", "Locks lift boats."]
    assert service.asked[1].headers["last-event-id"] == "1-0"


def test_the_events_of_all_jobs_go_on_after_the_end_of_one(make):
    gap = b'event: gap\ndata: {"message": "Some are missing."}\nid: 8-0\n\n'
    service = Script(stream(DONE), stream(gap), stream(QUEUED))
    events = make(service).iter_events()
    assert names([next(events), next(events), next(events)]) == ["job.succeeded", "gap", "job.queued"]
    assert [request.url.path for request in service.asked] == ["/v1/events"] * 3
    assert Gap(message="Some are missing.").id is None
    events.close()


def test_a_stream_is_given_up_after_the_total_time_without_a_word(make):
    penstock = make(Script(stream(QUEUED), httpx.ConnectError("Connection refused")), retry_within_s=30)
    events = penstock.iter_events("7")
    assert next(events).event == "job.queued"
    with pytest.raises(Unreachable):
        next(events)
    assert 10 < penstock.clock.monotonic() <= 30


def test_a_stream_that_speaks_now_and_then_is_never_given_up(make):
    quiet = [stream(HEARTBEAT, CUT_OFF) for _ in range(200)]
    penstock = make(Script(stream(QUEUED), *quiet, stream(DONE)), retry_within_s=30)
    assert names(penstock.iter_events("7")) == ["job.queued", "job.succeeded"]
    assert penstock.clock.monotonic() > 30


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (NOT_FOUND, JobNotFound),
        (httpx.Response(500), ServerError),
        (httpx.Response(200, text="<h1>It works!</h1>"), UnexpectedAnswer),
        (lambda _: stream(b"event: job.queued\ndata: {\n\n"), UnexpectedAnswer),
    ],
    ids=["404", "500", "another", "garbage"],
)
def test_what_is_no_stream_is_an_error_at_once(make, answer, error):
    service = Script(answer)
    with pytest.raises(error):
        list(make(service).iter_events("7"))
    assert len(service.asked) == 1


class Service:
    """A job that succeeds as soon as it was asked for often enough, and streams that do what they are told."""

    def __init__(self, api, *streams, questions=1):
        self.job_id = api.submit()
        self.document = None
        self.questions = questions
        self._api, self._streams = api, Script(*streams)

    def __call__(self, request):
        if request.url.path.endswith("/events"):
            return self._streams(request)
        if request.url.path.endswith("/result"):
            return httpx.Response(200, content=self.document.to_bytes())
        if request.method == "POST":
            return httpx.Response(202, json=ACCEPTED)
        self.questions -= 1
        if self.questions == 0:
            self.document = self._api.finish(self.job_id, "fetch", "extract", "summarize", "store")
        return httpx.Response(200, content=self._api.client.get(f"/v1/jobs/{self.job_id}").content)


@pytest.mark.parametrize(
    "nothing",
    [httpx.Response(404), httpx.Response(500), httpx.Response(200, text="buffered"), httpx.ConnectError("refused")],
    ids=["404", "500", "another", "refused"],
)
def test_a_run_asks_again_and_again_where_there_are_no_events(make, api, nothing):
    service = Service(api, nothing, questions=5)
    penstock = make(service)
    document = penstock.run(url="https://example.org/")
    assert document == service.document
    assert service.questions == 0
    assert penstock.slept[-4:] == [0.5] * 4


def test_a_run_ends_in_time_however_much_its_job_has_to_say(make, api):
    penstock = make(Service(api, lambda _: stream(*[QUEUED, lambda: penstock.clock.advance(1)] * 60)))
    heard = []
    with pytest.raises(WaitTimedOut, match="job 7"):
        penstock.run(url="https://example.org/", timeout_s=10, on_event=heard.append)
    assert len(heard) == 11


def test_a_run_that_hears_nothing_ends_in_time(make, api):
    service = Service(api, lambda request: _silent(penstock, request))
    penstock = make(service)
    with pytest.raises(WaitTimedOut):
        penstock.run(url="https://example.org/", timeout_s=100)
    assert penstock.clock.monotonic() == pytest.approx(100, abs=1)
    assert penstock.job(service.job_id).status is JobState.SUCCEEDED


def _silent(penstock, request):
    penstock.clock.advance(request.extensions["timeout"]["read"])
    raise httpx.ReadTimeout("silent")
