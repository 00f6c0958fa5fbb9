"""The OpenAPI description, corrected where FastAPI cannot know better."""

from typing import Any

from fastapi import FastAPI

from api.errors import Problem, problem_of

PROBLEM = "#/components/schemas/Problem"


def coded(status: int, code: str, detail: str) -> dict[str, Any]:
    """The description of an error of a route, with an example."""
    example = problem_of(status, code, detail).model_dump(exclude_none=True)
    return {"model": Problem, "description": f"`{code}`", "content": {"application/json": {"example": example}}}


def describe(app: FastAPI) -> None:
    """Have errors described with the media type they are sent with: FastAPI assumes that of the route's answer."""
    original = app.openapi

    def corrected() -> dict[str, Any]:
        document = original()
        for operations in document["paths"].values():
            for operation in operations.values():
                for response in operation["responses"].values():
                    _correct(response.get("content", {}))
        return document

    app.openapi = corrected  # type: ignore[method-assign]


def _correct(content: dict[str, Any]) -> None:
    described = content.get("application/json", {})
    if described.get("schema", {}).get("$ref") == PROBLEM:
        content["application/problem+json"] = content.pop("application/json")
