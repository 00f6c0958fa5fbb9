"""What is asked of requests without a key: that they come from this machine's own programs, not from a web page.

A page on the internet runs in a browser on this machine, so it can send requests to loopback, too: under a name of its
own that it lets point there (DNS rebinding, told by `Host`), or across sites without reading the answer (told by what
browsers say of a request's origin, and by bodies that are neither JSON nor lines of it, which they send without asking
first).
"""

import re

from starlette.datastructures import Headers
from starlette.responses import Response

from api.errors import problem
from api.schemas_batches import NDJSON
from orchestration.settings import is_loopback

_HOST = re.compile(r"(?:\[([^\]]*)\]|([^:\[\]]*))(?::\d*)?")
_OF_THE_SAME_PAGE = ("same-origin", "none")
_KEY_HELPS = "Requests with an API key are not held to this."


def refusal(method: str, headers: Headers, *, is_local: bool) -> Response | None:
    """The answer to a request that may not be served without a key; None for those that may.

    `is_local` says that the API listens on loopback only, so that it has no other name.
    """
    content_type = headers.get("content-type")
    if is_local and not names_loopback(headers.get("host", "")):
        return problem(421, "host_not_allowed", f"The Host has to be localhost or a loopback address. {_KEY_HELPS}")
    if is_cross_site(method, headers):
        return problem(403, "cross_site_request", f"The request was sent by a page of another site. {_KEY_HELPS}")
    if content_type is not None and not (is_json(content_type) or is_lines(content_type)):
        return problem(415, "unsupported_media_type", f"Bodies have to be sent as application/json. {_KEY_HELPS}")
    return None


def names_loopback(host: str) -> bool:
    """Whether a `Host` header, with or without a port, names this machine as seen from itself.

    >>> [names_loopback(host) for host in ("localhost:8000", "127.0.0.1", "[::1]:80", "localhost.evil.example", "")]
    [True, True, True, False, False]
    """
    found = _HOST.fullmatch(host)
    return found is not None and is_loopback(found[1] or found[2])


def is_cross_site(method: str, headers: Headers) -> bool:
    """Whether a page of another origin caused the request, by what browsers say; other clients say nothing.

    Opening an address is not held against it: nobody but the person in front of the browser sees the answer.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        is_opened = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
        return site not in _OF_THE_SAME_PAGE and not is_opened
    # Old browsers, and all of them where the API is reached by plain HTTP under another name.
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")


def is_json(content_type: str) -> bool:
    """Whether a body is declared to be JSON.

    >>> [is_json(type) for type in ("application/json; charset=utf-8", "application/ld+json", "text/plain", "")]
    [True, True, False, False]
    """
    return re.fullmatch(r"application/(\S+\+)?json", _media_type(content_type)) is not None


def is_form(content_type: str) -> bool:
    """Whether a body is declared to be a form with files.

    >>> [is_form(type) for type in ("multipart/form-data; boundary=x", "application/json", "multipart/mixed", "")]
    [True, False, False, False]
    """
    return _media_type(content_type) == "multipart/form-data"


def is_lines(content_type: str) -> bool:
    """Whether a body is declared to be lines of JSON.

    >>> [is_lines(type) for type in ("application/x-ndjson; charset=utf-8", "application/json", "text/plain", "")]
    [True, False, False, False]
    """
    return _media_type(content_type) == NDJSON


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
