"""The passages of an article, and where they stand in it."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

from stages.contract import Article
from stages.contract.nouns import Span
from stages.offline.outline import running_lines
from stages.offline.sentences import split_sentences

_SHORTEST_QUOTE_CHARS = 8
_LONGEST_QUOTE_CHARS = 1_000


class Passages:
    """The sentences of an article's text, headings and lines of tables among them, each with its place.

    >>> article = Article(text="Locks  lift boats. Gates rot.", markdown="", language="en", word_count=5)
    >>> passages = Passages(article)
    >>> passages.spans
    (Span(start=0, end=18), Span(start=19, end=29))
    >>> passages.quoted("“locks LIFT boats”"), passages.quoted("Sheep graze there.")
    (range(0, 1), range(0, 0))
    """

    def __init__(self, article: Article) -> None:
        lines = running_lines(article.text)
        sentences = [each for line in lines for each in split_sentences(line, article.language)]
        placed = locate(sentences, article.text)
        self.sentences = tuple(sentence for sentence, span in zip(sentences, placed, strict=True) if span)
        self.spans = tuple(span for span in placed if span)
        bare = [_bare(sentence) for sentence in self.sentences]
        self._bare = "".join(bare)
        self._starts = list(accumulate(map(len, bare), initial=0))

    def quoted(self, quote: str) -> range:
        """Which sentences a quotation is from, white space, case and punctuation aside; none if it is no quotation."""
        bare = _bare(quote)
        if not _SHORTEST_QUOTE_CHARS <= len(bare) <= _LONGEST_QUOTE_CHARS:
            return range(0)
        at = self._bare.find(bare)
        if at < 0:
            return range(0)
        return range(self._sentence_at(at), self._sentence_at(at + len(bare) - 1) + 1)

    def spans_of(self, sentences: Iterable[int]) -> tuple[Span, ...]:
        """The places of some sentences; those that follow each other are one passage."""
        spans: list[Span] = []
        last = None
        for index in sorted(set(sentences)):
            if spans and last == index - 1:
                spans[-1] = Span(start=spans[-1].start, end=self.spans[index].end)
            else:
                spans.append(self.spans[index])
            last = index
        return tuple(spans)

    def _sentence_at(self, place: int) -> int:
        return bisect_right(self._starts, place) - 1


def locate(sentences: Sequence[str], text: str) -> list[Span | None]:
    """Where sentences stand in a text, in their order there, white space aside; None for one that does not.

    >>> locate(["b c.", "x"], "a.  b\\nc.")
    [Span(start=4, end=8), None]
    """
    places = [place for place, char in enumerate(text) if not char.isspace()]
    dense = "".join(text.split())
    found: list[Span | None] = []
    after = 0
    for sentence in sentences:
        sought = "".join(sentence.split())
        at = dense.find(sought, after) if sought else -1
        if at < 0 and sought:
            at = dense.find(sought)
        if at < 0:
            found.append(None)
            continue
        found.append(Span(start=places[at], end=places[at + len(sought) - 1] + 1))
        after = at + len(sought)
    return found


def _bare(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())
