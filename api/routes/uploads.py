"""Submitting a file: the path of other submissions, for bodies that are forms."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from hashlib import sha256
from typing import BinaryIO

from fastapi import APIRouter, Request, Response, status
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from api.auth import MAY_SUBMIT
from api.dependencies import Services, Tenant
from api.idempotency import Repeatable
from api.keyless import is_form
from api.parsing import parsed
from api.routes.jobs import accepted
from api.schemas import Accepted, JobOptions, job_url
from orchestration.submit import READ_BYTES

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


class Uploaded(BaseModel):
    """What makes an upload the same as another one."""

    options: JobOptions
    name: str | None
    content_type: str | None
    sha256: str


router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=FormRoute)


# Described with the route for JSON: OpenAPI has one operation for both.
@router.post(
    "",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=Accepted,
    dependencies=[MAY_SUBMIT],
    include_in_schema=False,
)
async def upload(
    request: Request, response: Response, services: Services, tenant: Tenant, repeatable: Repeatable
) -> Accepted:
    """Accept a file as a job. It goes over the disk, so that it is never in memory as a whole."""
    async with _form_of(request) as form:
        file, options = _parts(form)

        def submit() -> str:
            named = (file.filename or "")[-MAX_NAME_CHARS:] or None
            asked = Uploaded(options=options, name=named, content_type=file.content_type, sha256=_digest(file.file))
            wish = options.submission_of(tenant, body=file.file, content_type=file.content_type, name=named)
            return services.desk.submit(wish, repeatable.key(asked)).id

        job_id = await run_in_threadpool(submit)
    accepted(response, job_id)
    return Accepted(id=job_id, url=job_url(job_id))


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


def _parts(form: FormData) -> tuple[UploadFile, JobOptions]:
    file, options = form.get(FILE), form.get(OPTIONS, "{}")
    strange = [name for name, _ in form.multi_items() if name not in (FILE, OPTIONS)]
    if not isinstance(file, UploadFile) or not isinstance(options, str) or strange:
        raise _misshapen(f"send a form with a file as `{FILE}` and, if you like, JSON as `{OPTIONS}`, and nothing else")
    return file, parsed(JobOptions, options)


def _misshapen(detail: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": ("body",), "msg": detail}])


def _digest(file: BinaryIO) -> str:
    digest = sha256()
    for chunk in iter(partial(file.read, READ_BYTES), b""):
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()
