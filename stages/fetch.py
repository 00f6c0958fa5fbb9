"""fetch: Source → Page. Gets the page, or takes the content that was submitted, and makes text of it."""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from stages.contract import (
    Fetched,
    Page,
    Permanent,
    Postponed,
    Source,
    StageError,
    Tools,
    Transient,
    stage,
)
from stages.contract.tools import Clock
from stages.decoding import decode
from stages.gzipped import SUFFIX, gunzipped, is_gzipped
from stages.kinds import kind_of
from stages.web import origin_of, rate_limit_delay_s, retry_after_s

CLIENT_ERRORS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "http_denied",
    HTTPStatus.FORBIDDEN: "http_denied",
    HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS: "http_denied",
    HTTPStatus.NOT_FOUND: "http_not_found",
    HTTPStatus.GONE: "http_gone",
}
PAGES = {HTTPStatus.OK, HTTPStatus.NON_AUTHORITATIVE_INFORMATION}


def _origin(source: Source, tools: Tools) -> str | None:
    if source.url is None or source.body is not None:
        return None
    try:
        origin = origin_of(source.url)
    except Permanent:
        return None  # for the stage itself to report
    if tools.pages.spares_host(source.url):
        return None  # a stored copy is given whatever became of its host, and says nothing of it
    return f"origin:{origin.host}:{origin.port}"


@stage("fetch", pool="io", time_limit_s=60, guard=_origin)
def fetch(source: Source, tools: Tools) -> Page:
    """Get a page, or take submitted content; as text, unless it is a PDF.

    Raises `StageError` with one of the fetch codes.
    """
    if source.body is not None:
        return _page_of_content(source, source.body, tools.clock)
    if source.url is None:
        raise Permanent("empty_body")
    return _page_of_url(source.url, tools)


def _page_of_content(source: Source, body: bytes, clock: Clock) -> Page:
    return Page(
        **_content(body, source.content_type, source.name),
        fetched_at=clock.now(),
        wire_bytes=len(body),
        decoded_bytes=len(body),
    )


def _page_of_url(url: str, tools: Tools) -> Page:
    origin_of(url)
    answer = tools.pages.get(url, tools.scope)
    if problem := refusal(answer, tools.clock):
        raise problem
    return Page(
        **_content(answer.body, answer.headers.get("content-type"), urlsplit(answer.url).path),
        url=answer.url,
        requested_url=url,
        redirects=answer.redirects,
        status=answer.status,
        fetched_at=answer.received_at or tools.clock.now(),
        cache=answer.cache,
        wire_bytes=answer.wire_bytes,
        decoded_bytes=len(answer.body),
    )


def _content(body: bytes, content_type: str | None, name: str | None) -> dict[str, Any]:
    """The fields of a page that hold its content."""
    if is_gzipped(body):
        body, content_type, name = gunzipped(body), None, (name or "").removesuffix(SUFFIX)
    if body.strip() and kind_of(body, content_type, name) == "pdf":
        return {"kind": "pdf", "body": body}
    decoded = decode(body, content_type, name)
    warnings = ("characters_replaced",) if decoded.is_damaged else ()
    return {"kind": decoded.kind, "text": decoded.text, "charset": decoded.charset, "warnings": warnings}


def refusal(answer: Fetched, clock: Clock) -> StageError | None:
    """What an answer's status means for the job, or None where it carries a page."""
    status = answer.status
    if status in PAGES:
        return None
    if status in CLIENT_ERRORS:
        return Permanent(CLIENT_ERRORS[status])
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Postponed("http_rate_limited", delay_s=rate_limit_delay_s(answer.headers, clock.now()))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _server_error(status, retry_after_s(answer.headers, clock.now()))
    if status >= HTTPStatus.BAD_REQUEST:
        return Permanent("http_client_error", f"The host refused the request ({status}).")
    return Permanent("http_unexpected", f"The host gave an answer that carries no page ({status}).")


def _server_error(status: int, delay_s: float | None) -> StageError:
    if status != HTTPStatus.SERVICE_UNAVAILABLE:
        return Transient("http_server_error", f"The host failed to answer ({status}).")
    return Transient("http_unavailable") if delay_s is None else Postponed("http_unavailable", delay_s=delay_s)
