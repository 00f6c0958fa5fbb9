"""Records: endpoints, and the deliveries that the end of a run makes for them."""

from datetime import timedelta
from typing import Any

import pytest

from pipeline.errors import DeliveryNotFound, WebhookDisabled, WebhookNotFound
from pipeline.events import EventKind
from pipeline.job import MAX_LOSSES, JobState, NewJob
from pipeline.ports import Retention
from pipeline.runs import NewRun
from pipeline.terms import JobTerms
from pipeline.webhook_rules import FAILING_FOR, FAILURES_TO_PAUSE, Health
from pipeline.webhooks import DeliveryState, Parcel, Webhook, WebhookChanges, WebhookDelivery, delivery_id
from tests.support.at_once import at_once
from tests.support.batches import admitted, chunk_of, full_batch, jobs_of, open_batch
from tests.support.jobs import BROKEN, STAGES, TENANT, World, ended
from tests.support.tools import START
from tests.support.webhooks import delivered, new_webhook, refused

LEASE_S = 15.0
UNKNOWN = "01a1fb67-1800-7226-b63c-5ab791b7584a"


@pytest.fixture
def records(world: World) -> Any:
    return world.records


def added(records: Any, **changes: Any) -> Webhook:
    webhook = new_webhook(**changes)
    records.add_webhook(webhook)
    return webhook


def deliveries(records: Any, webhook: Webhook) -> list[WebhookDelivery]:
    return list(records.deliveries(webhook.tenant_id, webhook.id, before=None, limit=100).items)


def failed(world: World, **about: Any) -> NewJob:
    job = world.accept(**about)
    world.fail(job)
    return job


def claimed(records: Any, webhook: Webhook) -> Parcel:
    parcel: Parcel | None = records.claim_delivery(webhook.id, lease_s=LEASE_S)
    assert parcel is not None
    return parcel


def due(records: Any) -> list[str]:
    return [each.webhook_id for each in records.due_webhooks()]


# endpoints


def test_an_endpoint_is_read_as_it_was_recorded(records: Any) -> None:
    webhook = added(records, events=(EventKind.JOB_FAILED,), description="Ops", enabled=False)
    assert records.webhook(TENANT, webhook.id) == webhook
    assert records.webhook(TENANT, webhook.id.upper()) == webhook
    assert records.webhook("theirs", webhook.id) is None
    assert records.webhook(TENANT, UNKNOWN) is None
    assert "sealed-1" not in repr(webhook)


def test_endpoints_are_listed_in_pages_the_newest_first(records: Any) -> None:
    first, second, third = (added(records) for _ in range(3))
    added(records, tenant_id="theirs")
    page = records.webhooks(TENANT, before=None, limit=2)
    assert (page.items, page.more, page.last_id) == ((third, second), True, second.id)
    rest = records.webhooks(TENANT, before=second.id, limit=2)
    assert (rest.items, rest.more) == ((first,), False)
    assert records.webhooks(TENANT, before="nope", limit=2).items == ()


def test_what_is_given_is_changed_and_the_rest_stays(records: Any) -> None:
    webhook = added(records, description="Ops")
    changes = WebhookChanges(events=(EventKind.JOB_CANCELLED,), enabled=False)
    changed = records.change_webhook(TENANT, webhook.id, changes)
    assert (changed.events, changed.enabled, changed.description) == ((EventKind.JOB_CANCELLED,), False, "Ops")
    assert records.webhook(TENANT, webhook.id) == changed
    assert records.change_webhook(TENANT, webhook.id, WebhookChanges()) == changed


def test_the_secret_before_signs_until_its_time_is_over(records: Any) -> None:
    webhook = added(records)
    until = START + timedelta(hours=24)
    rotated = records.rotate_secret(TENANT, webhook.id, "sealed-2", until=until)
    assert rotated == records.webhook(TENANT, webhook.id)
    assert rotated.sealed_at(until - timedelta(seconds=1)) == ("sealed-2", "sealed-1")
    assert rotated.sealed_at(until) == ("sealed-2",)


