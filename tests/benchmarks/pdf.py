"""What a long PDF costs: the time, and the memory of the child process that reads it.

    python -m tests.benchmarks.pdf [--pages 200] [FILE]

Without FILE a PDF of so many full pages is made. It goes the way of a job: through the fetch stage's page, as it is
stored, into the extract stage and a child process with its limits. The last line is one JSON object.
"""

import argparse
import json
import resource
import time
from pathlib import Path
from random import Random

from orchestration.outbound.isolation import ProcessIsolation
from orchestration.wiring_outbound import PARSING_MODULES
from stages.contract import Page, Source, Tools
from stages.extract import extract
from stages.extraction.reading import read_content
from stages.fetch import fetch
from tests.support.pdfs import pdf_of
from tests.support.tools import make_tools

WORDS = ("river", "gate", "water", "turbine", "harbour", "ferry", "tide", "winter", "stone", "bridge", "council")
LINES = 48


def main() -> None:
    """Read the PDF once and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("file", type=Path, nargs="?")
    arguments = parser.parse_args()
    body = arguments.file.read_bytes() if arguments.file else made(arguments.pages)
    isolation = ProcessIsolation(max_workers=1, preload=PARSING_MODULES)
    try:
        print(json.dumps(measured(body, isolation)))
    finally:
        isolation.close()


def made(pages: int) -> bytes:
    """Full pages of words."""
    random = Random(1)
    return pdf_of(
        [
            ["The Lock Review", f"Chapter {number}", *(line(random) for _ in range(LINES)), f"Page {number}"]
            for number in range(1, pages + 1)
        ],
        {"Title": "The Lock Review"},
        [(f"Chapter {number}", number - 1) for number in range(1, pages + 1)],
    )


def line(random: Random) -> str:
    """One line of running text."""
    return " ".join(random.choices(WORDS, k=12)).capitalize() + random.choice((".", ",", ""))


def measured(body: bytes, isolation: ProcessIsolation) -> dict[str, float]:
    """Figures of one reading."""
    tools = make_tools(isolate=isolation)
    isolation(tools.scope, read_content, "text", "So that the child is there.", b"", None)
    before = peak_kib(tools, isolation)
    stored = fetch.run(Source(body=body, content_type="application/pdf"), tools).to_bytes()
    began = time.perf_counter()
    article = extract.run(Page.from_bytes(stored), tools)
    took_s = time.perf_counter() - began
    return {
        "pages": article.page_count or 0,
        "words": article.word_count,
        "sections": len(article.sections),
        "file_bytes": len(body),
        "stored_bytes": len(stored),
        "seconds": round(took_s, 2),
        "child_peak_mib_before": before // 1024,
        "child_peak_mib_after": peak_kib(tools, isolation) // 1024,
        "worker_peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def peak_kib(tools: Tools, isolation: ProcessIsolation) -> int:
    """The most memory that the child has had (RSS)."""
    return isolation(tools.scope, resource.getrusage, resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
