"""What the stages of a job left behind, to be downloaded as it is stored."""

import mimetypes
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Header, Response, status

from api.auth import MAY_READ
from api.conditional import IfNoneMatch, is_known, not_modified, strong_tag
from api.dependencies import RunNumber, Services, Tenant
from api.errors import NotFound
from api.ranges import part_of
from api.routes.jobs import job_of, problems
from api.security_headers import DOWNLOAD_HEADERS
from pipeline.ids import Claim
from pipeline.job import Job

Range = Annotated[str | None, Header(description="One range of bytes, such as `bytes=0-999`; several are ignored.")]
IfRange = Annotated[
    str | None, Header(alias="If-Range", description="The range counts only if this is still the `ETag`.")
]

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses={"default": problems})


@router.get(
    "/{job_id}/artifacts/{stage}",
    response_class=Response,
    dependencies=[MAY_READ],
    responses={
        200: {"description": "All of it, with its media type.", "content": {"application/octet-stream": {}}},
        206: {"description": "The range that was asked for."},
        304: {"description": "Not changed."},
        404: problems,
        410: problems,
        416: problems,
        422: problems,
    },
)
def artifact(
    job_id: str,
    stage: str,
    services: Services,
    tenant: Tenant,
    *,
    run: RunNumber = None,
    range: Range = None,  # noqa: A002 - the name of the header
    if_range: IfRange = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The output of one stage, as the next one reads it."""
    job = job_of(services, tenant, job_id, run)
    claim = _output_of(job, stage)
    headers = _headers(job, stage, claim)
    if is_known(headers["ETag"], if_none_match):
        return not_modified(headers)
    part = part_of(claim.size, range if if_range in (None, headers["ETag"]) else None)
    content = services.payloads.get(claim)
    if part is None:
        return Response(content, media_type=claim.media_type, headers=headers)
    shown = {**headers, "Content-Range": f"bytes {part.start}-{part.stop - 1}/{claim.size}"}
    return Response(
        content[part.start : part.stop], status.HTTP_206_PARTIAL_CONTENT, media_type=claim.media_type, headers=shown
    )


def _output_of(job: Job, stage: str) -> Claim:
    record = next((each for each in job.stages if each.stage == stage), None)
    if record is None:
        raise NotFound("artifact_not_found", f'job {job.id} has no stage "{stage}"')
    if record.claim is None:
        raise NotFound("artifact_not_found", f'nothing is kept of what "{stage}" makes, which is {record.state}')
    return record.claim


def _headers(job: Job, stage: str, claim: Claim) -> Mapping[str, str]:
    return {
        **DOWNLOAD_HEADERS,
        "ETag": strong_tag(claim.sha256),
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{job.id}-{job.run}-{stage}{_suffix(claim.media_type)}"',
    }


def _suffix(media_type: str) -> str:
    """How the name of a file of this type ends.

    >>> _suffix("application/vnd.penstock.page+json"), _suffix("text/html; charset=utf-8"), _suffix("x/y")
    ('.json', '.html', '')
    """
    plain = media_type.partition(";")[0].strip()
    return ".json" if plain.endswith("+json") else mimetypes.guess_extension(plain) or ""
