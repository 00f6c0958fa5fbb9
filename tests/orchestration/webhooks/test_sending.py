"""From the end of a job to the request at the receiver, over the records in memory."""

import json
import logging
from collections.abc import Mapping
from random import Random
from threading import Barrier, Event, Lock, Thread
from typing import Any

import pytest

from orchestration.outbound.post import TIMEOUT_S, Answer
from orchestration.sealing import Sealer
from orchestration.webhooks.desk import WebhookDesk
from orchestration.webhooks.dispatcher import LEASE_S, PER_ENDPOINT, Dispatcher
from orchestration.webhooks.sender import Sender
from orchestration.webhooks.signing import headers
from pipeline.errors import RecordsUnavailable
from pipeline.job import NewJob
from pipeline.memory import MemoryRecords
from pipeline.webhook_rules import Verdict
from pipeline.webhooks import TOLD, Parcel, Webhook, WebhookDelivery
from stages.contract import Permanent, Scope
from tests.support.bench import Watched
from tests.support.jobs import TENANT, World
from tests.support.tools import ManualClock
from tests.support.waiting import until

URL = "https://receiver.example/hook"


class FakePost:
    """Answers in turn; the last answer stays."""

    def __init__(self) -> None:
        self.answers: list[Answer | Exception] = [Answer(200, {})]
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.remaining_s = 0.0

    def post(self, url: str, body: bytes, headers: Mapping[str, str], scope: Scope) -> Answer:
        self.seen.append((url, body.decode(), dict(headers)))
        self.remaining_s = scope.remaining_s()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class PostOffice:
    """A desk and a sender, and the records between them."""

    def __init__(self) -> None:
        self.clock, self.random, self.sealer = ManualClock(), Random(3), Sealer("key")
        self.records = Watched(MemoryRecords(self.clock))
        self.world = World(self.records.inner, self.clock.advance)
        self.post = FakePost()
        self.desk = WebhookDesk(self.records, lambda: self.sealer, self.clock, self.random)
        self.sender = Sender(self.records, self.post, self.sealer, self.clock, self.random)

    def hook(self) -> tuple[Webhook, str]:
        return self.desk.create(TENANT, URL, TOLD)

    def failed(self) -> NewJob:
        job = self.world.accept()
        self.world.fail(job)
        return job

    def send(self, webhook: Webhook) -> Verdict | None:
        parcel = self.records.inner.claim_delivery(webhook.id, lease_s=LEASE_S)
        assert parcel is not None
        return self.sender.send(parcel)

    def log(self, webhook: Webhook) -> list[WebhookDelivery]:
        page = self.records.inner.deliveries(TENANT, webhook.id, before=None, limit=100)
        return list(page.items)


@pytest.fixture
def office() -> PostOffice:
    return PostOffice()


def test_the_end_of_a_job_is_sent_signed(office: PostOffice) -> None:
    webhook, secret = office.hook()
    job = office.failed()
    office.send(webhook)
    ((url, body, sent),) = office.post.seen
    (delivery,) = office.log(webhook)
    assert url == URL
    assert (json.loads(body)["type"], json.loads(body)["data"]["id"]) == ("job.failed", job.id)
    assert sent == headers(delivery.id, office.clock.now(), body, [secret])
    assert (delivery.state, delivery.tries[0].status) == ("delivered", 200)


def test_every_try_has_the_same_id_and_body_and_a_signature_of_its_own(office: PostOffice) -> None:
    webhook, _ = office.hook()
    office.failed()
    office.post.answers = [Answer(500, {}), Permanent("blocked_address"), Answer(204, {})]
    for _ in range(3):
        office.send(webhook)
        office.clock.advance(400)
    assert len({(sent["webhook-id"], body) for _, body, sent in office.post.seen}) == 1
    assert len({sent["webhook-signature"] for _, _, sent in office.post.seen}) == 3
    (delivery,) = office.log(webhook)
    told = [(tried.status, tried.code) for tried in delivery.tries]
    assert told == [(500, "not_accepted"), (None, "blocked_address"), (204, None)]


def test_one_who_died_before_the_record_has_it_sent_again_with_the_same_id(office: PostOffice) -> None:
    webhook, _ = office.hook()
    office.failed()
    office.records.broken["settle"] = RecordsUnavailable("gone")
    with pytest.raises(RecordsUnavailable):
        office.send(webhook)
    del office.records.broken["settle"]
    office.clock.advance(LEASE_S)
    office.send(webhook)
    first, second = (sent["webhook-id"] for _, _, sent in office.post.seen)
    assert first == second == office.log(webhook)[0].id


def test_for_a_day_both_secrets_sign(office: PostOffice) -> None:
    webhook, old = office.hook()
    _, new = office.desk.rotate(TENANT, webhook.id)
    for _ in range(2):
        office.failed()
    office.send(webhook)
    office.clock.advance(24 * 3600)
    office.send(webhook)
    overlap, after = (sent["webhook-signature"].split() for _, _, sent in office.post.seen)
    assert (len(overlap), len(after)) == (2, 1)
    _, body, sent = office.post.seen[0]
    at = office.clock.now().fromtimestamp(int(sent["webhook-timestamp"]), office.clock.now().tzinfo)
    assert overlap == headers(sent["webhook-id"], at, body, [new, old])["webhook-signature"].split()


def test_a_receiver_is_asked_again_when_it_says(office: PostOffice) -> None:
    webhook, _ = office.hook()
    office.failed()
    office.post.answers = [Answer(503, {"retry-after": "7200"})]
    verdict = office.send(webhook)
    assert verdict is not None
    assert (verdict.delay_s, verdict.patience_s) == (7200, 7200)


