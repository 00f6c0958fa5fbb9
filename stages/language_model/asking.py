"""Puts an article before the language model."""

from dataclasses import dataclass

from stages.contract import Article, Completion, Llm, Payload, Tools
from stages.language_model.prompts import Task, compose_messages
from stages.offline.condensing import condense

_TITLE_CHARS = 300


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, and whether all of the article went out."""

    completion: Completion
    condensed: bool


def guard_endpoint(_payload: Payload, tools: Tools) -> str | None:
    """What a circuit breaker protects in stages that use the language model; None where there is none."""
    return f"llm:{tools.llm.endpoint}" if tools.llm else None


def ask(task: Task, article: Article, llm: Llm, tools: Tools) -> Reply:
    """Ask once about an article, condensed first where it is longer than the model reads at once."""
    heading = f"{article.title[:_TITLE_CHARS]}\n\n" if article.title else ""
    room = llm.max_input_chars - len(heading)
    condensed = len(article.text) > room
    text = condense(article, room) if condensed else article.text
    tools.scope.check()
    messages = compose_messages(task, heading + text, article.language, condensed=condensed)
    return Reply(llm.complete(messages, tools.scope, max_tokens=task.max_tokens), condensed)
