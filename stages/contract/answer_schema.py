"""Which JSON Schemas a client may have answers shaped by, and whether an answer fits.

A schema comes from a client and is run on what a language model made of a stranger's page. So it may not fetch
anything, grow without bound when its references are followed, or match with a pattern that takes for ever.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from stages.contract.patterns import MAX_MATCHED_CHARS, check_pattern

MAX_SCHEMA_BYTES = 16_384
MAX_SCHEMA_DEPTH = 16
MAX_SCHEMA_NODES = 2_000
"""With every reference replaced by what it leads to."""

_REFUSED_WORDS = ("$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "patternProperties")
_LOCAL = re.compile(r"#(?:/[^/]+)*")


def checked_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema. Raises `ValueError`, saying what is wrong with it.

    >>> checked_schema({"type": "object", "properties": {"price": {"type": "number"}}})["type"]
    'object'
    """
    try:
        text = json.dumps(schema, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (ValueError, RecursionError):
        raise ValueError("this is not valid JSON") from None
    if size > MAX_SCHEMA_BYTES:
        raise ValueError(f"the schema has {size} bytes; at most {MAX_SCHEMA_BYTES} are taken")
    if "\\u0000" in text:
        raise ValueError("the schema has a NUL character")
    if schema.get("type") != "object":
        raise ValueError('the schema has to have "type": "object" at its top')
    _check_words(schema)
    _check_expansion(schema)
    _check_meta(schema)
    return schema


def problems(schema: Mapping[str, Any], answer: Any, limit: int = 5) -> list[str]:
    """Where an answer does not fit, in words; empty where it does.

    >>> problems({"type": "object", "required": ["price"]}, {})
    ["$: 'price' is a required property"]
    """
    found = _validator(json.dumps(schema)).iter_errors(answer)
    return [f"{error.json_path}: {error.message[:200]}" for error, _ in zip(found, range(limit), strict=False)]


@lru_cache(maxsize=32)
def _validator(schema: str) -> Any:
    return _kind()(json.loads(schema))


@lru_cache(maxsize=1)
def _kind() -> Any:
    """Draft 2020-12, in which a pattern is never tried on a long text, and no reference leads outside."""
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend

    def pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
        if isinstance(instance, str) and (len(instance) > MAX_MATCHED_CHARS or not re.search(pattern, instance)):
            yield ValidationError(f"this does not match {pattern!r}")

    return extend(Draft202012Validator, {"pattern": pattern})


def _check_meta(schema: dict[str, Any]) -> None:
    from jsonschema import SchemaError

    try:
        _kind().check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"{error.json_path}: {error.message[:200]}") from None


def _check_words(schema: Mapping[str, Any]) -> None:
    for depth, node in _nodes(schema, 0):
        if depth > MAX_SCHEMA_DEPTH:
            raise ValueError(f"the schema is nested deeper than {MAX_SCHEMA_DEPTH} levels")
        if not isinstance(node, dict):
            continue
        for word in _REFUSED_WORDS:
            if word in node:
                raise ValueError(f"{word} is not supported")
        if isinstance(node.get("pattern"), str):
            check_pattern(node["pattern"])


def _nodes(node: Any, depth: int) -> Iterator[tuple[int, Any]]:
    yield depth, node
    if depth > MAX_SCHEMA_DEPTH:
        return
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from _nodes(child, depth + 1)


def _check_expansion(schema: dict[str, Any]) -> None:
    if _Expansion(schema).size_of(schema, ("#",)) > MAX_SCHEMA_NODES:
        raise ValueError(f"the schema has more than {MAX_SCHEMA_NODES} parts when its references are followed")


class _Expansion:
    """Counts the parts of a schema, each reference replaced by what it leads to, without replacing any."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._sizes: dict[str, int] = {}

    def size_of(self, node: Any, within: tuple[str, ...]) -> int:
        """`within` names the references that led here."""
        if isinstance(node, list):
            return 1 + sum(self.size_of(child, within) for child in node)
        if not isinstance(node, dict):
            return 1
        reference = node.get("$ref")
        behind = self._size_at(reference, within) if isinstance(reference, str) else 0
        return 1 + behind + sum(self.size_of(child, within) for child in node.values())

    def _size_at(self, reference: str, within: tuple[str, ...]) -> int:
        if reference in within:
            raise ValueError(f"{reference} refers to itself")
        if reference not in self._sizes:
            self._sizes[reference] = self.size_of(_resolved(self._schema, reference), (*within, reference))
        return self._sizes[reference]


def _resolved(schema: Any, reference: str) -> Any:
    if not _LOCAL.fullmatch(reference):
        raise ValueError(f"only references within the schema are followed, not {reference[:100]!r}")
    node = schema
    for part in reference.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, dict) or name not in node:
            raise ValueError(f"{reference[:100]!r} leads nowhere")
        node = node[name]
    return node
