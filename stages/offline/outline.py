"""Reads an article as sections of running sentences, leaving headings, code, tables and crumbs aside."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from stages.contract import Article
from stages.offline.scripts import count_letters, count_words
from stages.offline.sentences import split_sentences

_HEADING = re.compile(r"^#{1,6}[ \t]+(.+)$", re.MULTILINE)
_LIST_ITEM = re.compile(r"^[ \t]*(?:[-*+]|\d{1,3}[.)])[ \t]+(.+)$", re.MULTILINE)
_FENCED = re.compile(r"^(```|~~~)[^\n]*\n(.*?)^\1", re.MULTILINE | re.DOTALL)
_INLINE_MARKUP = re.compile(r"!?\[([^\[\]\n]*)\]\([^()\n]{0,2000}\)|[*_`\\]+")
_ENDS_LIKE_SENTENCE = re.compile(r"[.!?…。！？｡．؟۔।॥։።។:：](?:[\"'”’»›）)\]」』]|\[\d{1,3}\])*$")
_SEPARATOR = re.compile(r"\s(?:[|›»>·•/]|::)\s")
_SPACE = re.compile(r"\s+")
_MARKER = re.compile(r"^(?:[-*•·▪–]|\d{1,2}[.)])\s+")
_WRAPPED_CHARS = range(50, 101)
_FEWEST_WORDS = 4
_FEWEST_WORDS_UNENDED = 12
_LEAST_LETTERS = 0.55


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence as written, white space folded."""

    text: str
    index: int
    """Its place among the sentences of the article, from 0."""
    section: int
    opens_paragraph: bool
    is_listed: bool = False
    """Whether it stands in a list."""


@dataclass(frozen=True, slots=True)
class Outline:
    """The running text of an article."""

    headings: tuple[str | None, ...]
    """By section; None for text that stands before the first heading."""
    sentences: tuple[Sentence, ...]


def read_outline(article: Article) -> Outline:
    """The sections and sentences of an article; headings are taken from its Markdown.

    Lines that are not prose count only where the article has nothing else.
    """
    headings, listed = headings_of(article), _plain(_LIST_ITEM, article.markdown)
    lines = list(running_lines(article.text, own_line=headings | listed))
    not_prose = headings | _code_lines(article.markdown)
    prose = [line for line in lines if line in headings or (line not in not_prose and _is_prose(line))]
    if not any(line not in headings for line in prose):
        return _compose(lines, frozenset(), listed, article)
    return _compose(prose, headings, listed, article)


def headings_of(article: Article) -> frozenset[str]:
    """The headings of an article as its plain text has them."""
    return _plain(_HEADING, article.markdown)


def fold_space(text: str) -> str:
    """White space as single spaces, none at the ends.

    >>> fold_space(" a\\n b ")
    'a b'
    """
    return _SPACE.sub(" ", text).strip()


def _compose(lines: list[str], headings: frozenset[str], listed: frozenset[str], article: Article) -> Outline:
    title = fold_space(article.title or "")
    named: list[str | None] = [None]
    sentences: list[Sentence] = []
    for line in lines:
        if line in headings:
            named.append(line if line != title else None)
            continue
        is_listed = line in listed or bool(_MARKER.match(line))
        for place, text in enumerate(split_sentences(_MARKER.sub("", line), article.language)):
            sentences.append(Sentence(text, len(sentences), len(named) - 1, place == 0, is_listed))
    return Outline(tuple(named), tuple(sentences))


def running_lines(text: str, own_line: frozenset[str] = frozenset()) -> Iterator[str]:
    """Paragraphs and single lines; hard-wrapped paragraphs are joined, unless the Markdown keeps their lines apart."""
    for block in re.split(r"\n\s*\n", text):
        lines = [folded for line in block.splitlines() if (folded := fold_space(line))]
        if _is_wrapped(lines) and own_line.isdisjoint(lines):
            yield " ".join(lines)
        else:
            yield from lines


def _is_wrapped(lines: list[str]) -> bool:
    """Whether all lines but the last are about as long as a text file's."""
    full = [line for line in lines[:-1] if len(line) in _WRAPPED_CHARS and not _MARKER.match(line)]
    return len(full) > 0 and len(full) == len(lines) - 1


def _plain(block: re.Pattern[str], markdown: str) -> frozenset[str]:
    """The texts of such blocks outside code, without inline markup."""
    found = block.findall(_FENCED.sub("", markdown))
    return frozenset(plain for text in found if (plain := fold_space(_INLINE_MARKUP.sub(r"\1", text))))


def _code_lines(markdown: str) -> frozenset[str]:
    """The lines of fenced code, and each block as one line, which is how plain text may render it."""
    blocks = [body for _fence, body in _FENCED.findall(markdown)]
    return frozenset(fold_space(part) for block in blocks for part in (block, *block.splitlines()))


def _is_prose(line: str) -> bool:
    if len(_SEPARATOR.findall(line)) > 1 or count_letters(line) < len(line) * _LEAST_LETTERS:
        return False
    fewest = _FEWEST_WORDS if _ENDS_LIKE_SENTENCE.search(line) else _FEWEST_WORDS_UNENDED
    return count_words(line) >= fewest
