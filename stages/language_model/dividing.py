"""Cuts a text into passages that a language model can read one at a time, where its structure allows."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from stages.offline.sentences import split_sentences

CountTokens = Callable[[str], int]

_LINE = re.compile(r"[^\n]*\n\s*|[^\n]+")
_PARAGRAPH_GAP = re.compile(r"\n\s*\n")
_SENTENCE, _LINE_START, _PARAGRAPH, _SECTION = range(4)
"""How good a place is to cut before it."""
_CHARS_PER_PIECE = 200
"""Of a sentence that is too long."""


@dataclass(frozen=True, slots=True)
class _Unit:
    start: int
    end: int
    tokens: int
    strength: int


def divide(
    text: str,
    max_tokens: int,
    count: CountTokens,
    *,
    headings: frozenset[str] = frozenset(),
    language: str | None = None,
) -> Iterator[tuple[int, int]]:
    """The start and end of each passage; together they are the whole text, and each has at most `max_tokens`.

    A passage ends before the best place in its second half: a line that is one of the `headings`, a paragraph, a line,
    a sentence.

    >>> text = "One.\\n\\nTwo.\\nThree.\\n\\nFour."
    >>> [text[start:end] for start, end in divide(text, 4, lambda part: len(part.split()))]
    ['One.\\n\\nTwo.\\nThree.\\n\\nFour.']
    >>> [text[start:end] for start, end in divide(text, 3, lambda part: len(part.split()))]
    ['One.\\n\\nTwo.\\nThree.\\n\\n', 'Four.']
    """
    units = list(_Units(text, max_tokens, count, headings, language))
    first = 0
    while first < len(units):
        last = _cut(units, first, max_tokens)
        yield units[first].start, units[last - 1].end
        first = last


def _cut(units: Sequence[_Unit], first: int, max_tokens: int) -> int:
    """Where the passage ends that begins at `first`: the index of the unit after it."""
    sizes: list[int] = []
    filled = 0
    for place in range(first, len(units)):
        filled += units[place].tokens
        if filled > max_tokens and sizes:
            break
        sizes.append(filled)
    else:
        return len(units)
    places = [first + taken for taken, size in enumerate(sizes, start=1) if size * 2 >= sizes[-1]]
    return max(places, key=lambda place: (units[place].strength, place))


@dataclass(frozen=True, slots=True)
class _Units:
    """Lines; the sentences of those that are too large; pieces of sentences that still are."""

    text: str
    max_tokens: int
    count: CountTokens
    headings: frozenset[str]
    language: str | None

    def __iter__(self) -> Iterator[_Unit]:
        for line in self._lines():
            if line.tokens <= self.max_tokens:
                yield line
            else:
                yield from self._sentences(line)

    def _lines(self) -> Iterator[_Unit]:
        after_gap = False
        for match in _LINE.finditer(self.text):
            line = match.group()
            is_heading = line.strip() in self.headings
            strength = _SECTION if is_heading else _PARAGRAPH if after_gap else _LINE_START
            yield self._unit(match.start(), match.end(), strength)
            after_gap = _PARAGRAPH_GAP.search(line) is not None

    def _sentences(self, line: _Unit) -> Iterator[_Unit]:
        starts = [line.start, *self._later_sentences(line)]
        for place, (start, end) in enumerate(zip(starts, [*starts[1:], line.end], strict=True)):
            sentence = self._unit(start, end, _SENTENCE if place else line.strength)
            if sentence.tokens <= self.max_tokens:
                yield sentence
            else:
                yield from self._pieces(sentence)

    def _later_sentences(self, line: _Unit) -> Iterator[int]:
        """Where the sentences of a line begin, but for the first."""
        at = line.start
        for place, sentence in enumerate(split_sentences(self.text[line.start : line.end], self.language)):
            found = self.text.find(sentence, at, line.end)
            if found >= 0:
                at = found + len(sentence)
            if place > 0 and found >= 0:
                yield found

    def _pieces(self, sentence: _Unit) -> Iterator[_Unit]:
        for start in range(sentence.start, sentence.end, _CHARS_PER_PIECE):
            end = min(start + _CHARS_PER_PIECE, sentence.end)
            yield self._unit(start, end, sentence.strength if start == sentence.start else _SENTENCE)

    def _unit(self, start: int, end: int, strength: int) -> _Unit:
        return _Unit(start, end, self.count(self.text[start:end]), strength)
