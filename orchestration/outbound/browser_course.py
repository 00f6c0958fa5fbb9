"""Where a page goes on to, by redirects or by its scripts: asked about before the browser goes there."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from orchestration.outbound.http import MayFollow
from stages.contract import Scope, StageError

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Page


class Course:
    """Stops a page where it goes on to what it may not; `refusal` says why, once it did.

    Playwright's own interception does not see redirects, the DevTools protocol's does.
    """

    def __init__(self, may_follow: MayFollow, scope: Scope) -> None:
        self.refusal: StageError | None = None
        self._may_follow = may_follow
        self._scope = scope
        self._frame = ""

    def guard(self, page: "Page") -> None:
        """Look at all that the page's own frame loads from now on. What it embeds belongs to the visit."""
        session = page.context.new_cdp_session(page)
        self._frame = session.send("Page.getFrameTree")["frameTree"]["frame"]["id"]
        session.on("Fetch.requestPaused", lambda event: self._paused(session, event))
        session.send("Fetch.enable", {"patterns": [{"resourceType": "Document", "requestStage": "Request"}]})

    def _paused(self, session: "CDPSession", event: dict[str, Any]) -> None:
        from playwright.sync_api import Error

        request = {"requestId": event["requestId"]}
        with suppress(Error):  # the browser is gone
            if self._may_go(event):
                session.send("Fetch.continueRequest", request)
            else:
                session.send("Fetch.failRequest", {**request, "errorReason": "BlockedByClient"})

    def _may_go(self, event: dict[str, Any]) -> bool:
        if event["frameId"] != self._frame:
            return True
        try:
            self._may_follow(event["request"]["url"], self._scope)
        except StageError as error:
            self.refusal = error
        return self.refusal is None
