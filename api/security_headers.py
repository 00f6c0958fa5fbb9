"""What every answer tells browsers: to take nothing in it for a page or a script, and to show it to no other site.

No header of CORS is ever sent, so scripts of other sites cannot read answers.
"""

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGES = frozenset({"/docs", "/redoc"})
"""The documentation, which loads scripts and styles from elsewhere."""

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
DATA_HEADERS: Mapping[str, str] = _ALWAYS | {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
PAGE_HEADERS: Mapping[str, str] = _ALWAYS | {
    "Content-Security-Policy": "frame-ancestors 'none'",
}
DOWNLOAD_HEADERS: Mapping[str, str] = {
    "Content-Disposition": "attachment",
    "Content-Security-Policy": "sandbox",
}
"""For contents that come from strangers' pages."""


class SecurityHeaders:
    """ASGI middleware: adds the headers that an answer has not set itself. Bodies pass as they come."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added = PAGE_HEADERS if scope["path"] in PAGES else DATA_HEADERS

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in added.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)
