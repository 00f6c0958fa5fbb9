"""What an endpoint was found to understand of the API that all of them claim to speak."""

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from orchestration.outbound.llm_exchange import Ask

COMMON_LIMIT = "max_tokens"
"""Understood everywhere but by OpenAI's reasoning models, which reject it and name the newer parameter. Other servers
ignore the newer one, and would then answer without a limit."""
NEWER_LIMIT = "max_completion_tokens"
MAY_MEAN_NO_SCHEMA = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.NOT_IMPLEMENTED,
)
"""With which servers answer that they do not know `response_format`, or this kind of it."""
MAY_MEAN_NO_STREAM = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_IMPLEMENTED)
"""The same of streaming, if the reason names it."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One endpoint's; begins with what most of them understand."""

    limit: str = COMMON_LIMIT
    takes_schema: bool = True
    streams: bool = True
    reports_streamed_usage: bool = True

    def shared_with(self, other: "Dialect") -> "Dialect":
        """What is left of both, where each was found to lack something.

        >>> Dialect(takes_schema=False).shared_with(Dialect(limit=NEWER_LIMIT))
        Dialect(limit='max_completion_tokens', takes_schema=False, streams=True, reports_streamed_usage=True)
        """
        return Dialect(
            NEWER_LIMIT if NEWER_LIMIT in {self.limit, other.limit} else COMMON_LIMIT,
            self.takes_schema and other.takes_schema,
            self.streams and other.streams,
            self.reports_streamed_usage and other.reports_streamed_usage,
        )

    def is_streamed(self, ask: Ask) -> bool:
        """Whether the answer is asked for in pieces."""
        return ask.on_text is not None and self.streams

    def parameters(self, ask: Ask) -> dict[str, Any]:
        """What is sent beside model and messages."""
        parameters: dict[str, Any] = {self.limit: ask.max_tokens}
        if ask.schema is not None and self.takes_schema:
            answer_format = {"name": "answer", "schema": ask.schema}
            parameters["response_format"] = {"type": "json_schema", "json_schema": answer_format}
        if self.is_streamed(ask):
            parameters["stream"] = True
            if self.reports_streamed_usage:
                parameters["stream_options"] = {"include_usage": True}
        return parameters

    def without_what_failed(self, ask: Ask, status: int, reason: str) -> "Dialect | None":
        """What to try instead; None where the refusal is about something else.

        A server that has no structured answers need not say so: llama.cpp's has many reasons for its 400.
        """
        if self.limit != NEWER_LIMIT and status == HTTPStatus.BAD_REQUEST and NEWER_LIMIT in reason:
            return replace(self, limit=NEWER_LIMIT)
        if self.is_streamed(ask) and status in MAY_MEAN_NO_STREAM and "stream" in reason:
            return self._without_stream(reason)
        if ask.schema is not None and self.takes_schema and status in MAY_MEAN_NO_SCHEMA:
            return replace(self, takes_schema=False)
        return None

    def _without_stream(self, reason: str) -> "Dialect":
        if self.reports_streamed_usage and "stream_options" in reason:
            return replace(self, reports_streamed_usage=False)
        return replace(self, streams=False)