def test_an_erased_endpoint_is_gone_with_its_deliveries(world: World, records: Any) -> None:
    webhook = added(records)
    failed(world)
    parcel = claimed(records, webhook)
    records.delete_webhook(TENANT, webhook.id)
    assert records.webhook(TENANT, webhook.id) is None
    assert records.settle(parcel, delivered()) is False
    failed(world)
    assert due(records) == []


@pytest.mark.parametrize("tenant_id", [TENANT, "theirs"])
def test_what_is_not_there_is_not_found(records: Any, tenant_id: str) -> None:
    webhook_id = UNKNOWN if tenant_id == TENANT else added(records).id
    for act in (
        lambda: records.change_webhook(tenant_id, webhook_id, WebhookChanges()),
        lambda: records.rotate_secret(tenant_id, webhook_id, "x", until=START),
        lambda: records.delete_webhook(tenant_id, webhook_id),
        lambda: records.deliveries(tenant_id, webhook_id, before=None, limit=1),
        lambda: records.add_test(tenant_id, webhook_id, UNKNOWN, START),
        lambda: records.redeliver(tenant_id, webhook_id, UNKNOWN),
    ):
        with pytest.raises(WebhookNotFound):
            act()


# what is recorded


def test_every_way_in_which_a_run_ends_is_told_once(world: World, records: Any) -> None:
    webhook = added(records)
    done, broken, cancelled, late, lost = (world.accept() for _ in range(5))
    world.do(done, *STAGES)
    world.fail(broken)
    records.request_cancel(TENANT, cancelled.id, START)
    records.request_cancel(TENANT, cancelled.id, START)
    for _ in range(MAX_LOSSES):
        records.reclaim(world.lapse(lost), at=START)
    records.expire(at=START + timedelta(days=2), limit=9)
    told = {each.job_id: each.event for each in deliveries(records, webhook)}
    assert told == {
        done.id: "job.succeeded",
        broken.id: "job.failed",
        cancelled.id: "job.cancelled",
        late.id: "job.failed",
        lost.id: "job.failed",
    }
    assert len(deliveries(records, webhook)) == 5


def test_jobs_of_a_batch_are_told_of_like_all_others(world: World, records: Any) -> None:
    both = [added(records), added(records)]
    succeeds = added(records, events=(EventKind.JOB_SUCCEEDED,))
    theirs = added(records, tenant_id="theirs")
    batch, (done, broken, *held) = full_batch(records, 5)
    admitted(records, batch, 2)
    world.do(done, *STAGES)
    world.fail(broken)
    records.request_cancel(TENANT, held[0].id, START)
    records.cancel_batch(TENANT, batch.id, START)
    cancelled = [job.id for _ in range(3) for job in records.cancel_held(batch.id, START, limit=2)]
    assert cancelled == [job.id for job in held[1:]]
    for webhook in both:
        told = [(each.job_id, each.event, each.run) for each in deliveries(records, webhook)]
        ends = [(done, "job.succeeded"), (broken, "job.failed"), *((job, "job.cancelled") for job in held)]
        assert sorted(told) == sorted((job.id, event, 1) for job, event in ends)
    assert [each.job_id for each in deliveries(records, succeeds)] == [done.id]
    assert deliveries(records, theirs) == []


def test_a_delivery_has_an_id_that_follows_from_endpoint_and_run(world: World, records: Any) -> None:
    webhook, other = added(records), added(records)
    job = failed(world)
    again = START + timedelta(minutes=1)
    records.open_run(TENANT, job.id, NewRun(None, None, deadline_at=again + timedelta(days=1), at=again))
    world.fail(job, run=2)
    first, second = sorted(deliveries(records, webhook), key=lambda each: each.run or 0)
    ended_at = records.runs(TENANT, job.id)[0].finished_at
    assert first.id == delivery_id(webhook.id, job.id, 1, ended_at)
    assert (first.run, second.run, first.created_at) == (1, 2, ended_at)
    assert (first.state, first.attempts, first.tries) == (DeliveryState.PENDING, 0, ())
    ids = [each.id for one in (webhook, other) for each in deliveries(records, one)]
    assert len(set(ids)) == 4


