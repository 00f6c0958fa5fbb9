"""What stages reach the world through, as protocols: one bundle of adapters, and a breaker for each dependency."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from pipeline.cached_pages import PageCache
from pipeline.spending import Caller
from stages.contract import Browser, Http, Isolate, Llm


class Breakers(Protocol):
    """One circuit breaker per external dependency."""

    def guard(self, dependency: str) -> AbstractContextManager[None]:
        """Raise `Postponed` while the breaker is open; count errors that blame the dependency."""


class LanguageModels(Protocol):
    """Asks the language model, and counts what that costs."""

    def on_behalf_of(self, caller: Caller) -> Llm:
        """A model for one attempt. What it costs is added to the caller's meter, also where the answer is no good."""


@dataclass(frozen=True, slots=True)
class Outbound:
    """The adapters that stages reach the world through."""

    http: Http
    pages: PageCache
    browser: Browser | None
    llm: LanguageModels | None
    isolate: Isolate
