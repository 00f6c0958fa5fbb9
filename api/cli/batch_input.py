"""The items of a batch in a file: a URL or a JSON object a line."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from api.cli.terms import refuse
from api.client import JobFields
from api.schemas_batches import completed

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Line:
    """An item, and where it was."""

    number: int
    """From 1."""
    item: JobFields


def read_lines(source: str, defaults: JobFields) -> list[Line]:
    """All items, with what they leave to the options. Raises `OSError`, and ends the program for what is no item.

    Read to the end before the first is sent: what is wrong with a line is found while there is no batch yet.
    """
    text = sys.stdin.read() if source == STDIN else Path(source).read_text(encoding="utf-8-sig")
    lines = list(_lines(text.split("\n"), defaults))
    if not lines:
        raise refuse("there is no item: give a URL or a JSON object on each line")
    return lines


def _lines(texts: Iterable[str], defaults: JobFields) -> Iterator[Line]:
    for number, text in enumerate(texts, 1):
        if said := text.strip():
            yield Line(number, cast("JobFields", completed(_item(number, said), defaults)))


def _item(number: int, said: str) -> JobFields:
    if not said.startswith("{"):
        if "://" not in said:
            raise refuse(f"line {number} is neither a URL nor a JSON object")
        return {"url": said}
    try:
        item: JobFields = json.loads(said)
    except (ValueError, RecursionError) as error:
        raise refuse(f"line {number} is not valid JSON: {error}") from None
    return item
