"""What the description shows is what the application answers."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from api import examples
from tests.support.api import Api
from tests.support.examples import recorded


@pytest.fixture
def described(api: Api) -> dict[str, Any]:
    document: dict[str, Any] = api.client.get("/openapi.json").json()
    return document


def test_the_examples_are_answers_of_this_version() -> None:
    """`python -m tests.support.examples` writes them anew."""
    assert examples.answers() == recorded()


def test_every_answer_in_json_and_every_body_in_json_has_an_example(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    without = [where for where, media in in_json(described) if not has_example(media, schemas)]
    assert without == []


def test_every_example_is_as_its_schema_says(described: dict[str, Any]) -> None:
    found = {
        name: schema["examples"] for name, schema in described["components"]["schemas"].items() if "examples" in schema
    }
    assert len(found) >= 40
    for name, shown in found.items():
        schema = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
        for example in shown:
            jsonschema.Draft202012Validator(schema).validate(example)


def in_json(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            answers = {code: each for code, each in operation["responses"].items() if code.startswith("2")}
            for what, described_as in {"body": operation.get("requestBody", {}), **answers}.items():
                if media := described_as.get("content", {}).get("application/json"):
                    yield f"{method} {path} {what}", media


def has_example(media: dict[str, Any], schemas: dict[str, Any]) -> bool:
    name = media["schema"].get("$ref", "").rpartition("/")[2]
    return "example" in media or "examples" in schemas.get(name, {})
