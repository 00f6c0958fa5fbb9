"""The HTTP application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api import errors, openapi, repeats
from api.auth import Gate
from api.body_limit import BodyLimit
from api.request_quota import RequestQuota
from api.routes import (
    artifacts,
    batches,
    breakers,
    bulk,
    dead_letters,
    events,
    health,
    jobs,
    metrics,
    queues,
    runs,
    schedules,
    uploads,
    usage,
    webhooks,
)
from api.security_headers import SecurityHeaders
from api.streaming import StreamingApp
from orchestration.wiring import Wiring
from pipeline.errors import AlreadyAnswered

ROUTES = (
    uploads,
    jobs,
    artifacts,
    events,
    runs,
    dead_letters,
    bulk,
    batches,
    schedules,
    usage,
    webhooks,
    queues,
    breakers,
    health,
    metrics,
)
"""In the order in which they are described; what is uploaded is taken before it is misread as JSON."""
DESCRIPTION = """Turns web pages and documents into clean text and summaries, as durable background jobs.

Submit a job, get 202 at once, read its state until it has ended, then fetch the result.
Errors are problem details (RFC 9457) with a stable `code`."""


def create_app(wiring: Wiring) -> FastAPI:
    """Build the application around the services of this process."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        app.state.hub.start()
        yield
        app.state.hub.close()
        wiring.close()

    app = StreamingApp(
        title="Penstock",
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=lifespan,
    )
    app.state.wiring = wiring
    app.state.hub = wiring.hub()
    # The last one is the first to see a request.
    app.add_middleware(BodyLimit, max_bytes=wiring.settings.api_max_body_bytes)
    app.add_middleware(RequestQuota, book=wiring.quotas, counter=wiring.request_counter)
    app.add_middleware(Gate, ring=wiring.key_ring, settings=wiring.settings)
    app.add_middleware(SecurityHeaders)
    errors.install(app)
    app.exception_handler(AlreadyAnswered)(repeats.answer_again)
    for routes in ROUTES:
        app.include_router(routes.router)
    openapi.describe(app)
    return app
