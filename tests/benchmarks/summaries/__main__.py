"""How near summaries without a language model come to those that people wrote, against the first three sentences.

DATA is a file of JSON lines `{id, language, title, text, summary}`, or a folder of such files. Each article goes
through the stage `summarize`, as a quick job without a language model.

    python -m tests.benchmarks.summaries DATA

Prints the mean ROUGE F1 by language, and how much CPU time 5,000 words take; the last line is JSON.
"""

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any

from stages.contract import Article
from stages.offline.scripts import count_words
from stages.offline.sentences import split_sentences
from stages.summarize import summarize
from tests.benchmarks.summaries.rouge import rouge
from tests.benchmarks.transport.report import print_table
from tests.support.tools import make_tools

LEAD_SENTENCES = 3
TIMED_WORDS = 5_000
TIMED_RUNS = 15


@dataclass(frozen=True)
class Item:
    """An article, and what a person wrote in short about it."""

    id: str
    language: str | None
    title: str | None
    text: str
    summary: str

    @property
    def article(self) -> Article:
        return make_article(self.text, self.title, self.language)


def make_article(text: str, title: str | None, language: str | None) -> Article:
    words = round(count_words(text))
    return Article(text=text, markdown=text, title=title, language=language, word_count=words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA", help="a file of JSON lines, or a folder of them")
    items = list(read_items(parser.parse_args().data))
    by_language = {language: compare(own) for language, own in sorted(_by_language(items).items())}
    overall = compare(items)
    ms = ms_for_words(items)
    print_table([_row(language, figures) for language, figures in (by_language | {"all": overall}).items()])
    print(f"{TIMED_WORDS:,} words in {ms:.0f} ms of CPU time")
    print(json.dumps({"articles": len(items), "by_language": by_language, "all": overall, "ms_5000_words": ms}))


def read_items(data: Path) -> Iterator[Item]:
    """Further keys of a line are ignored."""
    for file in sorted(data.glob("*.jsonl")) if data.is_dir() else [data]:
        for line in file.read_text().splitlines():
            fields = json.loads(line)
            yield Item(
                id=str(fields["id"]),
                language=fields.get("language"),
                title=fields.get("title"),
                text=fields["text"],
                summary=fields["summary"],
            )


def compare(items: Sequence[Item]) -> dict[str, Any]:
    """Mean ROUGE F1 of both, and how long the summaries are, in words."""
    told = [(quick_summary(item.article), lead(item), item.summary) for item in items]
    return {
        "articles": len(items),
        "ours": _mean([rouge(ours, reference) for ours, _lead, reference in told]),
        "lead_3": _mean([rouge(first, reference) for _ours, first, reference in told]),
        "words": {
            "ours": statistics.fmean(count_words(ours) for ours, _lead, _reference in told),
            "lead_3": statistics.fmean(count_words(first) for _ours, first, _reference in told),
            "reference": statistics.fmean(count_words(reference) for _ours, _lead, reference in told),
        },
    }


def quick_summary(article: Article) -> str:
    return summarize.run(article, make_tools()).text


def lead(item: Item) -> str:
    """The first three sentences of the text, whatever they are."""
    lines = (line.strip() for line in item.text.splitlines())
    sentences = chain.from_iterable(split_sentences(line, item.language) for line in lines if line)
    return " ".join(islice(sentences, LEAD_SENTENCES))


def ms_for_words(items: Sequence[Item]) -> float:
    """The fastest of some runs over the articles' paragraphs, repeated until there are enough of them."""
    language = max(_by_language(items).items(), key=lambda pair: len(pair[1]))[0]
    paragraphs = [
        line for item in items if item.language == language for line in item.text.splitlines() if line.strip()
    ]
    text, words = [], 0.0
    for paragraph in cycle(paragraphs):
        if words >= TIMED_WORDS:
            break
        text.append(paragraph)
        words += count_words(paragraph)
    article = make_article("\n\n".join(text), items[0].title, language)
    return min(_ms(article) for _ in range(TIMED_RUNS))


def _ms(article: Article) -> float:
    started = time.process_time()
    quick_summary(article)
    return (time.process_time() - started) * 1_000


def _by_language(items: Sequence[Item]) -> dict[str, list[Item]]:
    found: defaultdict[str, list[Item]] = defaultdict(list)
    for item in items:
        found[item.language or "unknown"].append(item)
    return dict(found)


def _mean(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.fmean(score[name] for score in scores), 4) for name in scores[0]}


def _row(language: str, figures: dict[str, Any]) -> dict[str, object]:
    ours, first, words = figures["ours"], figures["lead_3"], figures["words"]
    scores = {
        f"{name} {side}": f"{scored[name]:.3f}" for name in ours for side, scored in (("ours", ours), ("lead-3", first))
    }
    lengths = {f"words {side}": round(value) for side, value in words.items()}
    return {"language": language, "articles": figures["articles"]} | scores | lengths


if __name__ == "__main__":
    main()
