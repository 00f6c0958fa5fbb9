"""The web and the language model misbehave: deadlines hold, and calls stay few."""

import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace

import pytest

from pipeline.definition import CATALOG
from tests.support.faulty_verdict import judge
from tests.support.job_fleet import STAGES
from tests.support.openai_server import GARBAGE, answer, failure
from tests.support.origin import Reply

pytestmark = pytest.mark.timeout(400)

CALLS_PER_ATTEMPT = 2
GRACE_S = 2.0
FETCH_TOTAL_S = 5
MISBEHAVIOUR = {
    "one byte a second": Reply(drip_s=1.0),
    "endless headers": Reply(headers={f"X-{n}": "x" * 1000 for n in range(20)}, drip_s=0.01),
    "no answer": Reply(delay_s=60),
    "cut off": Reply(body="x" * 5000, cut_at=100),
    "hangs up": Reply(close=True),
    "500": Reply(status=500),
}


@pytest.mark.full
@pytest.mark.parametrize("how", MISBEHAVIOUR)
def test_a_web_server_that_misbehaves_costs_no_more_than_the_deadline(how: str, new_fleet, measured) -> None:
    fleet = new_fleet(breaker_fail_max=100).start()
    fleet.web.when("tok-slow", MISBEHAVIOUR[how])
    job = fleet.accepted(token="tok-slow", pipeline="extract")
    attempts = fleet.until(lambda: fleet.box.events("released", "failed"), within_s=30, what="an attempt to end")
    claimed = fleet.box.events("claimed")[0]
    measured("the attempt took, s", attempts[0].at - claimed.at)
    assert attempts[0].at - claimed.at < FETCH_TOTAL_S + GRACE_S
    # And then it is better.
    fleet.web.when("tok-slow", fleet.web.usual("tok-slow"))
    assert fleet.wait_ended([job], within_s=60)[job.id] == "succeeded"
    assert fleet.web.count("tok-slow") <= CALLS_PER_ATTEMPT * len(fleet.view(job)["stages"][0]["timeline"])
    fleet.wait_quiet()
    assert judge(fleet).failures == []


MODEL_TROUBLE = {
    "429 with Retry-After": replace(failure(429, Retry_After="2"), delay_s=0),
    "500": failure(500),
    "garbage": GARBAGE["not JSON"],
    "broken JSON": GARBAGE["broken JSON"],
    "cut off": replace(answer(), cut_at=20),
    "hangs up": Reply(close=True),
}


@pytest.mark.full
@pytest.mark.parametrize("how", MODEL_TROUBLE)
def test_a_language_model_that_fails_once_is_asked_again_in_time(how: str, new_fleet) -> None:
    fleet = new_fleet(breaker_fail_max=100).start()
    fleet.model.when("tok-trouble", MODEL_TROUBLE[how], MODEL_TROUBLE[how], answer())
    job = fleet.accepted(token="tok-trouble")
    assert fleet.wait_ended([job], within_s=60)[job.id] == "succeeded"
    summarize = fleet.view(job)["stages"][2]
    assert fleet.model.count("tok-trouble") <= CALLS_PER_ATTEMPT * len(summarize["timeline"])
    assert summarize["attempts"] <= CATALOG.stage("summarize").retry.max_attempts
    if how.startswith("429"):
        assert summarize["attempts"] == 1
    fleet.wait_quiet()
    assert judge(fleet).failures == []


@pytest.mark.full
def test_a_language_model_that_never_recovers_fails_the_job_in_bounds(new_fleet) -> None:
    fleet = new_fleet(breaker_fail_max=100).start()
    fleet.model.when("tok-never", failure(500))
    job = fleet.accepted(token="tok-never")
    assert fleet.wait_ended([job], within_s=180)[job.id] == "failed"
    limit = CATALOG.stage("summarize").retry.max_attempts
    assert fleet.model.count("tok-never") <= CALLS_PER_ATTEMPT * limit
    fleet.wait_quiet()
    [code] = judge(fleet, may_fail={"llm_unavailable", "llm_server_error", "llm_failed"}).errors
    assert judge(fleet, may_fail={code}).failures == []


@pytest.mark.full
@pytest.mark.parametrize("how", ["hang", "endless stream"])
def test_a_language_model_that_never_ends_is_left_when_the_job_is_cancelled(how: str, new_fleet) -> None:
    fleet = new_fleet().start()
    endless = Reply(delay_s=300) if how == "hang" else replace(answer(), raw=b" " * 10_000, drip_s=0.05)
    fleet.model.when("tok-hang", endless)
    job = fleet.accepted(token="tok-hang")
    fleet.until(lambda: fleet.model.count("tok-hang"), within_s=20, what="the call")
    fleet.cancel(job)
    # The worker is free again: it has one slot.
    other = fleet.accepted()
    assert fleet.wait_ended([other], within_s=20)[other.id] == "succeeded"
    fleet.wait_quiet()
    assert judge(fleet).failures == []


@pytest.mark.full
@pytest.mark.parametrize("drip_s", [0.001])
def test_headers_without_end_cannot_hold_a_worker(drip_s: float, new_fleet, measured) -> None:
    fleet = new_fleet(breaker_fail_max=100).start()
    with EndlessHeaders(drip_s) as host:
        job = fleet.accepted(token="tok-endless", url=host.url, pipeline="extract")
        attempts = fleet.until(lambda: fleet.box.events("released", "failed"), within_s=30, what="an attempt to end")
        took_s = attempts[0].at - fleet.box.events("claimed")[0].at
        measured("the attempt took, s", took_s)
        assert took_s < FETCH_TOTAL_S + GRACE_S
        fleet.cancel(job)
    fleet.wait_quiet()
    assert judge(fleet, may_fail={attempts[0].more["code"]}).failures == []


class EndlessHeaders:
    """A server whose headers never end."""

    def __init__(self, drip_s: float) -> None:
        self._drip_s = drip_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            for number in range(10**9):
                connection.sendall(b"X-%d: y\r\n" % number)
                time.sleep(self._drip_s)


@pytest.mark.full
def test_a_breaker_is_one_for_all_workers_and_tries_once(new_fleet, measured) -> None:
    """Four workers: the failures of all count together, and one call at a time tries whether it is over."""
    fail_max, workers = 5, 4
    fleet = new_fleet(breaker_fail_max=fail_max, breaker_reset_s=4).start(
        {**dict.fromkeys(STAGES, 1), "fetch": workers}
    )
    tokens = [f"tok-b{number}" for number in range(12)]
    for token in tokens:
        fleet.web.when(token, Reply(status=500))
    jobs = [fleet.accepted(token=token, pipeline="extract") for token in tokens]
    time.sleep(3)  # The breaker opens, and stays so for longer than this.
    opened_at = fleet.web.ledger.all()[fail_max - 1].at
    while_open = len(fleet.web.ledger.all())
    measured("calls until it was open", while_open)
    # Those that were under way when it opened may still end.
    assert fail_max <= while_open <= fail_max + workers
    fleet.until(lambda: len(fleet.web.ledger.all()) > while_open, within_s=30, what="a trial")
    trial_at = fleet.web.ledger.all()[while_open].at
    assert trial_at - opened_at > 3.5
    time.sleep(2)  # The trial failed: open again.
    assert len(fleet.web.ledger.all()) == while_open + 1
    for token in tokens:
        fleet.web.when(token, fleet.web.usual(token))
    assert set(fleet.wait_ended(jobs, within_s=90).values()) == {"succeeded"}
    fleet.wait_quiet()
    assert judge(fleet).failures == []
