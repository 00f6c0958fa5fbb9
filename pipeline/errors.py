"""What can go wrong around a job, as opposed to inside a stage.

PipelineError
├── Refused               the request cannot become a job; `code` is stable
│   ├── UnknownPipeline
│   ├── UnknownStage
│   ├── MisorderedStages
│   ├── InvalidSchedule
│   ├── NoLanguageModel
│   ├── ModelNotAllowed
│   ├── PromptNotAllowed
│   ├── RenderUnavailable
│   └── IdempotencyKeyReused
├── QuotaExceeded         the tenant has used what it may; `code` says of what, `retry_after_s` when to try again
│   ├── TooManyRequests
│   ├── TooManyJobs
│   └── TooManyBytes
├── AlreadyAnswered       the request came before, with the same key; its job is named
├── JobNotFound           no such job for this tenant
├── JobFinished           the job has ended, so it cannot be cancelled; or not in the way that was expected
├── JobUnfinished         the job has not ended yet
├── BulkActionNotFound    no such action for this tenant
├── KeyNotFound           no such API key
├── BreakerNotFound       nothing is known of this dependency
├── BatchNotFound         no such batch for this tenant
├── BatchReceiving        another request is sending the items of this batch
├── BatchCancelled        the batch takes no more items
├── WebhookNotFound       no such endpoint for this tenant
├── DeliveryNotFound      the endpoint has no such delivery
├── WebhookDisabled       nothing is sent to the endpoint until it is enabled
├── ScheduleNotFound      no such schedule for this tenant
├── NoSecretKey           secrets cannot be kept, as there is no key to encrypt them with
├── InputExpired          what a stage would read is not kept any more, or never was
├── PayloadLost           a stored payload cannot be used
│   ├── PayloadMissing
│   └── PayloadCorrupt
├── NoBrowser             pages are to be rendered, and there is nothing to do it with
├── NoCatalog             the setting that names the pipelines does not lead to any
├── IllegalTransition     a defect: a state change that the table in `pipeline.job` forbids
└── MachineryFailed       a part of the installation is down; the work waits, nothing is held against the job
    ├── RecordsUnavailable
    ├── PayloadsUnavailable
    └── BrokerUnavailable
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta


class PipelineError(Exception):
    """Base of everything here."""


class Refused(PipelineError):
    """The request cannot become a job."""

    code = "invalid_request"


class UnknownWebhook(Refused):
    """The tenant has no such webhook."""

    code = "unknown_webhook"

    def __init__(self) -> None:
        # Without what was given: a URL may hold a token.
        super().__init__(
            "there is no such webhook: give the id or the exact URL of one that is registered; somebody with the scope"
            " admin has to register it first, because what is sent is signed with its secret"
        )


class UnknownPipeline(Refused):
    """No pipeline of this name is defined."""

    code = "unknown_pipeline"

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f'there is no pipeline "{name}"; known are {", ".join(known)}')


class UnknownStage(Refused):
    """No stage of this name is defined."""

    code = "unknown_stage"

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f'there is no stage "{name}"; known are {", ".join(known)}')


class MisorderedStages(Refused):
    """The types of the stages do not fit in this order."""

    code = "misordered_stages"


class InvalidSchedule(Refused):
    """The job would be due too late, or over before it may start; or a schedule would never fire."""

    code = "invalid_schedule"


class NoLanguageModel(Refused):
    """The job asks for what only a language model can do, and none is configured."""

    code = "no_language_model"

    def __init__(self, wishes: Sequence[str]) -> None:
        super().__init__(f"{', '.join(wishes)}: this needs a language model, and none is configured here")


class ModelNotAllowed(Refused):
    """The operator does not offer this model."""

    code = "model_not_allowed"

    def __init__(self, name: str, allowed: Sequence[str]) -> None:
        super().__init__(f'the model "{name}" is not on offer; {", ".join(allowed)} can be asked')


class PromptNotAllowed(Refused):
    """The operator does not allow this prompt, or none of clients."""

    code = "prompt_not_allowed"


class RenderUnavailable(Refused):
    """The job asks for a browser, and this deployment has none."""

    code = "render_unavailable"

    def __init__(self) -> None:
        super().__init__(
            "pages are not rendered here: an operator has to install penstock[render] and Chromium, to set "
            "PENSTOCK_RENDER=true, and to run a worker of the queue render"
        )


class IdempotencyKeyReused(Refused):
    """The key was used for another request."""

    code = "idempotency_key_reused"

    def __init__(self, name: str) -> None:
        super().__init__(f'the idempotency key "{name}" was used for another request; give each request its own')


class QuotaExceeded(PipelineError):
    """The tenant has used what it may."""

    code: str

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TooManyRequests(QuotaExceeded):
    """It asks too often."""

    code = "too_many_requests"

    def __init__(self, limit: int, retry_after_s: int) -> None:
        super().__init__(f"the tenant may send {limit} requests a minute", retry_after_s)


class TooManyJobs(QuotaExceeded):
    """Too many of its jobs have not ended. When one will is not known."""

    code = "too_many_jobs"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the tenant may have {limit} jobs that have not ended", retry_after_s=30)


class TooManyBytes(QuotaExceeded):
    """It has submitted too much content since midnight, UTC."""

    code = "too_many_bytes"

    def __init__(self, limit: int, at: datetime) -> None:
        now = at.astimezone(UTC)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        seconds = int((midnight - now).total_seconds()) + 1
        super().__init__(f"the tenant may submit {limit} bytes of content a day", seconds)


class AlreadyAnswered(PipelineError):
    """The request came before, with the same key, so nothing was done now. Names the job and the run it made."""

    def __init__(self, job_id: str, run: int) -> None:
        super().__init__(f"the request was answered before: job {job_id}, run {run}")
        self.job_id = job_id
        self.run = run


class JobNotFound(PipelineError):
    """There is no such job."""

    code = "job_not_found"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"there is no job {job_id}")


class JobFinished(PipelineError):
    """The job has ended already."""

    code = "job_finished"

    def __init__(self, job_id: str, state: str) -> None:
        super().__init__(f"job {job_id} has already {state}")
        self.state = state


class JobUnfinished(PipelineError):
    """The job has not ended yet."""

    code = "job_unfinished"

    def __init__(self, job_id: str, state: str) -> None:
        super().__init__(f"job {job_id} is still {state}")
        self.state = state


class BulkActionNotFound(PipelineError):
    """There is no such action."""

    code = "bulk_action_not_found"

    def __init__(self, action_id: str) -> None:
        super().__init__(f"there is no bulk action {action_id}")


class KeyNotFound(PipelineError):
    """There is no such API key."""

    def __init__(self, which: str) -> None:
        super().__init__(f"there is no key {which}; `penstock keys list` shows those there are")


class BreakerNotFound(PipelineError):
    """Nothing is known of this dependency: it works, or nobody calls it that."""

    code = "breaker_not_found"

    def __init__(self, dependency: str) -> None:
        super().__init__(f'there is no circuit breaker "{dependency}" that is open or has counted a failure')


class BatchNotFound(PipelineError):
    """There is no such batch."""

    code = "batch_not_found"

    def __init__(self, batch_id: str) -> None:
        super().__init__(f"there is no batch {batch_id}")


class BatchReceiving(PipelineError):
    """Another request is sending the items of the batch, or has just done so."""

    code = "batch_receiving"

    def __init__(self, batch_id: str) -> None:
        super().__init__(f"batch {batch_id} is still being received; ask again later")


class BatchCancelled(PipelineError):
    """The batch was cancelled, so it takes no more items."""

    code = "batch_cancelled"

    def __init__(self, batch_id: str) -> None:
        super().__init__(f"batch {batch_id} was cancelled")


class WebhookNotFound(PipelineError):
    """There is no such endpoint."""

    code = "webhook_not_found"

    def __init__(self, webhook_id: str) -> None:
        super().__init__(f"there is no webhook {webhook_id}")


class DeliveryNotFound(PipelineError):
    """The endpoint has no such delivery."""

    code = "delivery_not_found"

    def __init__(self, delivery_id: str) -> None:
        super().__init__(f"there is no delivery {delivery_id}")


class WebhookDisabled(PipelineError):
    """Nothing is sent to the endpoint."""

    code = "webhook_disabled"

    def __init__(self, webhook_id: str) -> None:
        super().__init__(f"webhook {webhook_id} is disabled; enable it first")


class ScheduleNotFound(PipelineError):
    """There is no such schedule."""

    code = "schedule_not_found"

    def __init__(self, schedule_id: str) -> None:
        super().__init__(f"there is no schedule {schedule_id}")


class NoSecretKey(PipelineError):
    """There is no key to encrypt secrets with."""

    code = "no_secret_key"

    def __init__(self) -> None:
        super().__init__("secrets cannot be kept here until an operator sets PENSTOCK_SECRET_KEY")


class InputExpired(PipelineError):
    """A stage cannot run again, because what it would read is not there. `earliest` names the first that can."""

    code = "input_expired"

    def __init__(self, stage: str, earliest: str | None) -> None:
        remedy = "none can run again" if earliest is None else f'the earliest stage that can run is "{earliest}"'
        super().__init__(f'what "{stage}" would read is not kept; {remedy}')
        self.stage = stage
        self.earliest = earliest


class PayloadLost(PipelineError):
    """A stored payload cannot be used."""

    code = "payload_missing"

    def __init__(self, key: str) -> None:
        super().__init__(f"payload {key}")
        self.key = key


class PayloadMissing(PayloadLost):
    """There is no object under this key."""


class PayloadCorrupt(PayloadLost):
    """The object does not match its recorded hash or size."""

    code = "payload_corrupt"


class NoBrowser(PipelineError):
    """Pages are to be rendered, and there is nothing to do it with."""


class NoCatalog(PipelineError):
    """The setting that names the pipelines does not lead to any."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"no catalog of pipelines at {path}: {reason}")


class IllegalTransition(PipelineError):
    """A state change that the table of legal transitions forbids."""


class MachineryFailed(PipelineError):
    """A part of the installation is down; what needs it waits."""


class RecordsUnavailable(MachineryFailed):
    """The database does not answer."""


class PayloadsUnavailable(MachineryFailed):
    """The payload store cannot be read or written."""


class BrokerUnavailable(MachineryFailed):
    """The broker takes no message."""
