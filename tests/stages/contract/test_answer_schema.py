import re
from typing import Any

import pytest

from stages.contract.answer_schema import MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH, checked_schema, problems
from stages.contract.patterns import MAX_MATCHED_CHARS, check_pattern

PRICES = {
    "type": "object",
    "properties": {
        "items": {"type": "array", "items": {"$ref": "#/$defs/item"}, "maxItems": 3},
        "sku": {"type": "string", "pattern": r"^[A-Z]{2}-\d+$"},
    },
    "required": ["items"],
    "additionalProperties": False,
    "$defs": {"item": {"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]}},
}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def laughs() -> dict[str, Any]:
    defs: dict[str, Any] = {f"d{n}": {"prefixItems": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(14)}
    return {"type": "object", "$defs": defs | {"d14": {}}, "properties": {"a": {"$ref": "#/$defs/d0"}}}


def test_an_ordinary_schema_is_taken_as_it_is() -> None:
    assert checked_schema(PRICES) is PRICES


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "array"},
        {"type": "object", "properties": 3},
        {"type": "object", "required": "name"},
        {"type": "object", "description": "x" * MAX_SCHEMA_BYTES},
        {"type": "object", "default": float("nan")},
        {"type": "object", "title": "\x00"},
        {"type": "object", "title": "\ud800"},
        nested(MAX_SCHEMA_DEPTH),
        laughs(),
        {"type": "object", "$ref": "#"},
        {"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}},
        {"type": "object", "$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"items": {"$ref": "#/$defs/a"}}}},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/missing"}}},
        {"type": "object", "properties": {"a": {"$ref": "https://example.org/schema.json"}}},
        {"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}},
        {"type": "object", "$id": "https://example.org/schema.json"},
        {"type": "object", "properties": {"a": {"$dynamicRef": "#a"}}},
        {"type": "object", "patternProperties": {"^a": {}}},
        {"type": "object", "properties": {"a": {"pattern": "(a+)+$"}}},
        {"type": "object", "properties": {"a": {"anyOf": [{"pattern": "["}]}}},
    ],
    ids=lambda schema: str(schema)[:60],
)
def test_what_is_no_schema_or_could_do_harm_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        checked_schema(schema)


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ({"items": [{"price": 3.5}], "sku": "AB-1"}, None),
        ({"items": []}, None),
        ({}, "items"),
        ({"items": [{"price": "3"}]}, "$.items[0].price"),
        ({"items": [{"price": 1}] * 4}, "$.items"),
        ({"items": [], "other": 1}, "other"),
        ({"items": [], "sku": "ab"}, "$.sku"),
        ({"items": [], "sku": "AB-" + "1" * MAX_MATCHED_CHARS}, "$.sku"),
    ],
)
def test_an_answer_is_held_to_it(answer: Any, named: str | None) -> None:
    found = problems(PRICES, answer)
    assert bool(found) == (named is not None)
    assert named is None or named in found[0]


@pytest.mark.parametrize(
    "pattern",
    [
        r"^[A-Z]{2}-\d+$",
        r"^\d{4}-\d{2}-\d{2}$",
        r"^(red|green|blue)$",
        r"^[^@]+@[^@]+\.[^@]+$",
        r"^https?://",
        r"^#[0-9a-f]{6}$",
        r"^[\w.-]{1,50}$",
    ],
)
def test_patterns_that_people_write_are_taken(pattern: str) -> None:
    check_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a|a)*$",
        "(?:a?){30}a{30}",
        "a*a*a*a*b",
        "a?" * 40 + "a" * 40,
        "(a|a)" * 30,
        "a{0,50}" * 9,
        "(?=a)b",
        r"(a)\1",
        "(?P<x>a)",
        "(?i)a",
        "(",
        "a**",
        "[",
        "a" * 201,
    ],
)
def test_patterns_that_could_take_for_ever_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        check_pattern(pattern)


def test_a_pattern_at_the_limit_ends() -> None:
    check_pattern("^a*a*a*b")
    assert re.search("^a*a*a*b", "a" * MAX_MATCHED_CHARS) is None
