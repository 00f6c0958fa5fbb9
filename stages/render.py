"""render: Source → Page. Loads a page in a browser and takes what its scripts made of it; stands where fetch would."""

from stages.contract import Page, Permanent, RetryPolicy, Source, Tools, stage
from stages.fetch import refusal
from stages.web import origin_of


def _origin(source: Source, _tools: Tools) -> str | None:
    try:
        origin = origin_of(source.url or "")
    except Permanent:
        return None  # for the stage itself to report
    return f"origin:{origin.host}:{origin.port}"


@stage("render", pool="cpu", time_limit_s=60, retry=RetryPolicy(max_attempts=3), guard=_origin)
def render(source: Source, tools: Tools) -> Page:
    """Get a page as a browser shows it.

    Raises `StageError` with one of the fetch or render codes.
    """
    if tools.browser is None:
        raise Permanent("render_unavailable")
    if source.url is None:
        raise Permanent("invalid_url", "Only a page at a URL can be rendered.")
    origin_of(source.url)
    answer = tools.browser.render(source.url, tools.scope)
    if problem := refusal(answer, tools.clock):
        raise problem
    return Page(
        kind="html",
        text=answer.body.decode(),
        charset="utf-8",
        url=answer.url,
        requested_url=source.url,
        redirects=answer.redirects,
        status=answer.status,
        fetched_at=tools.clock.now(),
        cache=answer.cache,
        wire_bytes=answer.wire_bytes,
        decoded_bytes=len(answer.body),
    )