def test_only_those_are_told_who_asked_for_it(world: World, records: Any) -> None:
    cancels = added(records, events=(EventKind.JOB_CANCELLED,))
    disabled = added(records, enabled=False)
    theirs = added(records, tenant_id="theirs")
    failed(world)
    assert [deliveries(records, each) for each in (cancels, disabled, theirs)] == [[], [], []]
    failed(world, tenant_id="theirs")
    assert len(deliveries(records, theirs)) == 1


def test_deliveries_are_listed_in_pages_the_newest_first(world: World, records: Any) -> None:
    webhook = added(records)
    for _ in range(3):
        failed(world)
    every = deliveries(records, webhook)
    assert [each.id for each in every] == sorted((each.id for each in every), reverse=True)
    page = records.deliveries(TENANT, webhook.id, before=None, limit=2)
    assert (page.items, page.more, page.last_id) == (tuple(every[:2]), True, every[1].id)
    rest = records.deliveries(TENANT, webhook.id, before=page.last_id, limit=2)
    assert (rest.items, rest.more) == ((every[2],), False)


def test_deliveries_go_with_their_job_and_after_their_time(world: World, records: Any) -> None:
    webhook = added(records)
    purged, expired, _kept = failed(world), failed(world), failed(world)
    records.purge(TENANT, purged.id)
    older = Retention(results_s=0, intermediates_s=0, dead_letters_s=0)
    assert records.purge_expired(expired.id, START + timedelta(hours=1), older)
    assert len(deliveries(records, webhook)) == 1
    (left,) = deliveries(records, webhook)
    assert records.forget_deliveries(before=left.created_at) == 0
    assert records.forget_deliveries(before=left.created_at + timedelta(seconds=1)) == 1
    assert deliveries(records, webhook) == []


# sending


def test_a_delivery_is_claimed_by_one_until_its_lease_is_over(world: World, records: Any) -> None:
    webhook = added(records)
    failed(world)
    assert due(records) == [webhook.id]
    first = claimed(records, webhook)
    assert (first.webhook, first.delivery.event) == (webhook, "job.failed")
    assert due(records) == []
    assert records.claim_delivery(webhook.id, lease_s=LEASE_S) is None
    world.pass_time(LEASE_S + 1)
    assert due(records) == [webhook.id]
    second = claimed(records, webhook)
    assert second.delivery.id == first.delivery.id
    assert records.settle(first, delivered()) is False
    assert deliveries(records, webhook)[0].tries == ()
    assert records.settle(second, delivered()) is True


def test_a_job_ends_whatever_happens_to_an_endpoint_at_that_moment(world: World, records: Any) -> None:
    for _ in range(8):
        webhook = added(records)
        failed(world)
        parcel, job = claimed(records, webhook), world.accept()
        hold = world.hold(job)
        answers = at_once(
            lambda hold=hold: records.fail(hold, BROKEN, spends=True, ended=ended()),
            lambda webhook=webhook: records.delete_webhook(TENANT, webhook.id),
            lambda parcel=parcel: records.settle(parcel, refused()),
        )
        assert answers[:2] == [True, None]
        assert answers[2] in {True, False}
        assert world.read(job).state is JobState.FAILED


def test_of_many_at_once_each_gets_another(world: World, records: Any) -> None:
    webhook = added(records)
    for _ in range(3):
        failed(world)
    parcels = at_once(*[lambda: records.claim_delivery(webhook.id, lease_s=LEASE_S)] * 5)
    ids = [parcel.delivery.id for parcel in parcels if parcel is not None]
    assert len(ids) == len(set(ids))
    while parcel := records.claim_delivery(webhook.id, lease_s=LEASE_S):
        ids.append(parcel.delivery.id)
    assert len(ids) == len(set(ids)) == 3


def test_what_was_taken_is_over_and_the_endpoint_well(world: World, records: Any) -> None:
    webhook = added(records)
    failed(world)
    records.settle(claimed(records, webhook), refused(0.0))
    assert records.settle(claimed(records, webhook), delivered()) is True
    (delivery,) = deliveries(records, webhook)
    assert (delivery.state, delivery.attempts, delivery.next_try_at) == (DeliveryState.DELIVERED, 2, None)
    assert [(each.status, each.code) for each in delivery.tries] == [(500, "not_accepted"), (200, None)]
    assert records.webhook(TENANT, webhook.id).health == Health()
    assert due(records) == []


