"""A pipeline with a stage that takes a while and does nothing, between two that take no time."""

import time

from pipeline.composition import Catalog, begin, named
from stages.contract import Article, Source, Tools, stage
from stages.store import store

STAGE_S = 0.2


@stage("read")
def read(_source: Source, _tools: Tools) -> Article:
    return Article(text="Water falls.", markdown="Water falls.", word_count=2)


@stage("sleep")
def sleep(article: Article, _tools: Tools) -> Article:
    time.sleep(STAGE_S)
    return article


CATALOG = Catalog([named("sleepy", begin(read).then(sleep).then(store))])
