"""What can go wrong for a client.

PenstockError
├── Unreachable                  no answer came: no connection, or it broke, or it took too long
├── UnexpectedAnswer             an answer came that the service does not give; is the URL right?
├── WaitTimedOut                 the job or batch had not ended in time; it goes on
├── NotSucceeded                 the job that was waited for has failed or was cancelled; `job` says why
└── ApiError                     the service said no: `status`, `code`, `detail`, `retry_after_s`
    ├── BadRequest               400
    ├── Unauthorized             401
    ├── Forbidden                403
    ├── NotFound                 404
    │   ├── JobNotFound          job_not_found
    │   └── RunNotFound          run_not_found
    ├── Conflict                 409
    │   ├── JobUnfinished        job_unfinished: there is no result yet
    │   ├── JobFinished          job_finished
    │   ├── JobFailed            job_failed: there is no result and there will be none
    │   ├── JobCancelled         job_cancelled: the same
    │   ├── InputExpired         input_expired; `earliest_stage` is the first that can still run
    │   └── BatchReceiving       batch_receiving: another request with this key still sends the batch
    ├── ResultLost               410
    ├── BodyTooLarge             413
    ├── InvalidRequest           415, 422
    │   ├── IdempotencyKeyReused idempotency_key_reused
    │   ├── UnknownPipeline      unknown_pipeline
    │   ├── UnknownStage         unknown_stage
    │   └── MisorderedStages     misordered_stages
    ├── RateLimited              429
    └── ServerError              5xx
        └── ServiceUnavailable   502, 503, 504
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from api.schemas import JobView


class PenstockError(Exception):
    """Base of everything here."""


class Unreachable(PenstockError):
    """No answer came. What was asked may have been done all the same."""


class UnexpectedAnswer(PenstockError):
    """This is not how the service answers."""


class WaitTimedOut(PenstockError):
    """The job or batch had not ended in time."""

    def __init__(self, job_id: str | None = None, *, batch_id: str | None = None) -> None:
        """One of the two."""
        which = f"job {job_id}" if batch_id is None else f"batch {batch_id}"
        super().__init__(f"{which} has not ended in time; it goes on")
        self.job_id = job_id
        self.batch_id = batch_id


class NotSucceeded(PenstockError):
    """The job has ended without a result."""

    def __init__(self, job: JobView) -> None:
        why = f": {job.error.message} ({job.error.code})" if job.error else ""
        super().__init__(f"job {job.id} {'was ' * (job.error is None)}{job.status}{why}")
        self.job = job


class ApiError(PenstockError):
    """The service refused, with a stable code."""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after_s: float | None = None) -> None:
        """`problem` is the body of the answer; nothing in it is taken for granted, a proxy may have sent it."""
        self.status = status
        self.code = str(problem.get("code", "http_error"))
        self.detail = str(problem.get("detail") or _phrase(status))
        self.retry_after_s = retry_after_s
        """Seconds after which it may be asked again, if the service said so."""
        super().__init__(f"{self.detail} ({status} {self.code})")


class BadRequest(ApiError):
    """The request cannot be read."""


class Unauthorized(ApiError):
    """An API key is needed, or this one is not valid."""


class Forbidden(ApiError):
    """This API key does not allow it."""


class NotFound(ApiError):
    """There is nothing of this kind."""


class JobNotFound(NotFound):
    """There is no such job, or no more."""


class RunNotFound(NotFound):
    """The job has no run of this number."""


class Conflict(ApiError):
    """The job is not in a state that allows this."""


class JobUnfinished(Conflict):
    """The job has not ended."""


class JobFinished(Conflict):
    """The job has ended in a way that does not allow this."""


class JobFailed(Conflict):
    """There is no result, because the job failed."""


class JobCancelled(Conflict):
    """There is no result, because the job was cancelled."""


class InputExpired(Conflict):
    """What the stage would read is not kept any more."""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after_s: float | None = None) -> None:
        super().__init__(status, problem, retry_after_s)
        self.earliest_stage: str | None = problem.get("earliest_stage")
        """The first stage that can still run; None when none can."""


class BatchReceiving(Conflict):
    """Another request with the same key is sending the batch, or its connection has just broken."""


class ResultLost(ApiError):
    """The stored result is gone or damaged; replay the job."""


class BodyTooLarge(ApiError):
    """More was submitted than the service takes."""


class InvalidRequest(ApiError):
    """A field is unknown, missing or not valid."""


class IdempotencyKeyReused(InvalidRequest):
    """The key was used for another request."""


class UnknownPipeline(InvalidRequest):
    """There is no pipeline of this name."""


class UnknownStage(InvalidRequest):
    """There is no stage of this name."""


class MisorderedStages(InvalidRequest):
    """The stages do not fit in this order."""


class RateLimited(ApiError):
    """Too many requests; ask again later."""


class ServerError(ApiError):
    """The service failed to answer."""


class ServiceUnavailable(ServerError):
    """The service, or a part of it, is down for now; nothing was accepted."""


BY_CODE: Mapping[str, type[ApiError]] = {
    "job_not_found": JobNotFound,
    "run_not_found": RunNotFound,
    "job_unfinished": JobUnfinished,
    "job_finished": JobFinished,
    "job_failed": JobFailed,
    "job_cancelled": JobCancelled,
    "input_expired": InputExpired,
    "batch_receiving": BatchReceiving,
    "idempotency_key_reused": IdempotencyKeyReused,
    "unknown_pipeline": UnknownPipeline,
    "unknown_stage": UnknownStage,
    "misordered_stages": MisorderedStages,
}
BY_STATUS: Mapping[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: ResultLost,
    413: BodyTooLarge,
    415: InvalidRequest,
    422: InvalidRequest,
    429: RateLimited,
    502: ServiceUnavailable,
    503: ServiceUnavailable,
    504: ServiceUnavailable,
}


def api_error(status: int, problem: Mapping[str, Any], retry_after_s: float | None = None) -> ApiError:
    """The error for an answer: by its code, or else by its status.

    >>> api_error(404, {"code": "job_not_found", "detail": "there is no job 7"})
    JobNotFound('there is no job 7 (404 job_not_found)')
    >>> api_error(502, {})
    ServiceUnavailable('Bad Gateway (502 http_error)')
    """
    by_status = BY_STATUS.get(status, ServerError if status >= 500 else ApiError)
    return BY_CODE.get(str(problem.get("code")), by_status)(status, problem, retry_after_s)


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "An answer without a reason"