def test_what_was_refused_is_due_again_after_its_delay(world: World, records: Any) -> None:
    webhook = added(records)
    failed(world)
    records.settle(claimed(records, webhook), refused(60.0))
    (delivery,) = deliveries(records, webhook)
    assert (delivery.state, delivery.attempts) == (DeliveryState.PENDING, 1)
    assert delivery.next_try_at is not None
    world.pass_time(58)
    assert due(records) == []
    world.pass_time(3)
    assert [(each.webhook_id, each.is_failing) for each in records.due_webhooks()] == [(webhook.id, True)]


def test_after_its_last_try_a_delivery_has_failed(world: World, records: Any) -> None:
    webhook = added(records)
    failed(world)
    records.settle(claimed(records, webhook), refused(None))
    (delivery,) = deliveries(records, webhook)
    assert (delivery.state, delivery.next_try_at) == (DeliveryState.FAILED, None)
    assert due(records) == []


def test_an_endpoint_that_keeps_failing_is_paused_and_no_other(world: World, records: Any) -> None:
    dead, well = added(records), added(records)
    failed(world)
    for number in range(FAILURES_TO_PAUSE):
        assert dead.id in due(records), number
        records.settle(claimed(records, dead), refused(0.0))
    assert due(records) == [well.id]
    world.pass_time(31)
    assert set(due(records)) == {dead.id, well.id}


def test_an_endpoint_is_left_alone_for_as_long_as_it_asks(world: World, records: Any) -> None:
    webhook = added(records)
    for _ in range(2):
        failed(world)
    records.settle(claimed(records, webhook), refused(120.0, status=429, patience_s=120.0))
    world.pass_time(118)
    assert due(records) == []
    world.pass_time(3)
    assert due(records) == [webhook.id]


def test_an_endpoint_that_is_gone_is_disabled(world: World, records: Any) -> None:
    webhook = added(records)
    for _ in range(2):
        failed(world)
    records.settle(claimed(records, webhook), refused(None, status=410))
    disabled = records.webhook(TENANT, webhook.id)
    assert (disabled.enabled, disabled.disabled_reason) == (False, "gone")
    assert due(records) == []
    assert records.claim_delivery(webhook.id, lease_s=LEASE_S) is None


def test_one_that_failed_for_five_days_is_disabled_and_goes_on_once_it_is_enabled(world: World, records: Any) -> None:
    webhook = added(records)
    failed(world)
    records.settle(claimed(records, webhook), refused(0.0))
    records.settle(claimed(records, webhook), refused(0.0, START + FAILING_FOR - timedelta(seconds=1)))
    assert records.webhook(TENANT, webhook.id).enabled
    records.settle(claimed(records, webhook), refused(0.0, START + FAILING_FOR))
    disabled = records.webhook(TENANT, webhook.id)
    assert (disabled.enabled, disabled.disabled_reason, disabled.health.failing_since) == (False, "failing", START)
    enabled = records.change_webhook(TENANT, webhook.id, WebhookChanges(enabled=True))
    assert (enabled.enabled, enabled.disabled_reason, enabled.health) == (True, None, Health())
    assert due(records) == [webhook.id]


def test_a_delivery_is_sent_again_when_somebody_asks(world: World, records: Any) -> None:
    webhook = added(records)
    failed(world)
    parcel = claimed(records, webhook)
    # While it is being sent nobody else gets it.
    records.redeliver(TENANT, webhook.id, parcel.delivery.id)
    assert due(records) == []
    assert records.settle(parcel, delivered()) is True
    again = records.redeliver(TENANT, webhook.id, parcel.delivery.id.upper())
    assert (again.id, again.state, again.attempts) == (parcel.delivery.id, DeliveryState.PENDING, 0)
    assert len(again.tries) == 1
    assert claimed(records, webhook).delivery.id == parcel.delivery.id
    with pytest.raises(DeliveryNotFound):
        records.redeliver(TENANT, webhook.id, UNKNOWN)
    with pytest.raises(DeliveryNotFound):
        records.redeliver(TENANT, added(records).id, parcel.delivery.id)


