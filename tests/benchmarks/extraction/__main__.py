"""How well and how fast main content is found, against readability-lxml and trafilatura alone.

Each extractor reads each page's decoded text, page by page in turn, ours by the function that the extract stage calls.
The last line is JSON about ours: word F1 over all pages, F1 of four-word shingles over those of type "article",
word F1 by type, the median time, and how many pages gave no text.

    python -m tests.benchmarks.extraction --data FOLDER
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from time import perf_counter

import trafilatura
from readability import Document

from stages.contract import StageError
from stages.extraction.article import extract_html
from stages.extraction.rendering import render
from stages.extraction.trees import drop_unrendered, parse_page
from tests.benchmarks.extraction.measures import Overlap, shingle_f1, word_overlap
from tests.benchmarks.extraction.pages import TruePage, true_pages


@dataclass(frozen=True, slots=True)
class Result:
    """Of one extractor on one page."""

    page: TruePage
    text: str
    ms: float
    words: Overlap
    shingles: float


def main() -> None:
    arguments = _arguments()
    extractors = EXTRACTORS if not arguments.ours else {"penstock": EXTRACTORS["penstock"]}
    results: dict[str, list[Result]] = {name: [] for name in extractors}
    for page in true_pages(arguments.data):
        for name, extract in extractors.items():
            results[name].append(_result(page, extract))
    if not results["penstock"]:
        sys.exit(f"no pages in {arguments.data}")
    _print_tables(results)
    print(json.dumps(_summary(results["penstock"])))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with html/ID.html.gz and truth.jsonl.gz")
    parser.add_argument("--ours", action="store_true", help="leave the other extractors out")
    return parser.parse_args()


def _by_penstock(page: TruePage) -> str:
    try:
        return extract_html(page.html, page.url).text
    except StageError:
        return ""


def _by_readability(page: TruePage) -> str:
    tree = parse_page(Document(page.html, url=page.url).summary(html_partial=True))
    drop_unrendered(tree)
    return render(tree, page.url).text


def _by_trafilatura(page: TruePage) -> str:
    return trafilatura.extract(page.html) or ""


EXTRACTORS: dict[str, Callable[[TruePage], str]] = {
    "penstock": _by_penstock,
    "readability": _by_readability,
    "trafilatura": _by_trafilatura,
}


def _result(page: TruePage, extract: Callable[[TruePage], str]) -> Result:
    started = perf_counter()
    try:
        text = extract(page)
    except Exception as error:
        print(f"{page.id}: {type(error).__name__}: {error}"[:200], file=sys.stderr)
        text = ""
    ms = (perf_counter() - started) * 1000
    return Result(page, text, ms, word_overlap(text, page.text), shingle_f1(text, page.text))


def _print_tables(results: dict[str, list[Result]]) -> None:
    print("| extractor | precision | recall | word F1 | shingle F1, articles | median ms | mean ms | empty |")
    print("|---|---|---|---|---|---|---|---|")
    for name, found in results.items():
        words = [result.words for result in found]
        precision, recall, f1 = (fmean(getattr(w, part) for w in words) for part in ("precision", "recall", "f1"))
        times = [result.ms for result in found]
        speed = f"{median(times):.1f} | {fmean(times):.1f} | {_empty(found)}"
        print(f"| {name} | {precision:.3f} | {recall:.3f} | {f1:.3f} | {_shingles(found):.3f} | {speed} |")
    types = sorted({result.page.type for found in results.values() for result in found})
    print(f"\n| word F1 | {' | '.join(types)} |\n|---|{'---|' * len(types)}")
    for name, found in results.items():
        by_type = _by_type(found)
        print(f"| {name} | {' | '.join(f'{by_type[kind]:.3f}' for kind in types)} |")
    if "trafilatura" in results:
        ours, theirs = (median(result.ms for result in results[name]) for name in ("penstock", "trafilatura"))
        print(f"\nMedian time: {ours / theirs:.2f} of trafilatura's")


def _summary(found: list[Result]) -> dict[str, object]:
    return {
        "pages": len(found),
        "word_f1": round(fmean(result.words.f1 for result in found), 4),
        "shingle_f1": round(_shingles(found), 4),
        "by_type": {kind: round(f1, 4) for kind, f1 in _by_type(found).items()},
        "median_ms": round(median(result.ms for result in found), 2),
        "empty": _empty(found),
    }


def _by_type(found: Iterable[Result]) -> dict[str, float]:
    scores: dict[str, list[float]] = {}
    for result in found:
        scores.setdefault(result.page.type, []).append(result.words.f1)
    return {kind: fmean(scores[kind]) for kind in sorted(scores)}


def _shingles(found: Iterable[Result]) -> float:
    """Mean over the articles; 0 where there are none."""
    return fmean([result.shingles for result in found if result.page.type == "article"] or [0.0])


def _empty(found: Iterable[Result]) -> int:
    return sum(not result.text.strip() for result in found)


if __name__ == "__main__":
    main()
