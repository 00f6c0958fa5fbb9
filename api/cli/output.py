"""Results of jobs on standard output and in files."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from pipeline.history import read_payload
from pipeline.job import Job
from pipeline.ports import Payloads
from stages.contract import Analysis, Document, Summary

Ended = Sequence[tuple[str, Job]]


def print_results(jobs: Ended, payloads: Payloads, *, as_json: bool) -> None:
    """Print what succeeded: the documents as JSON, one a line, or what a person wants to read of them."""
    found = ((label, _document(job, payloads)) for label, job in jobs)
    print_documents(((label, document) for label, document in found if document is not None), as_json=as_json)


def print_documents(documents: Iterable[tuple[str, Document]], *, as_json: bool) -> None:
    """Print documents, each with the name of its source: as JSON, one a line, or what a person wants to read."""
    console = Console(highlight=False)
    for label, document in documents:
        if as_json:
            print(document.model_dump_json())
        else:
            _print_document(console, label, document)


def write_results(jobs: Ended, payloads: Payloads, folder: Path) -> None:
    """Write a `.json` and a `.md` file for every job that succeeded. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    for label, job in jobs:
        document = _document(job, payloads)
        if document is not None:
            stem = folder / f"{file_stem(label)}-{job.id[-8:]}"
            Path(f"{stem}.json").write_text(document.model_dump_json(indent=2), encoding="utf-8")
            Path(f"{stem}.md").write_text(as_markdown(document), encoding="utf-8")


def file_stem(label: str) -> str:
    """A file name for a URL or path.

    >>> file_stem("https://example.com/news/a-page.html?x=1"), file_stem("/tmp/päge.html"), file_stem("-")
    ('example.com-news-a-page.html-x-1', 'tmp-päge.html', 'document')
    """
    stem = re.sub(r"[^\w.]+", "-", re.sub(r"^\w+://", "", label)).strip("-.")
    return stem[:100] or "document"


def _document(job: Job, payloads: Payloads) -> Document | None:
    if job.result is None:
        return None
    document = read_payload(payloads, job.result)
    if not isinstance(document, Document):
        raise TypeError(f"the result of job {job.id} is a {type(document).__name__}")
    return document


def _print_document(console: Console, label: str, document: Document) -> None:
    console.print()
    console.rule(escape(document.metadata.title or label), align="left", style="dim")
    for line in (*_facts(document), *_body(document)):
        console.print(escape(line), soft_wrap=False)


def _facts(document: Document) -> Iterable[str]:
    metadata = document.metadata
    facts = [metadata.byline, metadata.site_name, metadata.published, metadata.language]
    if metadata.word_count is not None:
        facts.append(f"{metadata.word_count} words")
    yield " · ".join(fact for fact in facts if fact)
    yield ""


def _body(document: Document) -> Iterable[str]:
    if document.summary is not None:
        yield from _summary(document.summary)
    if document.analysis is not None:
        yield from _analysis(document.analysis)
    if document.summary is None and document.analysis is None:
        yield document.markdown or json.dumps(document.extra, ensure_ascii=False, indent=2)


def _summary(summary: Summary) -> Iterable[str]:
    yield summary.text or json.dumps(summary.data, ensure_ascii=False, indent=2)
    if summary.key_points:
        yield ""
        yield from (f"- {point.text}" for point in summary.key_points)
    for section in summary.sections:
        yield from ("", f"## {section.heading}", "", section.text)
    if summary.unsupported:
        yield from ("", f"Not in the article: {', '.join(each.text for each in summary.unsupported)}")
    yield from ("", f"(summary: {summary.model or summary.method})")


def _analysis(analysis: Analysis) -> Iterable[str]:
    yield f"Topics: {', '.join(analysis.topics)}"
    yield f"Entities: {', '.join(f'{entity.name} ({entity.kind})' for entity in analysis.entities)}"
    yield f"Sentiment: {analysis.sentiment.label}"
    yield f"Reading time: {max(1, round(analysis.reading_time_s / 60))} min"
    yield from (f"- {fact}" for fact in analysis.key_facts)
    yield from ("", f"(analysis: {analysis.model or analysis.method})")


def as_markdown(document: Document) -> str:
    """Title, facts, summary and article."""
    return "\n".join(_markdown(document))


def _markdown(document: Document) -> Iterable[str]:
    yield from (f"# {document.metadata.title or 'Untitled'}", "", *_facts(document))
    if document.summary is not None or document.analysis is not None:
        yield from (*_body(document), "", "---", "")
    yield document.markdown
