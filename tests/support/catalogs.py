"""Pipelines for tests: one with a stage of its own, and one whose first stage does what a test tells it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pipeline.composition import Catalog, begin, named
from stages.contract import Article, FanOut, RetryPolicy, Source, Stage, Tools, stage
from stages.extract import extract
from stages.fetch import fetch
from stages.store import store
from stages.summarize import summarize

FIVE = ("fetch", "extract", "translate", "summarize", "store")
ARTICLE = Article(text="Water falls.", markdown="Water falls.", title="Dam", word_count=2)

Script = Callable[[Source, Tools], Article]


@stage("translate", pool="cpu", retry=RetryPolicy(max_attempts=2, base_s=8, cap_s=9))
def translate(article: Article, _tools: Tools) -> Article:
    """Into capitals, which is as good as any language for a test."""
    return article.model_copy(update={"text": article.text.upper(), "language": "la"})


def five_stages(middle: Stage[Article, Article] = translate) -> Catalog:
    """The pipeline `translated`: a stage that the software does not know, in the middle of those it does."""
    joined = begin(fetch).then(extract).then(middle).then(summarize).then(store)
    return Catalog([named("translated", joined)])


def in_parts(work: Callable[[str, Tools], str], *, most: int = 3, **declaration: Any) -> Catalog:
    """The pipeline `in_parts`: the stage `count` works on each line of the source, then on every `most` results.

    A source of one line is done whole.
    """

    def split(source: Source, _tools: Tools) -> Iterator[Article]:
        lines = (source.body or b"").decode().splitlines()
        return (article_of(line) for line in lines if len(lines) > 1)

    def regroup(results: Sequence[Article], _tools: Tools) -> Iterator[Article]:
        starts = range(0, len(results), most) if len(results) > most else ()
        return (article_of(" ".join(result.text for result in results[start : start + most])) for start in starts)

    def reduce(_source: Source, results: Sequence[Article], tools: Tools) -> Article:
        return article_of(work("+".join(result.text for result in results), tools))

    fan_out = FanOut(split, lambda part, tools: article_of(work(part.text, tools)), reduce, regroup)

    @stage("count", fan_out=fan_out, **declaration)
    def count(source: Source, tools: Tools) -> Article:
        return article_of(work((source.body or b"").decode(), tools))

    return Catalog([named("in_parts", begin(count).then(store))])


def article_of(text: str) -> Article:
    return Article(text=text, markdown=text, word_count=1)


def scripted(script: Script, **declaration: Any) -> Catalog:
    """The pipeline `scripted`: a stage `read` that runs the script, then `store`."""

    @stage("read", **declaration)
    def read(source: Source, tools: Tools) -> Article:
        return script(source, tools)

    return Catalog([named("scripted", begin(read).then(store))])