def test_a_secret_of_another_key_is_no_reason_to_send_unsigned(office: PostOffice) -> None:
    webhook, _ = office.hook()
    office.failed()
    office.sender = Sender(office.records, office.post, Sealer("another"), office.clock, office.random)
    office.send(webhook)
    assert office.post.seen == []
    assert office.log(webhook)[0].tries[0].code == "secret_unreadable"


def test_what_tells_of_an_erased_job_is_not_sent(office: PostOffice) -> None:
    webhook, _ = office.hook()
    job = office.failed()
    parcel = office.records.inner.claim_delivery(webhook.id, lease_s=LEASE_S)
    office.records.inner.purge(TENANT, job.id)
    assert office.sender.send(parcel) is None
    assert office.post.seen == []


def test_a_test_says_which_webhook_it_is_of(office: PostOffice) -> None:
    webhook, _ = office.hook()
    test = office.desk.test(TENANT, webhook.id)
    office.send(webhook)
    ((_, body, sent),) = office.post.seen
    assert json.loads(body) == {
        "type": "webhook.test",
        "timestamp": test.created_at.isoformat(),
        "data": {"webhook_id": webhook.id},
    }
    assert sent["webhook-id"] == test.id


def test_a_request_may_time_out_by_itself_and_ends_before_its_lease(office: PostOffice) -> None:
    webhook, _ = office.hook()
    office.failed()
    office.send(webhook)
    assert TIMEOUT_S < office.post.remaining_s < LEASE_S


# the dispatcher


class Slow:
    """Sends to some endpoints without end, and to the others at once."""

    def __init__(self, office: PostOffice, stuck: set[str]) -> None:
        self.office, self.stuck = office, stuck
        self.free = Event()
        self.lock = Lock()
        self.begun: list[str] = []

    def __call__(self, parcel: Parcel) -> Verdict | None:
        with self.lock:
            self.begun.append(parcel.webhook.id)
        if parcel.webhook.id in self.stuck:
            assert self.free.wait(20)
        return self.office.sender.send(parcel)


def test_one_that_hangs_holds_up_only_itself(office: PostOffice) -> None:
    hanging, well = office.hook()[0], office.hook()[0]
    for _ in range(20):
        office.failed()
    slow = Slow(office, {hanging.id})
    dispatcher = Dispatcher(office.records, slow, office.random, threads=2 * PER_ENDPOINT)
    stop = Event()
    thread = Thread(target=dispatcher.run, args=(stop,))
    thread.start()
    try:
        everything = {"delivered"}
        until(lambda: {each.state for each in office.log(well)} == everything, within_s=10, what="the other one")
        assert slow.begun.count(hanging.id) == PER_ENDPOINT
    finally:
        stop.set()
        slow.free.set()
        thread.join(10)
    assert not thread.is_alive()


def test_those_that_fail_have_one_request_at_a_time_and_half_of_the_threads(office: PostOffice) -> None:
    failing = [office.hook()[0] for _ in range(6)]
    office.failed()
    office.post.answers = [Answer(500, {})]
    for webhook in failing:
        office.send(webhook)
    office.clock.advance(600)
    for _ in range(3):
        office.failed()
    slow = Slow(office, {webhook.id for webhook in failing})
    dispatcher = Dispatcher(office.records, slow, office.random, threads=8)
    assert dispatcher.turn() == 4
    slow.free.set()
    dispatcher.close()
    assert len(slow.begun) == len(set(slow.begun)) == 4


def test_no_more_is_claimed_than_can_be_sent(office: PostOffice) -> None:
    hooks = [office.hook()[0] for _ in range(3)]
    for _ in range(3):
        office.failed()
    slow = Slow(office, {webhook.id for webhook in hooks})
    dispatcher = Dispatcher(office.records, slow, office.random, threads=5)
    assert (dispatcher.turn(), dispatcher.turn()) == (5, 0)
    slow.free.set()
    dispatcher.close()


def test_it_waits_for_the_records_and_goes_on(office: PostOffice, caplog: pytest.LogCaptureFixture) -> None:
    webhook, _ = office.hook()
    office.failed()
    office.records.broken["due_webhooks"] = RecordsUnavailable("no answer")
    stop = Event()
    dispatcher = Dispatcher(office.records, office.sender.send, office.random)
    with caplog.at_level(logging.INFO):
        thread = Thread(target=dispatcher.run, args=(stop,))
        thread.start()
        until(lambda: "waiting: no answer" in caplog.text, within_s=5, what="the warning")
        del office.records.broken["due_webhooks"]
        until(lambda: office.log(webhook)[0].state == "delivered", within_s=5, what="the delivery")
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def test_a_failure_is_logged_without_url_and_secret(office: PostOffice, caplog: pytest.LogCaptureFixture) -> None:
    webhook, secret = office.hook()
    office.failed()
    office.post.answers = [Answer(410, {})]
    dispatcher = Dispatcher(office.records, office.sender.send, office.random)
    with caplog.at_level(logging.DEBUG):
        dispatcher.turn()
        dispatcher.close()
    assert f"webhook {webhook.id} is disabled: gone" in caplog.text
    assert URL not in caplog.text
    assert secret not in caplog.text


def test_two_dispatchers_never_send_the_same_at_once(office: PostOffice) -> None:
    office.hook()
    for _ in range(30):
        office.failed()
    barrier, sent, lock = Barrier(2), [], Lock()

    def send(parcel: Parcel) -> Verdict | None:
        with lock:
            sent.append(parcel.delivery.id)
        return office.sender.send(parcel)

    def work() -> None:
        dispatcher = Dispatcher(office.records, send, Random(1))
        barrier.wait(5)
        until(lambda: not (dispatcher.turn() or office.records.due_webhooks()), within_s=10, what="the end")
        dispatcher.close()

    threads: list[Any] = [Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(15)
    assert len(sent) == len(set(sent)) == 30
