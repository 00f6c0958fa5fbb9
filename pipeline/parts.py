"""One attempt of a stage that may be done in parts: whether it is split, and which of its functions does the work."""

from collections.abc import Iterable, Sequence

from pipeline.composition import AnyStage
from pipeline.ids import Claim, StageKey
from pipeline.job import MAX_LEVELS, MAX_PARTS
from pipeline.ports import Payloads
from pipeline.work import Grant
from stages.contract import FanOut, Payload, Permanent, Scope, Tools


def parts_of(
    stage: AnyStage, grant: Grant, payload: Payload, results: Sequence[Payload], tools: Tools
) -> Iterable[Payload]:
    """What the stage is to be split into now; nothing when its work is to be done."""
    if stage.fan_out is None or grant.is_part:
        return ()
    return stage.fan_out.regroup(results, tools) if grant.results else stage.fan_out.split(payload, tools)


def keep_parts(parts: Iterable[Payload], grant: Grant, payloads: Payloads, scope: Scope) -> tuple[Claim, ...]:
    """Store what each part reads; returns the claims. Raises `Permanent` with `too_many_parts`."""
    claims: list[Claim] = []
    for part in parts:
        if len(claims) == MAX_PARTS or grant.level == MAX_LEVELS:
            raise Permanent("too_many_parts")
        scope.check()
        claims.append(payloads.put(_input_key(grant), part.to_bytes(), part.media_type))
    return tuple(claims)


def perform(stage: AnyStage, grant: Grant, payload: Payload, results: Sequence[Payload], tools: Tools) -> Payload:
    """Do the work of a stage, of a part of it, or what is left when all parts are done."""
    if grant.is_part:
        return _fan_out(stage).map(payload, tools)
    if grant.results:
        return _fan_out(stage).reduce(payload, results, tools)
    return stage.run(payload, tools)


def _fan_out(stage: AnyStage) -> FanOut:
    if stage.fan_out is None:
        raise TypeError(f"{stage.name} is done in parts, and does not say how")
    return stage.fan_out


def payload_key(tenant_id: str, key: StageKey) -> str:
    """Where the output of a stage or part is kept, without its hash.

    >>> payload_key("default", StageKey("0198", 1, "fetch"))
    'default/0198/1/fetch.0'
    """
    return f"{tenant_id}/{key.job_id}/{key.run}/{key.stage}.{key.part}"


def _input_key(grant: Grant) -> str:
    """Where what a part reads is kept: in one place for all of the same content."""
    return f"{grant.tenant_id}/{grant.key.job_id}/{grant.key.run}/{grant.key.stage}.parts"