def test_a_test_is_a_delivery_without_a_job(records: Any) -> None:
    webhook = added(records)
    test = records.add_test(TENANT, webhook.id, UNKNOWN, START)
    assert (test.id, test.event, test.job_id, test.run, test.created_at) == (UNKNOWN, "webhook.test", None, None, START)
    assert claimed(records, webhook).delivery == deliveries(records, webhook)[0]


def test_nothing_is_sent_to_a_disabled_endpoint(world: World, records: Any) -> None:
    webhook = added(records)
    failed(world)
    (delivery,) = deliveries(records, webhook)
    records.change_webhook(TENANT, webhook.id, WebhookChanges(enabled=False))
    assert due(records) == []
    for act in (
        lambda: records.add_test(TENANT, webhook.id, UNKNOWN, START),
        lambda: records.redeliver(TENANT, webhook.id, delivery.id),
    ):
        with pytest.raises(WebhookDisabled):
            act()


# named by a job


def test_an_endpoint_that_a_job_names_is_told_of_it_whatever_it_asks_for(world: World, records: Any) -> None:
    wants_other = added(records, events=(EventKind.JOB_SUCCEEDED,))
    only_named, wants_all = added(records, only_named=True), added(records)
    for named in (wants_other, only_named, wants_all):
        job = failed(world, terms=JobTerms(webhook_id=named.id))
        told = {each.id for each in (wants_other, only_named, wants_all) if job.id in told_of(records, each)}
        assert told == {named.id, wants_all.id}
        assert told_of(records, named).count(job.id) == 1
        assert world.read(job).terms.webhook_id == named.id
    plain = failed(world)
    assert [plain.id in told_of(records, each) for each in (wants_other, only_named, wants_all)] == [False, False, True]


def test_what_is_disabled_or_gone_or_another_tenants_is_told_of_nothing(world: World, records: Any) -> None:
    disabled, foreign = added(records, enabled=False), added(records, tenant_id="other", only_named=True)
    for named in (disabled.id, foreign.id, UNKNOWN):
        failed(world, terms=JobTerms(webhook_id=named))
    assert (deliveries(records, disabled), deliveries(records, foreign)) == ([], [])


def test_of_jobs_that_are_cancelled_together_each_tells_the_one_it_names(records: Any) -> None:
    first, second = added(records, only_named=True), added(records, only_named=True)
    batch = open_batch(records)
    jobs = [
        job
        for index, named in enumerate((first, second, None))
        for job in jobs_of(batch, 1, index, terms=JobTerms(webhook_id=named and named.id))
    ]
    records.accept_many(batch, chunk_of(jobs, is_last=True))
    records.cancel_batch(batch.tenant_id, batch.id, START)
    records.cancel_held(batch.id, START, limit=5)
    assert [told_of(records, each) for each in (first, second)] == [[jobs[0].id], [jobs[1].id]]


def test_an_endpoint_is_found_by_its_id_or_its_exact_url(records: Any) -> None:
    old, foreign = added(records, url="https://a.example/"), added(records, url="https://b.example/", tenant_id="other")
    assert records.webhook_named(TENANT, old.id) == records.webhook_named(TENANT, old.url) == old.id
    new = added(records, url=old.url)
    assert records.webhook_named(TENANT, old.url) == new.id
    records.change_webhook(TENANT, new.id, WebhookChanges(enabled=False))
    assert records.webhook_named(TENANT, old.url) == old.id
    for name in (foreign.id, foreign.url, "https://a.example", "nonsense", ""):
        assert records.webhook_named(TENANT, name) is None


def test_only_named_can_be_changed(records: Any) -> None:
    webhook = added(records, only_named=True)
    assert records.webhook(TENANT, webhook.id).only_named
    assert not records.change_webhook(TENANT, webhook.id, WebhookChanges(only_named=False)).only_named


def told_of(records: Any, webhook: Webhook) -> list[str | None]:
    return [each.job_id for each in deliveries(records, webhook)]
