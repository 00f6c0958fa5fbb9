"""Pipelines for tests: one with a stage of its own, and one whose first stage does what a test tells it."""

from collections.abc import Callable
from typing import Any

from pipeline.composition import Catalog, begin, named
from stages.contract import Article, RetryPolicy, Source, Stage, Tools, stage
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


def scripted(script: Script, **declaration: Any) -> Catalog:
    """The pipeline `scripted`: a stage `read` that runs the script, then `store`."""

    @stage("read", **declaration)
    def read(source: Source, tools: Tools) -> Article:
        return script(source, tools)

    return Catalog([named("scripted", begin(read).then(store))])
