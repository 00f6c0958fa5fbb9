"""Says in short what an article says."""

from collections.abc import Sequence

from stages.contract import Article, FanOut, Llm, Notes, Summary, Tools, Transient, stage
from stages.contract.nouns import Section
from stages.language_model.answers import clean_strings, read_object, read_prose
from stages.language_model.asking import ask
from stages.language_model.fallback import or_without
from stages.language_model.long_documents import group_notes, join_notes, split_article, sum_usage, take_notes
from stages.language_model.prompts import DETAILED_SUMMARY, QUICK_SUMMARY
from stages.offline.summary import ExtractiveSummary


def _put_together(article: Article, results: Sequence[Notes], tools: Tools) -> Summary:
    """Summarize a long article by the notes that were taken of its parts, if all of them were."""
    usage = sum_usage(notes.usage for notes in results)
    reason = next((notes.fallback_reason for notes in results if notes.fallback_reason), None)
    if reason is not None:
        return summarize_offline(article, tools, reason).model_copy(update={"usage": usage})
    summary = _summarize(article, tools, join_notes(results))
    parts = sum(notes.parts for notes in results) if summary.method == "llm" else summary.parts
    return summary.model_copy(update={"parts": parts, "usage": sum_usage([usage, summary.usage])})


@stage(
    "summarize",
    pool="io",
    time_limit_s=120.0,
    fan_out=FanOut(split=split_article, map=take_notes, reduce=_put_together, regroup=group_notes),
)
def summarize(article: Article, tools: Tools) -> Summary:
    """Ask the language model, or choose the article's own sentences where none is configured.

    An article that is longer than the model reads at once is read in parts, and summarized by notes taken of each.

    While the model is out of reach the job waits, goes without or fails, as its option `fallback` says.

    `quick` gives about three sentences; `detailed` adds key points and sections. Raises `Permanent` with `llm_refused`
    or `Transient` with `llm_bad_answer` for an answer that is no summary, and what the call to the model raises.
    """
    return _summarize(article, tools)


def _summarize(article: Article, tools: Tools, notes: str | None = None) -> Summary:
    ask_it = _ask_detailed if tools.options.processing == "detailed" else _ask_quick
    return or_without(
        tools,
        lambda llm, in_time: ask_it(article, llm, in_time, notes),
        lambda reason: summarize_offline(article, tools, reason),
    )


def summarize_offline(article: Article, tools: Tools, reason: str | None = None) -> Summary:
    """Choose the article's own sentences; `reason` is why no language model was asked that is there."""
    extract = _extract_detailed if tools.options.processing == "detailed" else _extract_quick
    return extract(article).model_copy(update={"fallback_reason": reason})


def _extract_quick(article: Article) -> Summary:
    overview = ExtractiveSummary(article).overview
    return Summary(text=overview, processing="quick", method="extractive", language=article.language)


def _extract_detailed(article: Article) -> Summary:
    extract = ExtractiveSummary(article)
    return Summary(
        text=extract.overview,
        key_points=extract.key_points,
        sections=extract.sections,
        processing="detailed",
        method="extractive",
        language=article.language,
    )


def _ask_quick(article: Article, llm: Llm, tools: Tools, notes: str | None = None) -> Summary:
    completion = ask(QUICK_SUMMARY, article, llm, tools, notes)
    return Summary(
        text=read_prose(completion.text, len(article.text)),
        processing="quick",
        method="llm",
        model=completion.model,
        usage=completion.usage,
        language=article.language,
    )


def _ask_detailed(article: Article, llm: Llm, tools: Tools, notes: str | None = None) -> Summary:
    completion = ask(DETAILED_SUMMARY, article, llm, tools, notes)
    answer = read_object(completion.text)
    return Summary(
        text=_overview(answer.get("summary"), len(article.text)),
        key_points=tuple(clean_strings(answer.get("key_points"))),
        sections=_sections(answer.get("sections")),
        processing="detailed",
        method="llm",
        model=completion.model,
        usage=completion.usage,
        language=article.language,
    )


def _overview(summary: object, source_chars: int) -> str:
    if not isinstance(summary, str):
        raise Transient("llm_bad_answer")
    return read_prose(summary, source_chars)


def _sections(sections: object) -> tuple[Section, ...]:
    """Those that have both a heading and a text."""
    found = sections if isinstance(sections, list) else []
    pairs = [clean_strings([item.get("heading"), item.get("text")]) for item in found if isinstance(item, dict)]
    return tuple(Section(heading=pair[0], text=pair[1]) for pair in pairs if len(pair) == len(Section.model_fields))
