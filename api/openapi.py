"""The OpenAPI description, corrected where FastAPI cannot know better."""

from typing import Any

from fastapi import FastAPI

from api import examples
from api.errors import Problem, problem_of

PROBLEM = "#/components/schemas/Problem"
EVENT_STREAM = "text/event-stream"
EVENT = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "event": {"type": "string", "description": "What happened."},
        "id": {"type": "string", "description": "What a reader that comes back sends as `Last-Event-ID`."},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "retry": {"type": "integer", "minimum": 0, "description": "Milliseconds before a reader comes back."},
    },
}
"""One of a stream, as FastAPI describes its own, in the words of OpenAPI 3.2."""


def coded(status: int, code: str, detail: str) -> dict[str, Any]:
    """The description of an error of a route, with an example."""
    example = problem_of(status, code, detail).model_dump(exclude_none=True)
    return {"model": Problem, "description": f"`{code}`", "content": {"application/json": {"example": example}}}


def describe(app: FastAPI) -> None:
    """Have errors and streams described as they are sent: FastAPI assumes the media type of the route's answer."""
    original = app.openapi

    def corrected() -> dict[str, Any]:
        document = original()
        _show_examples(document["components"]["schemas"])
        for operations in document["paths"].values():
            for operation in operations.values():
                for response in operation["responses"].values():
                    _correct(response.get("content", {}))
        return document

    app.openapi = corrected  # type: ignore[method-assign]


def _show_examples(schemas: dict[str, Any]) -> None:
    for name, answer in examples.answers().items():
        schemas[name].setdefault("examples", [answer])


def _correct(content: dict[str, Any]) -> None:
    for media_type, described in list(content.items()):
        if described.get("schema", {}).get("$ref") == PROBLEM:
            content["application/problem+json"] = content.pop(media_type)
        elif media_type == EVENT_STREAM:
            content[media_type] = {"itemSchema": EVENT, "example": examples.EVENTS}
