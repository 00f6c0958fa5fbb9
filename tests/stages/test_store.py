"""Composing the final document from what a run has recorded."""

from datetime import timedelta

from stages.contract import Analysis, Article, Content, Document, JobFacts, Page, Payload, Summary
from stages.contract.document import DocumentSource, Metadata
from stages.contract.nouns import Sentiment
from stages.store import store
from tests.support.tools import START, MemoryHistory, make_tools

PAGE = Page(
    kind="html",
    text="<p>It opened.",
    charset="shift_jis",
    url="https://water.example/new",
    requested_url="https://water.example/old",
    fetched_at=START + timedelta(seconds=3),
    wire_bytes=13,
    decoded_bytes=13,
)
ARTICLE = Article(
    text="It opened.",
    markdown="It *opened*.",
    title="The lock",
    byline="Ana Weir",
    published="2026-03-04",
    language="en",
    site_name="Water News",
    url="https://water.example/new",
    word_count=2,
)
SUMMARY = Summary(text="Opened.", processing="quick", method="extractive")
ANALYSIS = Analysis(
    topics=("locks",),
    entities=(),
    sentiment=Sentiment(label="neutral", score=0.0),
    key_facts=(),
    reading_time_s=1,
    method="extractive",
)
JOB = JobFacts(
    job_id="0194-job",
    run=2,
    pipeline="summarize",
    created_at=START,
    source_url="https://water.example/old",
    source_name="old.html",
    source_content_type="text/html",
)


class Translation(Content):
    """A noun that the store stage knows nothing of."""

    lines: tuple[str, ...]


def document(*outputs: tuple[str, Payload]) -> Document:
    history = MemoryHistory()
    for stage, output in outputs:
        history.record(stage, output)
    return store.run(outputs[-1][1], make_tools(job=JOB, history=history))  # type: ignore[arg-type]


def test_declaration():
    assert (store.name, store.accepts, store.returns) == ("store", (Content,), Document)
    assert store.takes(Article)
    assert store.takes(Translation)
    assert not store.takes(Page)


def test_everything_the_run_found_is_in_the_document():
    found = document(("fetch", PAGE), ("extract", ARTICLE), ("summarize", SUMMARY), ("analyze", ANALYSIS))

    assert (found.job_id, found.run, found.pipeline, found.created_at) == ("0194-job", 2, "summarize", START)
    assert found.source == DocumentSource(
        url="https://water.example/old",
        final_url="https://water.example/new",
        name="old.html",
        content_type="text/html",
        charset="shift_jis",
        fetched_at=PAGE.fetched_at,
    )
    assert found.metadata == Metadata(
        title="The lock",
        byline="Ana Weir",
        published="2026-03-04",
        language="en",
        site_name="Water News",
        word_count=2,
    )
    assert (found.text, found.markdown) == (ARTICLE.text, ARTICLE.markdown)
    assert (found.summary, found.analysis, found.extra) == (SUMMARY, ANALYSIS, {})
    assert Document.from_bytes(found.to_bytes()) == found


def test_provenance_names_each_stage_with_its_timing_and_hash():
    history = MemoryHistory()
    fetched = history.record("fetch", PAGE, attempts=3, duration_s=0.25)
    extracted = history.record("extract", ARTICLE, duration_s=2.0)

    fetch, extract = store.run(ARTICLE, make_tools(history=history)).provenance

    assert (fetch.stage, fetch.attempts, fetch.duration_s) == ("fetch", 3, 0.25)
    assert (fetch.started_at, fetch.finished_at) == (START, START + timedelta(seconds=0.25))
    assert extract.started_at == fetch.finished_at
    assert (fetch.sha256, fetch.size, fetch.media_type) == (fetched.sha256, fetched.size, PAGE.media_type)
    assert (extract.sha256, extract.size) == (extracted.sha256, len(ARTICLE.to_bytes()))


def test_last_of_a_noun_counts_whichever_stage_it_is_from():
    translated = ARTICLE.model_copy(update={"text": "Sie ging auf.", "language": "de"})

    found = document(("fetch", PAGE), ("extract", ARTICLE), ("translate", translated))

    assert (found.text, found.metadata.language) == ("Sie ging auf.", "de")
    assert found.extra == {}
    assert [step.stage for step in found.provenance] == ["fetch", "extract", "translate"]


def test_outputs_of_further_stages_are_kept_by_stage():
    found = document(("fetch", PAGE), ("extract", ARTICLE), ("translate", Translation(lines=("Sie ging auf.",))))

    assert found.extra == {"translate": {"lines": ["Sie ging auf."]}}
    assert found.text == ARTICLE.text


def test_run_without_an_article_has_no_text():
    found = document(("fetch", PAGE), ("translate", Translation(lines=("Sie ging auf.",))))

    assert (found.text, found.markdown, found.metadata) == ("", "", Metadata())
    assert (found.summary, found.analysis) == (None, None)
