"""Key phrases of a text: runs of content words that keep coming back."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import log, sqrt

from stages.offline.scripts import HAN, KATAKANA, SOUTHEAST, is_unspaced
from stages.offline.stopwords import HAN_PARTICLES, MEASURE_WORDS, stopwords_for
from stages.offline.tokens import stem, words

_CLAUSE = re.compile(r"[.,;:!?…()\[\]{}\"“”„«»|/،؛؟।\n]+|\s[–—-]\s|[–—]")
_PIECE = re.compile(f"[{HAN}]+|[{KATAKANA}]{{2,}}|[{SOUTHEAST}]+|[A-Za-z][A-Za-z0-9-]+")
_SPLIT_AT_PARTICLE = re.compile(f"[{HAN_PARTICLES}]")
_SOUTHEAST = re.compile(f"[{SOUTHEAST}]")
_DANGLING_MARK = re.compile("^[\u0e30-\u0e3a\u0e45-\u0e4e\u0eb0-\u0ebd\u0ec8-\u0ecd]|[\u0e40-\u0e44\u0ec0-\u0ec4]$")
_LONGEST_PHRASE_WORDS = 3
_SHORTEST_WORD_CHARS = 3
_TITLE_FACTOR = 1.6
_HAN_GRAM_CHARS = range(2, 9)
_SOUTHEAST_GRAM_CHARS = range(4, 13)
_MOSTLY_INSIDE = 0.75
_LARGELY_INSIDE = 0.3
"""Which share of a phrase's uses has to lie inside a longer phrase, or inside one already kept, to drop it."""


@dataclass(slots=True)
class _Candidate:
    forms: Counter[str] = field(default_factory=Counter)
    sentences: set[int] = field(default_factory=set)
    first: int = 0

    @property
    def count(self) -> int:
        return self.forms.total()

    @property
    def form(self) -> str:
        return max(self.forms, key=lambda form: (self.forms[form], -len(form), form))


Key = tuple[str, ...]
"""The stems of a phrase, or the characters of one in a script without spaces."""


def key_phrases(sentences: Sequence[str], title: str | None, language: str | None, limit: int) -> list[str]:
    """The phrases that mark a text, the weightiest first, as the text mostly writes them.

    One that stands mostly inside a longer repeated phrase is left to that phrase.

    >>> key_phrases(["The canal lock leaks.", "A canal lock needs gates.", "Gates rot."], None, "en", limit=2)
    ['canal lock', 'gates']
    """
    read = _unspaced_phrases if is_unspaced(" ".join(sentences[:50])) else _spaced_phrases
    candidates = _collect([list(read(sentence, language)) for sentence in sentences])
    in_title = {key for key, _form in read(title or "", language)}
    weights = {key: _weight(key, found, len(sentences), key in in_title) for key, found in candidates.items()}
    ordered = sorted(candidates, key=lambda key: (-weights[key], candidates[key].first, key))
    return [candidates[key].form for key in _without_parts(ordered, candidates, limit)]


def _collect(phrases: Sequence[Sequence[tuple[Key, str]]]) -> dict[Key, _Candidate]:
    """Candidates by key; longer phrases have to occur twice."""
    found: defaultdict[Key, _Candidate] = defaultdict(_Candidate)
    for place, sentence in enumerate(phrases):
        for key, form in sentence:
            if key not in found:
                found[key].first = place
            found[key].forms[form] += 1
            found[key].sentences.add(place)
    repeated = {key: candidate for key, candidate in found.items() if candidate.count > 1}
    parts = {
        part
        for key, candidate in repeated.items()
        for part in (key[:-1], key[1:])
        if part in repeated and candidate.count >= _MOSTLY_INSIDE * repeated[part].count
    }
    whole = {key: candidate for key, candidate in repeated.items() if key not in parts}
    return whole or {key: candidate for key, candidate in found.items() if len(key) == 1 or not key[0].isascii()}


def _weight(key: Key, found: _Candidate, sentences: int, in_title: bool) -> float:
    """Grows with use, spread and length; falls with the place of the first use."""
    spread = log(1 + len(found.sentences))
    early = 1 + 0.5 * (1 - found.first / max(1, sentences))
    length = sqrt(len(key))
    return spread * sqrt(found.count) * early * length * (_TITLE_FACTOR if in_title else 1.0)


def _without_parts(ordered: Sequence[Key], candidates: dict[Key, _Candidate], limit: int) -> list[Key]:
    """The first `limit` phrases of which none repeats, extends or largely lives inside a heavier one."""
    kept: list[Key] = []
    for key in ordered:
        if len(kept) == limit:
            break
        if not any(_overlaps(key, other, candidates) for other in kept):
            kept.append(key)
    return kept


def _overlaps(key: Key, other: Key, candidates: dict[Key, _Candidate]) -> bool:
    if len(key) < len(other):
        return _contains(other, key) and candidates[other].count >= _LARGELY_INSIDE * candidates[key].count
    return _contains(key, other) or len(set(key) & set(other)) * 2 > len(key)


def _contains(longer: Key, shorter: Key) -> bool:
    span = len(shorter)
    return any(longer[at : at + span] == shorter for at in range(len(longer) - span + 1))


def _spaced_phrases(sentence: str, language: str | None) -> Iterator[tuple[Key, str]]:
    stopwords = stopwords_for(language) | MEASURE_WORDS
    for clause in _CLAUSE.split(sentence):
        for run in _content_runs(words(clause), stopwords):
            for size in range(1, _LONGEST_PHRASE_WORDS + 1):
                for at in range(len(run) - size + 1):
                    phrase = run[at : at + size]
                    yield tuple(stem(word) for word in phrase), " ".join(phrase)


def _content_runs(clause: Sequence[str], stopwords: frozenset[str]) -> Iterator[list[str]]:
    run: list[str] = []
    for word in clause:
        if word.casefold() in stopwords or len(word) < _SHORTEST_WORD_CHARS or not word[0].isalpha():
            if run:
                yield run
            run = []
        else:
            run.append(word)
    if run:
        yield run


def _unspaced_phrases(sentence: str, _language: str | None) -> Iterator[tuple[Key, str]]:
    """All n-grams of each run of one script; what a longer gram explains is dropped later."""
    for piece in _PIECE.findall(sentence):
        if piece[0].isascii():
            yield (piece.casefold(),), piece
            continue
        sizes = _SOUTHEAST_GRAM_CHARS if _SOUTHEAST.match(piece) else _HAN_GRAM_CHARS
        for run in _SPLIT_AT_PARTICLE.split(piece):
            for size in sizes:
                for at in range(len(run) - size + 1):
                    gram = run[at : at + size]
                    if not _DANGLING_MARK.search(gram):
                        yield tuple(gram), gram
