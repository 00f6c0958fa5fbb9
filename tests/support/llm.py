"""A language model that answers what a test tells it to.

>>> llm = FakeLlm("Locks lift boats.")
>>> llm.endpoint, llm.asked
('llm.test:443', [])
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stages.contract import Completion, Message, Scope
from stages.contract.nouns import Usage
from stages.contract.tools import OnText
from stages.language_model.tokens import estimate_tokens

MODEL = "test-model"
USAGE = Usage(input_tokens=120, output_tokens=30)


@dataclass(frozen=True)
class Asked:
    """One call."""

    messages: tuple[Message, ...]
    max_tokens: int
    model: str | None = None
    schema: Mapping[str, Any] | None = None


@dataclass
class FakeLlm:
    """Gives its answers in turn, the last one for ever, or raises it, and remembers what it was asked."""

    answer: str | Exception | Sequence[str]
    max_input_tokens: int = 12_000
    endpoint: str = "llm.test:443"
    asked: list[Asked] = field(default_factory=list)

    def count_tokens(self, text: str) -> int:
        return estimate_tokens(text)

    def complete(
        self,
        messages: Sequence[Message],
        scope: Scope,
        *,
        max_tokens: int,
        model: str | None = None,
        schema: Mapping[str, Any] | None = None,
        on_text: OnText | None = None,
    ) -> Completion:
        scope.check()
        self.asked.append(Asked(tuple(messages), max_tokens, model, schema))
        if isinstance(self.answer, Exception):
            raise self.answer
        answers = [self.answer] if isinstance(self.answer, str) else self.answer
        text = answers[min(len(self.asked), len(answers)) - 1]
        for piece in re.findall(r"(?s).{1,3}", text) if on_text is not None else ():
            on_text(piece)
        return Completion(text=text, model=model or MODEL, usage=USAGE)
