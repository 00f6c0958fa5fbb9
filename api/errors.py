"""Errors over HTTP: problem details (RFC 9457) with a stable `code`. Foreign errors are mapped here and only here."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from api.security_headers import DATA_HEADERS
from pipeline.errors import (
    BatchCancelled,
    BatchNotFound,
    BatchReceiving,
    BreakerNotFound,
    BulkActionNotFound,
    DeliveryNotFound,
    InputExpired,
    JobFinished,
    JobNotFound,
    JobUnfinished,
    MachineryFailed,
    NoSecretKey,
    PayloadLost,
    QuotaExceeded,
    Refused,
    ScheduleNotFound,
    WebhookDisabled,
    WebhookNotFound,
)

log = logging.getLogger(__name__)

UNAVAILABLE = "A part of the service is down; nothing was accepted. Try again soon."
RETRY_AFTER_S = 5
UNFINISHED_RETRY_AFTER_S = 1
CODE_OF_STATUS = {
    HTTPStatus.BAD_REQUEST: "invalid_json",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported_media_type",
}


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str
    message: str


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldProblem] | None = None
    earliest_stage: str | None = None


class BadRequest(Exception):
    """The request cannot be read; `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class NotFound(Exception):
    """There is nothing of this kind; `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


Missing = JobNotFound | BulkActionNotFound | BreakerNotFound | NotFound


class Conflict(Exception):
    """The job is not in a state that allows this; `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Forbidden(Exception):
    """The key does not allow this."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"This needs a key with the scope {scope}.")
        self.scope = scope


class NotAcceptable(Exception):
    """None of the forms there are is one that the client takes."""


