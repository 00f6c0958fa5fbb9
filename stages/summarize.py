"""Says in short what an article says."""

from stages.contract import Article, Llm, Summary, Tools, Transient, stage
from stages.contract.nouns import Section
from stages.language_model.answers import clean_strings, read_object, read_prose
from stages.language_model.asking import ask, guard_endpoint
from stages.language_model.prompts import DETAILED_SUMMARY, QUICK_SUMMARY
from stages.offline.summary import ExtractiveSummary


@stage("summarize", pool="io", time_limit_s=120.0, guard=guard_endpoint)
def summarize(article: Article, tools: Tools) -> Summary:
    """Ask the language model, or choose the article's own sentences where none is configured.

    `quick` gives about three sentences; `detailed` adds key points and sections. Raises `Permanent` with `llm_refused`
    or `Transient` with `llm_bad_answer` for an answer that is no summary, and what the call to the model raises.
    """
    detailed = tools.options.processing == "detailed"
    if tools.llm is None:
        return _extract_detailed(article) if detailed else _extract_quick(article)
    return _ask_detailed(article, tools.llm, tools) if detailed else _ask_quick(article, tools.llm, tools)


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


def _ask_quick(article: Article, llm: Llm, tools: Tools) -> Summary:
    reply = ask(QUICK_SUMMARY, article, llm, tools)
    return Summary(
        text=read_prose(reply.completion.text, len(article.text)),
        processing="quick",
        method="llm",
        model=reply.completion.model,
        usage=reply.completion.usage,
        condensed=reply.condensed,
        language=article.language,
    )


def _ask_detailed(article: Article, llm: Llm, tools: Tools) -> Summary:
    reply = ask(DETAILED_SUMMARY, article, llm, tools)
    answer = read_object(reply.completion.text)
    return Summary(
        text=_overview(answer.get("summary"), len(article.text)),
        key_points=tuple(clean_strings(answer.get("key_points"))),
        sections=_sections(answer.get("sections")),
        processing="detailed",
        method="llm",
        model=reply.completion.model,
        usage=reply.completion.usage,
        condensed=reply.condensed,
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
