"""Pages with known main content, read from a folder: `html/ID.html.gz` and `truth.jsonl.gz`."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stages.contract import StageError
from stages.decoding import decode


@dataclass(frozen=True, slots=True)
class TruePage:
    """A page and what a reader says is its main content."""

    id: str
    type: str
    url: str | None
    html: str
    text: str


def true_pages(folder: Path) -> Iterator[TruePage]:
    """All pages of a folder. A line of the truth needs `id` and `text`; `type` is "article" where it is missing."""
    with gzip.open(folder / "truth.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in filter(str.strip, lines):
            truth = json.loads(line)
            body = gzip.decompress((folder / "html" / f"{truth['id']}.html.gz").read_bytes())
            yield TruePage(
                id=truth["id"],
                type=truth.get("type") or "article",
                url=truth.get("url") or None,
                html=_decoded(body),
                text=truth.get("text") or "",
            )


def _decoded(body: bytes) -> str:
    try:
        return decode(body, "text/html").text
    except StageError:
        return ""
