"""Says in short what an article says."""

from collections.abc import Sequence

from stages.contract import Article, FanOut, Llm, Notes, Permanent, Summary, Tools, Transient, stage
from stages.contract.answer_schema import problems
from stages.contract.nouns import KeyPoint
from stages.grounding.passages import locate
from stages.language_model.answers import prose_so_far, read_object, summary_so_far
from stages.language_model.asking import Reply, ask, ask_to_repair
from stages.language_model.checking import Check
from stages.language_model.fallback import or_without
from stages.language_model.long_documents import group_notes, join_notes, split_article, sum_usage, take_notes
from stages.language_model.prompts import data_of, detailed_summary, quick_summary
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

    `quick` gives about three sentences; `detailed` adds key points with their passages, and sections; a `schema` gives
    data instead. Raises `Permanent` with `llm_refused` or `Transient` with `llm_bad_answer` or `llm_off_schema` for an
    answer that is none of these, and what the call to the model raises.
    """
    return _summarize(article, tools)


def _summarize(article: Article, tools: Tools, notes: str | None = None) -> Summary:
    return or_without(
        tools,
        lambda llm, in_time: _ask(article, llm, in_time, notes),
        lambda reason: summarize_offline(article, tools, reason),
    )


def summarize_offline(article: Article, tools: Tools, reason: str | None = None) -> Summary:
    """Choose the article's own sentences; `reason` is why no language model was asked that is there.

    Raises `Permanent` with `llm_unavailable` for a job that asks for data: it was accepted while there was a model.
    """
    if tools.options.answer_schema is not None:
        raise Permanent("llm_unavailable", "The job asks for data, and no language model is configured any more.")
    detailed = tools.options.processing == "detailed"
    extract = ExtractiveSummary(article, tools.options.length)
    return Summary(
        text=extract.overview,
        key_points=_cited(extract.key_points, article) if detailed else (),
        sections=extract.sections if detailed else (),
        processing=tools.options.processing,
        method="extractive",
        language=article.language,
        fallback_reason=reason,
    )


def _cited(sentences: tuple[str, ...], article: Article) -> tuple[KeyPoint, ...]:
    placed = zip(sentences, locate(sentences, article.text), strict=True)
    return tuple(KeyPoint(text=sentence, support=(span,) if span else ()) for sentence, span in placed)


def _ask(article: Article, llm: Llm, tools: Tools, notes: str | None = None) -> Summary:
    if tools.options.answer_schema is not None:
        return _ask_data(article, llm, tools, notes)
    if tools.options.processing == "detailed":
        return _ask_detailed(article, llm, tools, notes)
    return _ask_quick(article, llm, tools, notes)


def _ask_quick(article: Article, llm: Llm, tools: Tools, notes: str | None) -> Summary:
    reply = ask(quick_summary(tools.options.length), article, llm, tools, notes, shown=prose_so_far)
    check = Check(article, reply.question, tools.options)
    text = check.prose(reply.completion.text)
    tools.progress.show(text)
    return _summary(reply, check, tools, text=text)


def _ask_detailed(article: Article, llm: Llm, tools: Tools, notes: str | None) -> Summary:
    reply = ask(detailed_summary(tools.options.length), article, llm, tools, notes, shown=summary_so_far)
    answer = read_object(reply.completion.text)
    check = Check(article, reply.question, tools.options)
    text = check.prose(answer.get("summary"))
    tools.progress.show(text)
    return _summary(
        reply,
        check,
        tools,
        text=text,
        key_points=check.points(answer.get("key_points")),
        sections=check.sections(answer.get("sections")),
    )


def _ask_data(article: Article, llm: Llm, tools: Tools, notes: str | None) -> Summary:
    """Data that fits the schema; what does not is shown to the model once, to be put right."""
    schema = tools.options.answer_schema or {}
    task = data_of(schema)
    reply = ask(task, article, llm, tools, notes)
    usage = [reply.completion.usage]
    check = Check(article, reply.question, tools.options)
    data, complaint = _data(reply, check, schema)
    if complaint:
        reply = ask_to_repair(reply, complaint, task, llm, tools)
        usage.append(reply.completion.usage)
        data, complaint = _data(reply, check, schema)
    if complaint:
        raise Transient("llm_off_schema", f"The language model's answer does not fit the schema: {complaint}")
    return _summary(reply, check, tools, text="", data=data).model_copy(update={"usage": sum_usage(usage)})


def _data(reply: Reply, check: Check, schema: dict[str, object]) -> tuple[dict[str, object], str]:
    """The data in an answer, cleaned, and what is wrong with it."""
    try:
        data = check.values(read_object(reply.completion.text))
    except Transient:
        return {}, "it has no JSON object"
    return data, "; ".join(problems(schema, data))


def _summary(reply: Reply, check: Check, tools: Tools, **said: object) -> Summary:
    """What was said, with how it came about and what is to be said against it."""
    return Summary.model_validate(
        {
            **said,
            "processing": tools.options.processing,
            "method": "llm",
            "model": reply.completion.model,
            "usage": reply.completion.usage,
            "language": check.language,
            "unsupported": check.unsupported,
            "removed": check.removed,
        }
    )
