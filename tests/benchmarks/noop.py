"""Four stages that do nothing, as a catalog of Penstock and as plain Celery tasks."""

import os

from celery import Celery, chain
from kombu import Queue

from pipeline.composition import Catalog, begin, named
from stages.contract import Article, Document, Source, Tools, stage
from stages.contract.document import DocumentSource, Metadata

STAGES = ("noop1", "noop2", "noop3", "noop4")


@stage(STAGES[0])
def first(_source: Source, _tools: Tools) -> Article:
    return Article(text="", markdown="", word_count=0)


@stage(STAGES[1])
def second(article: Article, _tools: Tools) -> Article:
    return article


@stage(STAGES[2])
def third(article: Article, _tools: Tools) -> Article:
    return article


@stage(STAGES[3])
def fourth(_article: Article, tools: Tools) -> Document:
    return Document(
        job_id=tools.job.job_id,
        run=tools.job.run,
        pipeline=tools.job.pipeline,
        created_at=tools.job.created_at,
        source=DocumentSource(),
        metadata=Metadata(),
        text="",
        markdown="",
        provenance=(),
    )


CATALOG = Catalog([named("noop", begin(first).then(second).then(third).then(fourth))])


def bare_app() -> Celery:
    """The same chain without records, claim checks or recovery; broker URL from `BARE_BROKER_URL`."""
    app = Celery("bare", broker=os.environ["BARE_BROKER_URL"])
    app.conf.update(
        task_queues=[Queue(f"bare-{name}", routing_key=f"bare-{name}") for name in STAGES],
        task_acks_late=True,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
    )
    for name in STAGES:
        app.task(name=name)(_last if name == STAGES[-1] else _pass_on)
    return app


def bare_chain(app: Celery, number: int) -> None:
    """Publish one chain."""
    head, *tail = (app.signature(name, queue=f"bare-{name}") for name in STAGES)
    chain(head.clone(args=(number,)), *tail).apply_async()


def _pass_on(number: int) -> int:
    return number


def _last(number: int) -> int:
    _counter().incr("bare-done")
    return number


def _counter():  # type: ignore[no-untyped-def]
    global _client  # noqa: PLW0603
    if _client is None:
        import redis

        _client = redis.Redis.from_url(os.environ["BARE_BROKER_URL"].replace("redis+socket://", "unix://"))
    return _client


_client = None
