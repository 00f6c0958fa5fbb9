"""Puts an article, or a part of one, before the language model."""

from collections.abc import Callable
from dataclasses import dataclass

from stages.contract import Article, Completion, Llm, Message, Options, Tools
from stages.contract.tools import OnText
from stages.language_model.drafting import ReadSoFar, draft_of
from stages.language_model.prompts import ABOUT_NOTES, Question, Task, compose

_TITLE_CHARS = 300


@dataclass(frozen=True, slots=True)
class Reading:
    """What the model is to read."""

    title: str | None
    text: str
    language: str | None
    about: str = ""
    """What kind of text it is, where that matters; goes into the instructions."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, and what was asked."""

    completion: Completion
    question: Question


def ask(
    task: Task, article: Article, llm: Llm, tools: Tools, notes: str | None = None, *, shown: ReadSoFar | None = None
) -> Reply:
    """Ask once about an article; about one that is too long, by the `notes` that were taken of its parts.

    `shown` reads what people may watch of the answer while it comes; by default nothing.
    """
    text, about = (article.text, "") if notes is None else (notes, ABOUT_NOTES)
    reading = Reading(article.title, text, article.language, about)
    draft = None if shown is None else lambda question: draft_of(shown, article, question, tools)
    return ask_about(task, reading, llm, tools, tools.options, draft=draft)


def ask_about(
    task: Task,
    reading: Reading,
    llm: Llm,
    tools: Tools,
    wishes: Options,
    *,
    draft: Callable[[Question], OnText] | None = None,
) -> Reply:
    """Ask once about a text, in a way that heeds the client's wishes."""
    text = heading_of(reading.title) + reading.text
    question = compose(task, text, reading.language, wishes, about=reading.about)
    on_text = None if draft is None else draft(question)
    return Reply(_complete(question.messages, task, llm, tools, on_text), question)


def ask_to_repair(reply: Reply, complaint: str, task: Task, llm: Llm, tools: Tools) -> Reply:
    """Show the model its answer with what is wrong with it, and ask again."""
    messages = (
        *reply.question.messages,
        Message("assistant", reply.completion.text),
        Message(
            "user", f"This answer cannot be used: {complaint}\nAnswer again, with the corrected JSON object alone."
        ),
    )
    return Reply(_complete(messages, task, llm, tools), reply.question)


def _complete(
    messages: tuple[Message, ...], task: Task, llm: Llm, tools: Tools, on_text: OnText | None = None
) -> Completion:
    tools.scope.check()
    return llm.complete(
        messages,
        tools.scope,
        max_tokens=task.max_tokens,
        model=tools.options.model,
        schema=task.schema,
        on_text=on_text,
    )


def heading_of(title: str | None) -> str:
    """What stands before a text."""
    return f"{title[:_TITLE_CHARS]}\n\n" if title else ""
