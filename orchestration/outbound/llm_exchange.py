"""What goes to a language model's endpoint and comes back, between the layers that stand around it.

    llm_desk       counts what each call cost, for the attempt that made it
    llm_cache      what was asked before costs nothing
    llm_pace       so many calls and tokens a minute
    llm_budget     what a budget has no room for waits
    llm_breaker    an endpoint that fails is left alone for a while
    llm            asks the endpoint; llm_dialect knows its habits, llm_stream puts together what comes in pieces

A layer is an `Endpoint` around another one, with one job; `orchestration.wiring` puts them together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pipeline.spending import Caller
from stages.contract import Completion, Message, Scope, StageError
from stages.contract.nouns import Usage
from stages.contract.tools import OnText
from stages.language_model.tokens import TOKENS_PER_MESSAGE, estimate_tokens


@dataclass(frozen=True, slots=True)
class Ask:
    """One question, and on whose behalf it is asked."""

    caller: Caller
    model: str
    messages: Sequence[Message]
    max_tokens: int
    schema: Mapping[str, Any] | None = None
    """A JSON Schema that the answer should fit; the messages tell it, too."""
    on_text: OnText | None = field(default=None, compare=False, repr=False)
    """Who is given the answer in pieces while it comes; None where nobody looks on."""

    @property
    def input_tokens(self) -> int:
        """About how many tokens are asked, rather too many than too few."""
        return sum(estimate_tokens(message.content) + TOKENS_PER_MESSAGE for message in self.messages)


@dataclass(frozen=True, slots=True)
class Exchange:
    """An answer that was paid for, also one that is no good."""

    outcome: Completion | StageError
    usage: Usage
    """As the server counted; estimated where it did not."""
    is_estimated: bool = False
    saved: Usage | None = None
    """What it would have taken, where it was asked before and costs nothing."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Of the server's answer, names in lower case."""

    @property
    def broke_off(self) -> StageError | None:
        """Why the answer is not whole, of which a part was had and paid for."""
        outcome = self.outcome
        return outcome if isinstance(outcome, StageError) and outcome.code == "llm_unavailable" else None

    def completion(self) -> Completion:
        """The answer. Raises the `StageError` that it is instead."""
        if isinstance(self.outcome, StageError):
            raise self.outcome
        return self.outcome


class Endpoint(Protocol):
    """Where questions are answered."""

    @property
    def endpoint(self) -> str:
        """Host and port."""

    @property
    def model(self) -> str:
        """The model that is asked unless another is named."""

    @property
    def max_input_tokens(self) -> int:
        """How large a text fits beside the instructions and the answer."""

    def exchange(self, ask: Ask, scope: Scope) -> Exchange:
        """Ask once. Raises `StageError` with one of the `llm_*` codes where there was no answer, or `Cancelled`."""


@dataclass(frozen=True, slots=True)
class Layer:
    """An `Endpoint` around another one, from which it differs in how it asks."""

    inner: Endpoint

    @property
    def endpoint(self) -> str:
        """Host and port."""
        return self.inner.endpoint

    @property
    def model(self) -> str:
        """The model that is asked unless another is named."""
        return self.inner.model

    @property
    def max_input_tokens(self) -> int:
        """How large a text fits beside the instructions and the answer."""
        return self.inner.max_input_tokens
