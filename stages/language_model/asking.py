"""Puts an article, or a part of one, before the language model."""

from dataclasses import dataclass

from stages.contract import Article, Completion, Llm, Tools
from stages.language_model.prompts import ABOUT_NOTES, Task, compose_messages

_TITLE_CHARS = 300


@dataclass(frozen=True, slots=True)
class Reading:
    """What the model is to read."""

    title: str | None
    text: str
    language: str | None
    about: str = ""
    """What kind of text it is, where that matters; goes into the instructions."""


def ask(task: Task, article: Article, llm: Llm, tools: Tools, notes: str | None = None) -> Completion:
    """Ask once about an article; about one that is too long, by the `notes` that were taken of its parts."""
    text, about = (article.text, "") if notes is None else (notes, ABOUT_NOTES)
    return ask_about(task, Reading(article.title, text, article.language, about), llm, tools)


def ask_about(task: Task, reading: Reading, llm: Llm, tools: Tools) -> Completion:
    """Ask once about a text."""
    tools.scope.check()
    text = heading_of(reading.title) + reading.text
    messages = compose_messages(task, text, reading.language, about=reading.about)
    return llm.complete(messages, tools.scope, max_tokens=task.max_tokens, model=tools.options.model)


def heading_of(title: str | None) -> str:
    """What stands before a text."""
    return f"{title[:_TITLE_CHARS]}\n\n" if title else ""