class RangeNotSatisfiable(Exception):
    """There is nothing in the range that is asked for, of so many bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(f"there are {size} bytes, and none of them is in this range")
        self.size = size


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    errors: list[FieldProblem] | None = None,
    earliest_stage: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """An error response."""
    body = problem_of(status, code, detail).model_copy(update={"errors": errors, "earliest_stage": earliest_stage})
    return JSONResponse(
        body.model_dump(exclude_none=True), status, headers=headers, media_type="application/problem+json"
    )


def problem_of(status: int, code: str, detail: str) -> Problem:
    """What there is to say of every error."""
    title = HTTPStatus(status).phrase
    return Problem(type=f"urn:penstock:error:{code}", title=title, status=status, code=code, detail=detail)


def install(app: FastAPI) -> None:
    """Give the app its error handlers."""
    handlers: dict[type[Exception], Any] = {
        RequestValidationError: _invalid,
        HTTPException: _http,
        BadRequest: _bad,
        Refused: _refused,
        JobNotFound: _not_found,
        BulkActionNotFound: _not_found,
        BreakerNotFound: _not_found,
        BatchNotFound: _not_found,
        WebhookNotFound: _not_found,
        DeliveryNotFound: _not_found,
        ScheduleNotFound: _not_found,
        NotFound: _not_found,
        JobFinished: _conflict,
        JobUnfinished: _unfinished,
        BatchReceiving: _unfinished,
        QuotaExceeded: _over_quota,
        BatchCancelled: _conflict,
        InputExpired: _expired,
        WebhookDisabled: _conflict,
        Conflict: _conflict,
        Forbidden: _forbidden,
        NotAcceptable: lambda _request, error: problem(406, "not_acceptable", str(error), headers={"Vary": "Accept"}),
        RangeNotSatisfiable: _out_of_range,
        NoSecretKey: lambda _request, error: problem(501, error.code, str(error)),
        PayloadLost: lambda _request, error: problem(410, error.code, "The stored result is gone; run the job again."),
        MachineryFailed: _machinery_failed,
        Exception: _defect,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
    broken = next((entry for entry in error.errors() if entry["type"] == "json_invalid"), None)
    if broken:
        where = f"{broken['ctx']['error']}, at character {broken['loc'][-1]}"
        return problem(400, "invalid_json", f"The body is not valid JSON: {where}.")
    problems = _problems(error.errors())
    return problem(422, "invalid_request", in_words(problems), errors=problems)


def in_words(problems: Sequence[FieldProblem]) -> str:
    """What is wrong with the fields, in one line."""
    return "; ".join(f"{entry.field}: {entry.message}" if entry.field else entry.message for entry in problems)


def explained(error: ValidationError) -> str:
    """What is wrong with something that FastAPI did not read, in one line."""
    return in_words(_problems([{**each, "loc": ("", *each["loc"])} for each in error.errors()]))


def _problems(errors: Sequence[Any]) -> list[FieldProblem]:
    """The first part of each location is where the fields came from."""
    return [FieldProblem(field=_field(entry["loc"]), message=_sentence(entry["msg"])) for entry in errors]


def _field(location: tuple[str | int, ...]) -> str:
    """Name a field as the client wrote it; a parameter that is given several times has one name.

    >>> _field(("body", "stages", 0)), _field(("query", "status", 0)), _field(("body",))
    ('stages.0', 'status', '')
    """
    named = location[1:2] if location[0] == "query" else location[1:]
    return ".".join(str(part) for part in named)


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ")


async def _http(_request: Request, error: HTTPException) -> JSONResponse:
    code = CODE_OF_STATUS.get(HTTPStatus(error.status_code), "http_error")
    return problem(error.status_code, code, str(error.detail), headers=error.headers)


async def _bad(_request: Request, error: BadRequest) -> JSONResponse:
    return problem(400, error.code, str(error))


async def _refused(_request: Request, error: Refused) -> JSONResponse:
    return problem(422, error.code, str(error))


async def _not_found(_request: Request, error: Missing) -> JSONResponse:
    return problem(404, error.code, str(error))


async def _conflict(_request: Request, error: JobFinished | BatchCancelled | Conflict) -> JSONResponse:
    return problem(409, error.code, str(error))


async def _unfinished(_request: Request, error: JobUnfinished | BatchReceiving) -> JSONResponse:
    return problem(409, error.code, str(error), headers={"Retry-After": str(UNFINISHED_RETRY_AFTER_S)})


async def _over_quota(_request: Request, error: QuotaExceeded) -> JSONResponse:
    return over_quota(error)


def over_quota(error: QuotaExceeded) -> JSONResponse:
    """The answer to one who has used what it may."""
    detail = f"{str(error).capitalize()}; try again in {error.retry_after_s} s."
    return problem(429, error.code, detail, headers={"Retry-After": str(error.retry_after_s)})


async def _expired(_request: Request, error: InputExpired) -> JSONResponse:
    return problem(409, error.code, str(error), earliest_stage=error.earliest)


async def _forbidden(_request: Request, error: Forbidden) -> JSONResponse:
    challenge = f'Bearer error="insufficient_scope", scope="{error.scope}"'
    return problem(403, "forbidden_scope", str(error), headers={"WWW-Authenticate": challenge})


async def _out_of_range(_request: Request, error: RangeNotSatisfiable) -> JSONResponse:
    headers = {"Content-Range": f"bytes */{error.size}"}
    return problem(416, "range_not_satisfiable", str(error), headers=headers)


async def _machinery_failed(_request: Request, error: MachineryFailed) -> JSONResponse:
    return unavailable(error)


def unavailable(error: MachineryFailed) -> JSONResponse:
    """The answer while a part of the installation is down."""
    log.warning("answered 503: %s", error)
    return problem(503, "service_unavailable", UNAVAILABLE, headers={"Retry-After": str(RETRY_AFTER_S)})


async def _defect(_request: Request, _error: Exception) -> JSONResponse:
    # Starlette logs the traceback itself; it is not for clients. No middleware sees this answer.
    return problem(500, "internal_error", "A defect in the service; it was logged.", headers=DATA_HEADERS)
