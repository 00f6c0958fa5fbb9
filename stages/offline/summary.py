"""Extractive summaries: the article's own sentences, in its own order."""

from collections.abc import Sequence
from itertools import groupby, pairwise

from stages.contract import Article, Length
from stages.contract.nouns import Section
from stages.offline.keywords import key_phrases
from stages.offline.outline import read_outline
from stages.offline.ranking import Ranked, pick, rank, sample
from stages.offline.scripts import is_unspaced
from stages.offline.tokens import stem

_OVERVIEW: dict[Length, tuple[int, int]] = {"short": (1, 25), "medium": (3, 50), "long": (7, 130)}
"""At most so many sentences and words. Three of ordinary length have 50 words; a description that people write has half
of that, so longer ones only dilute."""
_WORTHY_SHARE = 0.5
"""What a third sentence has to add to the overview, as a share of what the best one says."""
_KEY_POINTS = 5
_ONE_POINT_IN = 3
_SECTION_SENTENCES = 2
_MOST_SECTIONS = 12
_MOST_PARTS = 4
_PART_SENTENCES = 5


class ExtractiveSummary:
    """Summarizes one article; the sentences are ranked once.

    `overview` is one sentence, about three or up to seven (a shorter text gives fewer), `key_points` up to five others,
    and `sections` follow the article's headings, or the stretches of an article that has none.
    """

    def __init__(self, article: Article, length: Length = "medium") -> None:
        self._article = article
        self._outline = read_outline(article)
        self._ranked = rank(self._outline, article.title, article.language)
        self._overview = _pick_overview(self._ranked, length)

    @property
    def overview(self) -> str:
        return _join(self._overview)

    @property
    def key_points(self) -> tuple[str, ...]:
        points = pick(self._ranked, min(_KEY_POINTS, len(self._ranked) // _ONE_POINT_IN), avoiding=self._overview)
        return tuple(item.sentence.text for item in points)

    @property
    def sections(self) -> tuple[Section, ...]:
        return self._headed_sections() or self._unheaded_sections()

    def _headed_sections(self) -> tuple[Section, ...]:
        """The headed parts; a long part before the first heading goes under the article's title."""
        if not any(self._outline.headings):
            return ()
        grouped = groupby(self._ranked, key=lambda item: self._outline.headings[item.sentence.section])
        named = [(heading, list(own)) for heading, own in grouped]
        parts = [(name, own) for heading, own in named if (name := heading or self._lead_name(own))]
        return tuple(
            Section(heading=heading, text=_join(pick(own, _SECTION_SENTENCES))) for heading, own in _weightiest(parts)
        )

    def _lead_name(self, lead: Sequence[Ranked]) -> str | None:
        return self._article.title if len(lead) >= _PART_SENTENCES else None

    def _unheaded_sections(self) -> tuple[Section, ...]:
        """Stretches of equal length, each named by the phrase that marks it most."""
        sections: list[Section] = []
        for part in _stretches(self._ranked):
            heading = self._name(part, taken=[stem(section.heading) for section in sections])
            sections.append(Section(heading=heading, text=_join(pick(part, _SECTION_SENTENCES))))
        return tuple(sections)

    def _name(self, part: Sequence[Ranked], taken: Sequence[str]) -> str:
        phrases = key_phrases([item.sentence.text for item in sample(part)], None, self._article.language, limit=8)
        fresh = (phrase for phrase in phrases if stem(phrase) not in taken)
        heading = next(fresh, part[0].sentence.text[:40])
        return heading[:1].upper() + heading[1:]


def _pick_overview(ranked: Sequence[Ranked], length: Length) -> list[Ranked]:
    """No more than half of all sentences, and further ones only where they add enough."""
    sentences, words = _OVERVIEW[length]
    share = 0.0 if length == "long" else _WORTHY_SHARE
    return pick(ranked, min(sentences, (len(ranked) + 1) // 2), max_words=words, least_share=share)


def _stretches(ranked: Sequence[Ranked]) -> list[Sequence[Ranked]]:
    count = max(1, min(_MOST_PARTS, len(ranked) // _PART_SENTENCES))
    edges = [len(ranked) * part // count for part in range(count + 1)]
    return [ranked[start:end] for start, end in pairwise(edges) if start < end]


def _weightiest(parts: list[tuple[str, list[Ranked]]]) -> list[tuple[str, list[Ranked]]]:
    weights = sorted((sum(item.score for item in own) for _heading, own in parts), reverse=True)[:_MOST_SECTIONS]
    return [part for part in parts if sum(item.score for item in part[1]) >= weights[-1]][:_MOST_SECTIONS]


def _join(items: Sequence[Ranked]) -> str:
    texts = [item.sentence.text for item in items]
    return ("" if is_unspaced("".join(texts)) and not _uses_spaces(texts) else " ").join(texts)


def _uses_spaces(texts: Sequence[str]) -> bool:
    """Thai and its neighbours part sentences by a space; Chinese and Japanese do not."""
    return any(not text.endswith(("。", "！", "？", "」", "』", "”", "）", "…")) for text in texts)
