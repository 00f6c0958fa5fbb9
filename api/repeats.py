"""The original answer again, for a request that was sent again."""

from fastapi import Request, Response, status

from api.routes.jobs import accepted
from api.schemas import RerunAccepted, Submitted, job_url
from pipeline.errors import AlreadyAnswered
from pipeline.job import FIRST_RUN


async def answer_again(_request: Request, earlier: AlreadyAnswered) -> Response:
    """What was answered first, or would have been: all of it follows from the job and its run."""
    url = job_url(earlier.job_id)
    body = (
        Submitted(id=earlier.job_id, url=url)
        if earlier.run == FIRST_RUN
        else RerunAccepted(id=earlier.job_id, url=url, run=earlier.run)
    )
    response = Response(body.model_dump_json(), status.HTTP_202_ACCEPTED, media_type="application/json")
    accepted(response, earlier.job_id)
    response.headers["Idempotency-Replayed"] = "true"
    return response
