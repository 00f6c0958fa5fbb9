"""A language model that answers what a test tells it to.

>>> llm = FakeLlm("Locks lift boats.")
>>> llm.endpoint, llm.asked
('llm.test:443', [])
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from stages.contract import Completion, Message, Scope
from stages.contract.nouns import Usage

MODEL = "test-model"
USAGE = Usage(input_tokens=120, output_tokens=30)


@dataclass(frozen=True)
class Asked:
    """One call."""

    messages: tuple[Message, ...]
    max_tokens: int


@dataclass
class FakeLlm:
    """Always gives the same answer, or raises it, and remembers what it was asked."""

    answer: str | Exception
    max_input_chars: int = 50_000
    endpoint: str = "llm.test:443"
    asked: list[Asked] = field(default_factory=list)

    def complete(self, messages: Sequence[Message], scope: Scope, *, max_tokens: int) -> Completion:
        scope.check()
        self.asked.append(Asked(tuple(messages), max_tokens))
        if isinstance(self.answer, Exception):
            raise self.answer
        return Completion(text=self.answer, model=MODEL, usage=USAGE)
