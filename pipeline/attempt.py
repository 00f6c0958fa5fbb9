"""One stage, one attempt: claim, perform, record. Everything outside is reached through ports.

The outcome is a value; what to do with the message is decided by whoever delivered it.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from pipeline import events
from pipeline.cached_pages import PageWish
from pipeline.composition import AnyStage, Catalog
from pipeline.deltas import Deltas, ShownText, Writing
from pipeline.errors import PayloadCorrupt, PayloadsUnavailable, RecordsUnavailable, UnknownStage
from pipeline.events import Announcer
from pipeline.history import RunHistory, read_payload
from pipeline.ids import WHOLE, Delivery, Hold, StageKey
from pipeline.job import PARTS_AT_ONCE, JobError, Lane
from pipeline.outbound_ports import Breakers, Outbound
from pipeline.outcome import (
    Again,
    Cancelled,
    Dead,
    Divided,
    Done,
    Early,
    Outcome,
    Returned,
    Split,
    Stale,
    Superseded,
    is_last_attempt,
    judge,
)
from pipeline.parts import keep_parts, parts_of, payload_key, perform
from pipeline.ports import Finished, Leases, Payloads, Records
from pipeline.spending import Caller
from pipeline.work import Grant, Refusal, Refused
from stages.contract import CODES, CancelToken, Clock, JobFacts, Payload, Scope, Source, Tools, Visitor
from stages.contract.errors import Cancelled as JobCancelled
from stages.contract.tools import Turn

RECORD_TRIES = 120
BETWEEN_RECORDS_S = 1.0
"""An outcome that cannot be recorded is tried again this often, and after this long; each try waits for the database
too."""
UNTOLD = Delivery()


@dataclass(frozen=True, slots=True)
class Services:
    """What attempts are made with."""

    catalog: Catalog
    records: Records
    payloads: Payloads
    leases: Leases
    breakers: Breakers
    announcer: Announcer
    deltas: Deltas
    outbound: Outbound
    clock: Clock
    random: Random


def attempt(key: StageKey, services: Services, delivery: Delivery = UNTOLD) -> Outcome:
    """Run one attempt of one stage. Raises `MachineryFailed` only when not even that could be recorded.

    What a dead worker had claimed for this very message is taken over; its lease need not run out first.
    """
    now = services.clock.now()
    if delivery.worker_died and delivery.message_id:
        services.records.take_over(key, message_id=delivery.message_id, at=now)
    granted = services.records.claim(
        key,
        owner=services.leases.owner,
        message_id=delivery.message_id,
        lease_s=services.leases.lease_s,
        at=now,
    )
    if isinstance(granted, Refused):
        if delivery.worker_died:
            _finish_for_another(key, granted, services)
        return _refused(granted)
    services.announcer.announce(*events.started(granted, now))
    outcome = _hold(granted, services)
    services.announcer.announce(*events.ended(granted, outcome, services.clock.now()))
    return outcome


def _hold(granted: Grant, services: Services) -> Outcome:
    """Do the work and record how it ended, while the claim is kept."""
    hold = Hold(granted.key, granted.epoch)
    caller = Caller(granted.tenant_id, hold)
    token = CancelToken()
    started = services.clock.monotonic()
    with services.leases.holding(hold, token):
        outcome = _perform(granted, services, token, caller)
        ended = Finished(
            services.clock.now(), services.clock.monotonic() - started, caller.spending(accepts=_accepts(outcome))
        )
        return _insist(lambda: _record(hold, outcome, ended, services.records), token)


def _accepts(outcome: Outcome) -> bool | None:
    """Whether an attempt had use for what a language model answered; None where it did not come to that."""
    match outcome:
        case Done():
            return True
        case Dead(error) | Again(error=error, spends=True):
            known = CODES.get(error.code)
            return None if known is not None and known.blames_dependency else False
        case _:
            return None


def _insist(record: Callable[[], Outcome], token: CancelToken) -> Outcome:
    """Keep an outcome, and with it the hold, while the database is away: the work is done and must not be done again.

    Raises `RecordsUnavailable` when the database stays away, or when the worker is to stop.
    """
    for _ in range(RECORD_TRIES):
        try:
            return record()
        except RecordsUnavailable:
            if token.wait(BETWEEN_RECORDS_S):
                break
    return record()


def _finish_for_another(key: StageKey, refused: Refused, services: Services) -> None:
    """A worker died after it had recorded its outcome: what follows may have been left undone."""
    if refused.why is Refusal.SPLIT or key.part != WHOLE:
        services.records.unlaunch_parts(key)
    elif refused.job is not None:
        services.announcer.announce(*events.done_before(refused.job, key, services.clock.now()))


def _refused(refused: Refused) -> Outcome:
    match refused.why:
        case Refusal.FINISHED if refused.claim is not None:
            return Done(refused.claim)
        case Refusal.NOT_DUE:
            return Early(refused.delay_s)
        case Refusal.CANCELLED:
            return Cancelled()
        case _:
            return Superseded()


def _perform(grant: Grant, services: Services, token: CancelToken, caller: Caller) -> Outcome:
    """Do the work and say how it ended."""
    try:
        stage = services.catalog.stage(grant.key.stage)
    except UnknownStage as error:
        return Dead(JobError("unknown_stage", str(error), grant.key.stage), spends=False)
    try:
        return _work(stage, grant, services, token, caller)
    except Exception as error:
        if isinstance(error, JobCancelled) and token.is_for_now:
            return Again(0.0, JobError("worker_stopped", CODES["worker_stopped"].meaning, grant.key.stage))
        if isinstance(error, PayloadCorrupt):
            _put_aside(error.key, grant, services.payloads)
        return judge(error, stage, grant, services.clock.now(), services.random)


def _put_aside(key: str, grant: Grant, payloads: Payloads) -> None:
    """Keep a damaged object from being read again; where that fails it is refused again by its hash."""
    claims = (grant.source.body, grant.part_input, *grant.results, *(record.claim for record in grant.done))
    for claim in claims:
        if claim is not None and claim.key == key:
            with contextlib.suppress(PayloadsUnavailable):
                payloads.quarantine(claim)


def _work(stage: AnyStage, grant: Grant, services: Services, token: CancelToken, caller: Caller) -> Outcome:
    tools = _tools(stage, grant, services, token, caller)
    payload = _input(grant, services.payloads)
    results = [read_payload(services.payloads, claim) for claim in grant.results]
    if inputs := keep_parts(parts_of(stage, grant, payload, results, tools), grant, services.payloads, tools.scope):
        return Split(inputs)
    dependency = stage.guard(payload, tools)
    with services.breakers.guard(dependency) if dependency is not None else contextlib.nullcontext():
        output = perform(stage, grant, payload, results, tools)
    tools.scope.check()
    key = payload_key(grant.tenant_id, grant.key)
    return Done(services.payloads.put(key, output.to_bytes(), output.media_type))


def _input(grant: Grant, payloads: Payloads) -> Payload:
    if grant.input is not None:
        return read_payload(payloads, grant.input)
    source = grant.source
    body = payloads.get(source.body) if source.body is not None else None
    return Source(url=source.url, body=body, content_type=source.content_type, name=source.name)


def _tools(stage: AnyStage, grant: Grant, services: Services, token: CancelToken, caller: Caller) -> Tools:
    models = services.outbound.llm
    deadline = services.clock.monotonic() + stage.time_limit_s
    return Tools(
        http=services.outbound.http,
        pages=services.outbound.pages.pages(PageWish.of(grant)),
        browser=services.outbound.browser,
        llm=None if models is None else models.on_behalf_of(caller),
        isolate=services.outbound.isolate,
        clock=services.clock,
        random=services.random,
        scope=Scope(services.clock, deadline, token, _visitor(grant)),
        turn=Turn(is_last=is_last_attempt(stage, grant), parked_s=grant.parked_s),
        options=grant.options,
        job=JobFacts(
            job_id=grant.key.job_id,
            run=grant.key.run,
            pipeline=grant.pipeline,
            created_at=grant.created_at,
            source_url=grant.source.url,
            source_name=grant.source.name,
            source_content_type=grant.source.content_type,
        ),
        history=RunHistory(grant.done, services.payloads),
        progress=ShownText(Writing.of(grant.tenant_id, caller.hold), services.deltas, services.clock),
    )


def _visitor(grant: Grant) -> Visitor:
    key = grant.key
    name = f"{key.job_id}:{key.run}:{key.stage}:{key.part}"
    return Visitor(name, is_urgent=grant.lane is Lane.URGENT, obeys_robots=grant.options.robots == "obey")


def _record(hold: Hold, outcome: Outcome, ended: Finished, records: Records) -> Outcome:
    """Write the outcome down; a hold that is no longer the latest turns it into `Stale`."""
    match outcome:
        case Split(inputs):
            division = records.split(hold, inputs, PARTS_AT_ONCE, ended)
            return Stale(hold.epoch) if division is None else Divided(division)
        case Done(claim) if hold.key.part != WHOLE:
            division = records.complete_part(hold, claim, ended)
            return Stale(hold.epoch) if division is None else Divided(division, claim)
        case Done(claim):
            kept = records.complete(hold, claim, ended)
        case Again(delay_s, error, spends, parks):
            kept = records.release(hold, error, delay_s=delay_s, spends=spends, parks=parks, ended=ended)
        case Dead(error, spends):
            kept = records.fail(hold, error, spends=spends, ended=ended)
        case Returned(error, claim_key):
            kept = records.lose_input(hold, error, claim_key=claim_key, ended=ended)
        case _:
            _spend(hold, ended, records)
            return outcome
    return outcome if kept else Stale(hold.epoch)


def _spend(hold: Hold, ended: Finished, records: Records) -> None:
    if ended.spending is not None:
        records.spend(hold, ended.spending, ended.at)
