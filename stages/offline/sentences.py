"""Splits a paragraph into sentences, in any script."""

import re
from bisect import bisect
from collections.abc import Iterator

from stages.offline.scripts import THAI, is_unspaced
from stages.offline.stopwords import stopwords_for
from stages.offline.word_sets import word_set

_ALWAYS_ENDS = "。！？｡।॥؟۔։።။។‼⁇⁈⁉"
_CLOSERS = r"(?:[\"'”’»›）)\]」』】》]|(?:\s»|«)(?=[\s,.]|$)|\[\d{1,3}\])*"
_STOP = re.compile(rf"[.!?…．{_ALWAYS_ENDS}]+{_CLOSERS}")
_OPENERS = " \t\u00a0\u3000\"'“„‘‚«»‹([{¿¡—–-*•"
_QUOTE = re.compile(r"「[^「」]{0,160}」|『[^『』]{0,160}』|（[^（）]{0,160}）")
_LAST_WORD = re.compile(r"([\w.]+)\.$")
_NEXT_WORD = re.compile(r"[^\W\d_]+")
_DOTTED = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
_ORDINAL = re.compile(r"\d{1,2}")
_WORD_BEFORE_CHARS = 24
_LOOK_AHEAD_CHARS = 80

_NEVER_END = word_set(
    """mr mrs ms dr prof st sr sra sres mme mlle mm m mgr hr fr frl herr rev gen col capt lt sgt gov sen rep
    pres hon dipl ing vs cf bzw ca z.b d.h u.a i.e e.g viz no nos nr núm num art abs fig figs vol pp p ed eds
    vgl ggf inkl zzgl evtl sog geb gest tel str av avda dott sig ул г гг г-н им т.е т.д стр руб тыс млн млрд jan
    feb mar apr jun jul aug sept sep oct okt nov dec dez janv févr avr juil déc"""
)
_MAY_END = word_set("etc usw inc ltd co corp jr a.m p.m bros dept est approx al u.a.m др пр")
_ORDINAL_DOTS = frozenset(
    {"de", "da", "no", "nb", "nn", "fi", "cs", "sk", "hu", "hr", "sl", "sr", "et", "lv", "is", "tr"}
)
"""Languages that write ordinals with a full stop, as in "3. Oktober"."""

_RUNAWAY_CHARS = 700
_PIECE_CHARS = 400
_THAI_CHARS = 80
_PAUSE = re.compile(r"[;:,،؛、，；]\s*|\s+")
_THAI_SPACE = re.compile(rf"(?<=[{THAI}])\s+(?=[{THAI}])")


def split_sentences(paragraph: str, language: str | None = None) -> list[str]:
    """The sentences of a paragraph, in order and as written.

    `language` is an ISO 639-1 code; it decides about ordinals and about what may follow an abbreviation. Text that
    never ends a sentence is cut at pauses.

    >>> split_sentences("Dr. J. R. Hall paid 3.5 million. Was it enough? “No!” she said.")
    ['Dr. J. R. Hall paid 3.5 million.', 'Was it enough?', '“No!” she said.']
    >>> split_sentences("水素を貯める。「本当か。」と聞いた。")
    ['水素を貯める。', '「本当か。」と聞いた。']
    """
    if _THAI_SPACE.search(paragraph) and is_unspaced(paragraph):
        return _split_thai(paragraph)
    return [piece for sentence in _split_at_stops(paragraph, language) for piece in _cut_runaway(sentence)]


def _split_at_stops(paragraph: str, language: str | None) -> Iterator[str]:
    quotes = [match.span() for match in _QUOTE.finditer(paragraph)]
    start = 0
    for stop in _STOP.finditer(paragraph):
        if not _is_within(quotes, stop) and _ends_sentence(paragraph, stop, language):
            yield paragraph[start : stop.end()].strip()
            start = stop.end()
    if rest := paragraph[start:].strip():
        yield rest


def _is_within(quotes: list[tuple[int, int]], stop: re.Match[str]) -> bool:
    before = bisect(quotes, stop.span())
    return before > 0 and stop.end() <= quotes[before - 1][1]


def _ends_sentence(paragraph: str, stop: re.Match[str], language: str | None) -> bool:
    rest = paragraph[stop.end() : stop.end() + _LOOK_AHEAD_CHARS]
    if any(mark in _ALWAYS_ENDS for mark in stop.group()) or not rest.strip():
        return True
    following = rest.lstrip(_OPENERS)
    if not rest[0].isspace() or following[:1].islower():
        return False
    return not stop.group().startswith(".") or _is_full_stop(paragraph, stop.start(), following, language)


def _is_full_stop(paragraph: str, at: int, following: str, language: str | None) -> bool:
    """Whether the dot ends a sentence rather than an abbreviation, an initial or an ordinal."""
    found = _LAST_WORD.search(paragraph[max(0, at - _WORD_BEFORE_CHARS) : at + 1])
    if not found:
        return True
    word = found.group(1).casefold()
    if word in _NEVER_END:
        return False
    if _ORDINAL.fullmatch(word):
        return language not in _ORDINAL_DOTS
    if word in _MAY_END or _DOTTED.fullmatch(word):
        return _starts_with_common_word(following, language)
    return True


def _starts_with_common_word(following: str, language: str | None) -> bool:
    found = _NEXT_WORD.match(following)
    if found is None or following[found.end() : found.end() + 1] == ".":
        return False
    return found.group().casefold() in stopwords_for(language)


def _cut_runaway(sentence: str) -> Iterator[str]:
    start = 0
    while len(sentence) - start > _RUNAWAY_CHARS:
        furthest = start + _PIECE_CHARS
        pauses = [match.end() for match in _PAUSE.finditer(sentence, start + _PIECE_CHARS // 2, furthest)]
        cut = pauses[-1] if pauses else furthest
        yield sentence[start:cut].strip()
        start = cut
    yield sentence[start:].strip()


def _split_thai(paragraph: str) -> list[str]:
    """Thai marks no sentence ends; phrases between spaces are gathered until they are long enough to be one."""
    sentences, start = [], 0
    for space in _THAI_SPACE.finditer(paragraph):
        if space.start() - start >= _THAI_CHARS:
            sentences.append(paragraph[start : space.start()].strip())
            start = space.end()
    return [*sentences, paragraph[start:].strip()]
