"""The world outside: a web server and a language model that keep a ledger of every effect, by the job it was for.

with Web() as web, Model() as model:
    url = web.page(token)          # an article that carries the token on, up to the model
    assert web.count(token) == model.count(token) == 1
"""

import re
import threading
import time
from dataclasses import dataclass, replace
from typing import Any

from tests.support.articles import ARTICLE
from tests.support.openai_server import CHAT, answer
from tests.support.origin import Origin, Reply, Seen

TOKEN = re.compile(r"tok-\w+")
USUAL = Reply()
"""Stands for what is usual for a token."""
NO_ROBOTS = Reply(status=404)
MARKED = "For thirty-one years"


@dataclass(frozen=True)
class Hit:
    """One request that came in."""

    at: float
    kind: str
    """The stage that made it."""
    token: str


class Ledger:
    """Every hit, in order."""

    def __init__(self) -> None:
        self._hits: list[Hit] = []
        self._lock = threading.Lock()

    def note(self, kind: str, token: str) -> None:
        with self._lock:
            self._hits.append(Hit(time.time(), kind, token))

    def all(self) -> list[Hit]:
        with self._lock:
            return list(self._hits)


class _Keeping(Origin):
    """Replies by token; unknown ones get what is usual."""

    kind = ""

    def __init__(self, ledger: Ledger | None = None, *, delay_s: float = 0.0) -> None:
        super().__init__(default=USUAL)
        self.ledger = ledger or Ledger()
        self.delay_s = delay_s

    def when(self, token: str, *replies: Reply) -> None:
        """What is asked for this token gets these answers in turn; the last one stays."""
        self.on(token, *replies)

    def next_reply(self, seen: Seen) -> Reply:
        found = TOKEN.search(seen.path) or TOKEN.search(seen.body)
        token = found.group() if found else ""
        self.ledger.note(self.kind, token)
        reply = super().next_reply(replace(seen, path=token))
        return replace(self.usual(token), delay_s=self.delay_s) if reply is USUAL else reply

    def usual(self, token: str) -> Reply:
        raise NotImplementedError

    def count(self, token: str) -> int:
        """How often it was asked for this token."""
        return sum(hit.token == token and hit.kind == self.kind for hit in self.ledger.all())


class Web(_Keeping):
    """A page for every token."""

    kind = "fetch"

    def page(self, token: str) -> str:
        return self.url(f"/{token}")

    def next_reply(self, seen: Seen) -> Reply:
        """A host without a robots.txt; to be asked for it is no effect."""
        return NO_ROBOTS if seen.path == "/robots.txt" else super().next_reply(seen)

    def usual(self, token: str) -> Reply:
        return Reply(body=article(token))


class Model(_Keeping):
    """An OpenAI-compatible endpoint."""

    kind = "summarize"

    @property
    def base_url(self) -> str:
        return self.url(CHAT.removesuffix("/chat/completions"))

    def usual(self, token: str) -> Reply:
        return answer()


def article(token: str, *words: Any) -> str:
    """A page whose text names the token, and further words."""
    said = " ".join([token, *map(str, words)])
    return ARTICLE.replace(MARKED, f"Under {said} it is noted that for thirty-one years", 1)
