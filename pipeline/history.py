"""Reading what a run has recorded: the outputs of its finished stages."""

from pipeline.ids import Claim
from pipeline.job import StageRecord
from pipeline.ports import Payloads
from stages.contract import Payload, Step


def read_payload(payloads: Payloads, claim: Claim) -> Payload:
    """Read a stage's output back as the noun it was written as."""
    return Payload.by_media_type[claim.media_type].from_bytes(payloads.get(claim))


class RunHistory:
    """The stages of a run that are done, and their outputs."""

    def __init__(self, done: tuple[StageRecord, ...], payloads: Payloads) -> None:
        self._payloads = payloads
        self._claims = {record.stage: record.claim for record in done if record.claim is not None}
        self.steps = tuple(_step(record, record.claim) for record in done if record.claim is not None)

    def load(self, step: Step) -> Payload:
        """Read a step's output, verified by its hash."""
        return read_payload(self._payloads, self._claims[step.stage])


def _step(record: StageRecord, claim: Claim) -> Step:
    if record.started_at is None or record.finished_at is None:
        raise ValueError(f"stage {record.stage} has a claim but no times")
    return Step(
        stage=record.stage,
        attempts=record.attempts,
        started_at=record.started_at,
        finished_at=record.finished_at,
        duration_s=record.duration_s or 0.0,
        sha256=claim.sha256,
        size=claim.size,
        media_type=claim.media_type,
    )
