"""Articles that are longer than the language model reads at once: passages, notes of each, and notes of notes."""

from collections.abc import Iterable, Iterator, Sequence

from stages.contract import Article, Llm, Notes, Options, Passage, Tools, Transient
from stages.contract.nouns import Usage
from stages.language_model.answers import read_prose
from stages.language_model.asking import Reading, ask_about, heading_of
from stages.language_model.cleaning import Cleaner
from stages.language_model.dividing import divide
from stages.language_model.fallback import or_without
from stages.language_model.prompts import NOTES_ON_NOTES, notes_for, part_of
from stages.offline.outline import headings_of

_LEAST_PER_GROUP = 4
"""Notes are cut to what lets so many of them be read at once, so that every level has far fewer."""
_GAP = "\n\n"


def split_article(article: Article, tools: Tools) -> Iterator[Passage]:
    """The passages of an article that is too long; none of one that can be read at once, or without a model."""
    llm = tools.llm
    if llm is None:
        return
    room = llm.max_input_tokens - llm.count_tokens(heading_of(article.title))
    if llm.count_tokens(article.text) <= room:
        return
    spans = list(divide(article.text, room, llm.count_tokens, headings=headings_of(article), language=article.language))
    for number, (start, end) in enumerate(spans, start=1):
        yield Passage(
            title=article.title,
            text=article.text[start:end],
            language=article.language,
            start=start,
            number=number,
            count=len(spans),
        )


def take_notes(passage: Passage, tools: Tools) -> Notes:
    """What a passage says, shorter. Raises as `ask_about` and `read_prose` do."""
    return or_without(
        tools, lambda llm, in_time: _ask_for_notes(passage, llm, in_time), lambda reason: _no_notes(passage, reason)
    )


def _no_notes(passage: Passage, reason: str | None) -> Notes:
    """Nothing that could be put together with notes: the summary will be made of the article itself."""
    if reason is None:
        raise Transient("llm_unavailable")
    return Notes(text="", parts=passage.parts, usage=passage.usage, fallback_reason=reason)


def _ask_for_notes(passage: Passage, llm: Llm, tools: Tools) -> Notes:
    about = NOTES_ON_NOTES if passage.of_notes else part_of(passage.number, passage.count)
    reading = Reading(passage.title, passage.text, passage.language, about)
    reply = ask_about(notes_for(tools.options), reading, llm, tools, _of_contents(tools.options))
    cleaner = Cleaner(passage.text, reply.question.instructions, reply.question.secrets)
    notes = read_prose(cleaner.clean(read_prose(reply.completion.text)))
    # Of a short passage a model may write more than it read.
    text = min(notes, passage.text, key=len)
    return Notes(
        text=_cut_to(text, llm.max_input_tokens // _LEAST_PER_GROUP, llm),
        parts=passage.parts,
        usage=sum_usage([passage.usage, reply.completion.usage]),
    )


def _of_contents(options: Options) -> Options:
    """What of the client's wishes matters to notes: how the summary is put does not, nor in which language."""
    return Options(prompt=options.prompt)


def group_notes(results: Sequence[Notes], tools: Tools) -> Iterator[Passage]:
    """Notes that are read together and made shorter once more; none when all can be read at once."""
    llm = tools.llm
    fell_back = any(notes.fallback_reason for notes in results)
    if llm is None or fell_back or llm.count_tokens(join_notes(results)) <= llm.max_input_tokens:
        return
    for group in _groups(results, llm):
        yield Passage(
            text=join_notes(group),
            of_notes=True,
            parts=sum(notes.parts for notes in group),
            usage=sum_usage(notes.usage for notes in group),
        )


def join_notes(results: Sequence[Notes]) -> str:
    """Notes of consecutive passages as one text."""
    return _GAP.join(notes.text for notes in results)


def sum_usage(usages: Iterable[Usage | None]) -> Usage | None:
    """What all calls cost together; None when no server said anything."""
    known = [usage for usage in usages if usage is not None]
    if not known:
        return None
    return Usage(
        input_tokens=sum(usage.input_tokens for usage in known),
        output_tokens=sum(usage.output_tokens for usage in known),
        cached=all(usage.cached for usage in known),
        saved_tokens=sum(usage.saved_tokens for usage in known),
    )


def _groups(results: Sequence[Notes], llm: Llm) -> Iterator[Sequence[Notes]]:
    start, tokens = 0, 0
    for place, notes in enumerate(results):
        size = llm.count_tokens(notes.text + _GAP)
        if tokens + size > llm.max_input_tokens and place > start:
            yield results[start:place]
            start, tokens = place, 0
        tokens += size
    yield results[start:]


def _cut_to(text: str, max_tokens: int, llm: Llm) -> str:
    """The first passage of a text that is too long: a model may write more than it was asked for."""
    start, end = next(divide(text, max_tokens, llm.count_tokens))
    return text[start:end].strip()
