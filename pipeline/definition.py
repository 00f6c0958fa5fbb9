"""The named pipelines: order, nothing else. Queues, tasks, routes and retries follow from the stages."""

from pipeline.composition import Catalog, begin, named
from stages.analyze import analyze
from stages.extract import extract
from stages.fetch import fetch
from stages.render import render
from stages.store import store
from stages.summarize import summarize

CATALOG = Catalog(
    [
        named("summarize", begin(fetch).then(extract).then(summarize).then(store)),
        named("analyze", begin(fetch).then(extract).then(analyze).then(store)),
        named("extract", begin(fetch).then(extract).then(store)),
    ],
    render=render,
)

DEFAULT_PIPELINE = "summarize"
