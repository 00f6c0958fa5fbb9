"""How often titles, authors and dates of pages are right.

    python -m tests.benchmarks.extraction_metadata FOLDER

FOLDER holds `html/ID.html.gz`, pages as fetched, and `truth.jsonl.gz`, one object a line with `id`, `type`, `url`,
`title`, `author` and `published`. A page counts for a field where its truth states it. A title or author is right when
its words are those of the truth; `near` also takes an F1 of the words of at least 0.8. A date is right by its day.
`made up` is the share of the pages without a truth for which something was found. The last line is one JSON object.
"""

import argparse
import gzip
import json
import re
import statistics
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.contract import StageError
from stages.decoding import decode
from stages.extraction.metadata import PageMetadata, metadata_of
from stages.extraction.trees import parse_page

NEAR = 0.8
FIELDS = ("title", "author", "published")


def main() -> None:
    """Read every page and print a table by type and the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--wrong", action="store_true", help="print what is not right, too")
    arguments = parser.parse_args()
    scores: dict[tuple[str, str], list[float]] = defaultdict(list)
    milliseconds = []
    for truth in pages(arguments.folder):
        found, took_ms = read(arguments.folder, truth)
        milliseconds.append(took_ms)
        for name, score in scored(found, truth):
            scores[truth["type"], name].append(score)
            scores["all", name].append(score)
            if arguments.wrong and name in FIELDS and score < NEAR:
                print(f"{truth['type']} {truth['id']} {name}: {said(found, name)!r}, truth {truth[name]!r}")
    print_table(scores)
    print(json.dumps(summary(scores, milliseconds)))


def pages(folder: Path) -> Iterator[dict[str, Any]]:
    """What is known of each page."""
    with gzip.open(folder / "truth.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def read(folder: Path, truth: dict[str, Any]) -> tuple[PageMetadata, float]:
    """The metadata of a page, and the CPU time that took without parsing, in milliseconds."""
    body = gzip.decompress((folder / "html" / f"{truth['id']}.html.gz").read_bytes())
    try:
        tree = parse_page(decode(body, "text/html").text)
    except StageError:
        return PageMetadata(), 0.0
    began = time.process_time()
    found = metadata_of(tree, truth["url"])
    return found, (time.process_time() - began) * 1000


def scored(found: PageMetadata, truth: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """How well each field is met that the truth states, from 0 to 1."""
    for name in FIELDS:
        if not truth[name]:
            yield f"{name} made up", float(bool(said(found, name)))
        elif name == "published":
            yield name, float((found.published or "")[:10] == truth[name][:10])
        else:
            yield name, likeness(said(found, name), truth[name])


def said(found: PageMetadata, name: str) -> str:
    """One field as the truth would write it."""
    if name == "author":
        return ", ".join(found.authors)
    return (found.title if name == "title" else found.published) or ""


def likeness(one: str, other: str) -> float:
    """F1 of the words of two texts.

    >>> likeness("The Lock!", "the lock"), likeness("Lock", "Dam")
    (1.0, 0.0)
    """
    ours, theirs = Counter(words(one)), Counter(words(other))
    shared = (ours & theirs).total()
    return 2 * shared / (ours.total() + theirs.total()) if shared else 0.0


def words(text: str) -> list[str]:
    """Words without case and punctuation."""
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())


def print_table(scores: dict[tuple[str, str], list[float]]) -> None:
    """One line for each type and field."""
    print(f"{'type':<15}{'field':<20}{'pages':>6}{'exact':>8}{'near':>8}")
    for (kind, name), found in sorted(scores.items()):
        print(f"{kind:<15}{name:<20}{len(found):>6}{exact(found):>8.3f}{near(found):>8.3f}")


def exact(found: list[float]) -> float:
    """The share that is quite right."""
    return statistics.fmean(score == 1 for score in found)


def near(found: list[float]) -> float:
    """The share that is as good as right."""
    return statistics.fmean(score >= NEAR for score in found)


def summary(scores: dict[tuple[str, str], list[float]], milliseconds: list[float]) -> dict[str, Any]:
    """The means over all pages and over articles."""
    shown = {
        f"{kind}_{name}": {
            "pages": len(scores[kind, name]),
            "exact": exact(scores[kind, name]),
            "near": near(scores[kind, name]),
        }
        for kind in ("all", "article")
        for name in FIELDS
        if scores[kind, name]
    }
    return {"pages": len(milliseconds), **shown, "median_ms": statistics.median(milliseconds)}


if __name__ == "__main__":
    main()
