"""Submitting a file: the path of other submissions, for bodies that are forms."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from fastapi import APIRouter, Request, Response, status
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, model_validator
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from api.auth import MAY_SUBMIT
from api.dependencies import Services, Tenant, entitlement_of
from api.idempotency import Repeatable
from api.keyless import is_form
from api.parsing import parsed
from api.routes.jobs import submitted
from api.schemas import JobOptions, Reuse, Submitted
from orchestration.contents import sha256_of

FILE, OPTIONS = "file", "job"
MAX_OPTIONS_BYTES = 65_536
MAX_NAME_CHARS = 255
MAX_FIELDS = 10
"""Enough to say which of them is not known."""


class FormRoute(APIRoute):
    """Taken by forms only; what else comes to the same path goes to the next route."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this route is meant."""
        match, child_scope = super().matches(scope)
        content_type = dict(scope.get("headers", ())).get(b"content-type", b"").decode("latin-1")
        return (match, child_scope) if match is not Match.FULL or is_form(content_type) else (Match.NONE, {})


class UploadOptions(JobOptions):
    """How the job of a file is to be done."""

    dedupe: Reuse = None

    @model_validator(mode="after")
    def _no_browser(self) -> Self:
        if self.render:
            raise ValueError("render needs a url")
        return self


class Uploaded(BaseModel):
    """What makes an upload the same as another one."""

    options: UploadOptions
    name: str | None
    content_type: str | None
    sha256: str


router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=FormRoute)


# Described with the route for JSON: OpenAPI has one operation for both.
@router.post(
    "",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=Submitted,
    dependencies=[MAY_SUBMIT],
    include_in_schema=False,
)
async def upload(
    request: Request, response: Response, services: Services, tenant: Tenant, repeatable: Repeatable
) -> Submitted:
    """Accept a file as a job. It goes over the disk, so that it is never in memory as a whole."""
    async with _form_of(request) as form:
        file, options = _parts(form)

        named = (file.filename or "")[-MAX_NAME_CHARS:] or None
        about = {"name": named, "content_type": file.content_type}

        def submit() -> Submitted:
            key = repeatable.key(Uploaded(options=options, sha256=sha256_of(file.file), **about))
            wish = options.submission_of(tenant, body=file.file, **about)
            entitlement_of(request)(wish.options)
            return submitted(services.desk, wish, options.dedupe, key, response)

        return await run_in_threadpool(submit)


@asynccontextmanager
async def _form_of(request: Request) -> AsyncIterator[FormData]:
    try:
        form = await request.form(max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_OPTIONS_BYTES)
    except HTTPException as error:
        raise _misshapen(error.detail) if error.status_code == status.HTTP_400_BAD_REQUEST else error from None
    try:
        yield form
    finally:
        await form.close()


def _parts(form: FormData) -> tuple[UploadFile, UploadOptions]:
    file, options = form.get(FILE), form.get(OPTIONS, "{}")
    strange = [name for name, _ in form.multi_items() if name not in (FILE, OPTIONS)]
    if not isinstance(file, UploadFile) or not isinstance(options, str) or strange:
        raise _misshapen(f"send a form with a file as `{FILE}` and, if you like, JSON as `{OPTIONS}`, and nothing else")
    return file, parsed(UploadOptions, options)


def _misshapen(detail: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": ("body",), "msg": detail}])
