"""What can be told of each passage of a page without understanding it: numbers for the model that chooses.

Sources: the passage's own words, the boxes around it, its neighbours, the page, and what other extractors chose.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations
from math import log1p

import numpy as np
from numpy.typing import NDArray

from stages.extraction.hints import NAMED, hints
from stages.extraction.passages import Box, Choice, Passage
from stages.extraction.signals import PageSignals
from stages.extraction.trees import BLOCKS, HEADINGS

INSIDE = (
    *("article", "main", "section", "aside", "header", "footer", "nav", "form", "button", "table"),
    *("li", "blockquote", "figure", "details", "a", "dl"),
)
_INSIDE_AT = {tag: index for index, tag in enumerate(INSIDE)}
FAR = 99.0
"""Stands for "not at all" where distances are told."""
NOWHERE = -999.0
SAMPLE_CHARS = 300
"""Of a passage, to find dates and prices in and to see how it is spelled."""
LEVELS = 5
_PRICE_AT, _DATE_AT = 9, 10
NEAR = (-2, -1, 1, 2)
WINDOWS = (3, 8)

_FURNITURE = re.compile(
    r"\b(?:cookies?|privacy policy|terms of|all rights reserved|copyright|subscribe|newsletter|sign (?:in|up)|log ?in"
    r"|register|share|tweet|facebook|twitter|instagram|linkedin|pinterest|whatsapp|follow us|read more|learn more"
    r"|view all|see all|show more|load more|add to (?:cart|bag|basket|wishlist)|buy now|related|you may also"
    r"|recommended|advertisement|sponsored|skip to|back to top|leave a (?:reply|comment)|reply|quote|report|print"
    r"|e-?mail|contact us|menu|search|filter|sort by|next|previous|home|tags?|categor(?:y|ies)|posted|filed under)\b",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(
    r"\b(?:related|similar|recommend\w*|you (?:may|might)|also (?:like|viewed|bought)|more (?:from|stories|in|news|like"
    r"|articles|posts)|recent|latest|popular|trending|most read|read (?:next|also|more)|see also|comments?"
    r"|repl(?:y|ies)|responses?|share|about the author|newsletter|subscribe|sign up|follow|categories|tags|archives?"
    r"|featured|sponsored|advert\w*|explore|discover|next|contact|get in touch|customers also|reviews?)\b",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\b(?:19|20)\d\d\b|\b\d{1,2}[:/.]\d{2}|\bago\b"
    r"|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b",
    re.IGNORECASE,
)
_PRICE = re.compile(r"[$€£¥₹]\s?\d|\d\s?(?:€|USD|EUR|GBP)")


def matrix(passages: list[Passage], signals: PageSignals, choices: list[Choice]) -> NDArray[np.float64]:
    """One row of numbers a passage, in the order of `names`."""
    if not passages:
        return np.zeros((0, len(list(names(map(str, range(len(choices))))))))
    kept = np.array([[choice.share_of(passage.words) for choice in choices] for passage in passages])
    own = _own(passages, signals)
    page = _Page(passages, kept)
    prices, dates = own[:, _PRICE_AT].mean(), own[:, _DATE_AT].mean()
    whole = np.array([*signals.numbers(), *page.numbers(prices, dates)])
    parts = [own, page.around(), page.near(), page.chosen()]
    return np.hstack([*parts, np.broadcast_to(whole, (len(passages), len(whole)))])


def _own(passages: list[Passage], signals: PageSignals) -> NDArray[np.float64]:
    copies = Counter(passage.text for passage in passages)
    title = signals.title
    rows = []
    for passage in passages:
        text, words, tag = passage.text, passage.words, passage.box.tag
        length = len(words)
        initials = [word[0] for word in text[:SAMPLE_CHARS].split()]
        rows.append(
            [
                log1p(length),
                passage.linked / length,
                sum(map(len, words)) / length,
                (text.count(",") + text.count(".")) / length,
                text[-1] in '.!?。！？…"”',
                text[-1] == ":",
                sum(map(str.isdigit, words)) / length,
                sum(map(str.isupper, initials)) / len(initials),
                sum(map(str.islower, initials)) / len(initials),
                bool(_PRICE.search(text, 0, SAMPLE_CHARS)),
                bool(_DATE.search(text, 0, SAMPLE_CHARS)),
                length <= 12 and bool(_FURNITURE.search(text)),
                "©" in text or "ights reserved" in text,
                "|" in text or "›" in text or "»" in text or "·" in text,
                text.isupper(),
                tag == "p",
                tag == "li",
                tag in ("td", "th"),
                tag in ("dt", "dd"),
                tag == "pre",
                HEADINGS.get(tag, 0),
                tag == "div",
                tag in BLOCKS,
                copies[text],
                sum(map(title.__contains__, words)) / length,
                len(title.intersection(words)) / max(len(title), 1),
                length > 3 and " ".join(words) in signals.description,
                signals.article_body.share_of(words),
            ]
        )
    return np.array(rows, dtype=np.float64)


class _Page:
    """What is told of passages by where they stand."""

    def __init__(self, passages: list[Passage], kept: NDArray[np.float64]) -> None:
        self.passages = passages
        self.kept = kept
        self.lengths = np.array([len(passage.words) for passage in passages], dtype=np.float64)
        self.linked = np.array([passage.linked for passage in passages])
        self.levels = np.array([HEADINGS.get(passage.box.tag, 0) for passage in passages], dtype=np.float64)
        self.total = self.lengths.sum()
        self._list_boxes()
        self.nearest = self._nearest_names()[self.box_of]

    def _list_boxes(self) -> None:
        """All boxes that hold passages, outer ones first, with the numbers of their parents and of the passages'."""
        found = dict.fromkeys(box for passage in self.passages for box in passage.box.lineage())
        self.boxes = sorted(found, key=lambda box: box.depth)
        number = {box: index for index, box in enumerate(self.boxes)}
        self.parents = np.array([number[box.parent] if box.parent else 0 for box in self.boxes])
        self.box_of = np.array([number[passage.box] for passage in self.passages])

    # around

    def around(self) -> NDArray[np.float64]:
        facts, at = self._box_facts(), self.box_of
        parts = [self.nearest]
        for _ in range(LEVELS):
            parts.append(facts[at])
            at = self.parents[at]
        return np.hstack([*parts, self._kinds()])

    def _box_facts(self) -> NDArray[np.float64]:
        kept = np.zeros((len(self.boxes), self.kept.shape[1]))
        np.add.at(kept, self.box_of, self.kept * self.lengths[:, None])
        for index in range(len(self.boxes) - 1, 0, -1):
            kept[self.parents[index]] += kept[index]
        words = np.array([box.words for box in self.boxes], dtype=np.float64)
        linked = np.array([box.linked for box in self.boxes])
        per_passage = words / np.array([box.passages for box in self.boxes])
        alike = np.array([box.parent.most_alike() if box.parent else 0 for box in self.boxes])
        told = [np.log1p(words), linked / words, per_passage, words / self.total, alike]
        return np.hstack([np.column_stack(told), kept / words[:, None]])

    def _nearest_names(self) -> NDArray[np.float64]:
        """For each box, how many levels up the nearest of each tag and hint is, of the core, and around the h1."""
        core, around_h1 = self._core(), self._around_h1()
        missing = [-FAR] * (len(INSIDE) + len(NAMED) + 2)
        depths: list[list[float]] = []
        for box, parent in zip(self.boxes, self.parents, strict=True):
            row = depths[parent] if box.parent else missing
            marks = [len(INSIDE) + hint for hint in hints(box.names)]
            marks += [_INSIDE_AT[box.tag]] if box.tag in _INSIDE_AT else []
            marks += [-2] if box in core else []
            marks += [-1] if box in around_h1 or not box.parent else []
            if marks:
                row = row.copy()
                for mark in marks:
                    row[mark] = box.depth
            depths.append(row)
        depth = np.array([box.depth for box in self.boxes], dtype=np.float64)[:, None]
        nearest = np.array(depths)
        return np.hstack([np.where(nearest < 0, FAR, depth - nearest), depth])

    def _core(self) -> set[Box]:
        """From the body inward, the chain of boxes that each hold most of the words outside links."""
        inside: dict[Box, list[Box]] = defaultdict(list)
        for box in self.boxes[1:]:
            if box.parent:
                inside[box.parent].append(box)
        box, least = self.boxes[0], self.boxes[0].unlinked / 2
        core = {box}
        while inside[box]:
            box = max(inside[box], key=lambda child: child.unlinked)
            if box.unlinked < least:
                break
            core.add(box)
        return core

    def _around_h1(self) -> set[Box]:
        first = next((passage.box for passage in self.passages if passage.box.tag == "h1"), None)
        return set(first.lineage()) if first else set()

    def _kinds(self) -> NDArray[np.float64]:
        """How many passages stand in boxes like its own, how long they are, how much of them is links."""
        sums: dict[tuple[str, ...], list[float]] = {}
        kinds = [_kind(passage.box) for passage in self.passages]
        for kind, passage in zip(kinds, self.passages, strict=True):
            one = sums.setdefault(kind, [0.0, 0.0, 0.0])
            one[0] += 1
            one[1] += len(passage.words)
            one[2] += passage.linked
        return np.array([[n, words / n, linked / words] for n, words, linked in map(sums.__getitem__, kinds)])

    # near

    def near(self) -> NDArray[np.float64]:
        size = len(self.passages)
        shown = np.column_stack([np.log1p(self.lengths), self.linked / self.lengths, self.levels, self.kept])
        reach = max(NEAR)
        padded = np.pad(shown, ((reach, reach), (0, 0)), constant_values=-1.0)
        parts = [padded[reach + offset : reach + offset + size] for offset in NEAR]
        parts += [self._window(width) for width in WINDOWS]
        before = np.cumsum(self.lengths) - self.lengths
        index = np.arange(size)
        places = [index / size, index, before / self.total, 1 - (before + self.lengths) / self.total]
        return np.hstack([*parts, np.column_stack(places), self._headings()])

    def _window(self, width: int) -> NDArray[np.float64]:
        """Means over so many passages on both sides."""
        size = len(self.passages)
        sums = np.column_stack([self.lengths, self.linked, self.kept * self.lengths[:, None]]).cumsum(axis=0)
        sums = np.vstack([np.zeros(sums.shape[1]), sums])
        first = np.maximum(np.arange(size) - width, 0)
        last = np.minimum(np.arange(size) + width + 1, size)
        inside = sums[last] - sums[first]
        return np.column_stack([inside[:, 0] / (last - first), inside[:, 1:] / inside[:, :1]])

    def _headings(self) -> NDArray[np.float64]:
        """How far the first h1 is, the heading above, and the last one that led elsewhere, such as to comments."""
        h1 = next((index for index, level in enumerate(self.levels) if level == 1), None)
        heading, elsewhere, leads_elsewhere = -1, -1, False
        rows = []
        for index, passage in enumerate(self.passages):
            if self.levels[index]:
                heading = index
                leads_elsewhere = len(passage.words) <= 12 and bool(_ELSEWHERE.search(passage.text))
                elsewhere = index if leads_elsewhere else elsewhere
            rows.append(
                [
                    index - h1 if h1 is not None else NOWHERE,
                    index - heading if heading >= 0 else -1,
                    self.levels[heading] if heading >= 0 else 0,
                    leads_elsewhere,
                    index - elsewhere if elsewhere >= 0 else -1,
                ]
            )
        return np.array(rows, dtype=np.float64)

    # other extractors, and the page

    def chosen(self) -> NDArray[np.float64]:
        """What the others kept, and how far it is to where their choices begin and end."""
        index = np.arange(len(self.passages))
        parts = [self.kept]
        for kept in self.kept.T:
            at = np.flatnonzero((kept > 0.5) & (self.lengths >= 8))
            span = [index - at[0], at[-1] - index] if len(at) else [np.full(len(index), NOWHERE)] * 2
            parts.append(np.column_stack(span))
        return np.hstack(parts)

    def numbers(self, prices: float, dates: float) -> list[float]:
        """Of the page as a whole."""
        total, size = self.total, len(self.passages)
        tags = Counter(passage.box.tag for passage in self.passages)
        inside = [self.lengths[self.nearest[:, _INSIDE_AT[tag]] < FAR].sum() / total for tag in ("article", "main")]
        kept = self.kept.T @ self.lengths / total
        agreement = []
        for one, other in combinations(self.kept.T, 2):
            either = np.maximum(one, other) @ self.lengths
            agreement.append(np.minimum(one, other) @ self.lengths / either if either else 0.0)
        return [
            log1p(total),
            log1p(size),
            total / size,
            self.linked.sum() / total,
            tags["p"] / size,
            tags["li"] / size,
            prices,
            dates,
            self.lengths[self.lengths >= 20].sum() / total,
            tags["h1"],
            *inside,
            *kept,
            *agreement,
        ]


def _kind(box: Box) -> tuple[str, ...]:
    row: list[str] = []
    for around in box.lineage():
        row += [around.tag, around.names.split(" ", 1)[0]]
        if len(row) >= 8:
            break
    return tuple(row)


def names(choices: Iterable[str]) -> Iterator[str]:
    """The names of a row's numbers."""
    choices = list(choices)
    yield from [
        "length",
        "link_share",
        "word_length",
        "punctuation",
        "ends_sentence",
        "ends_colon",
        "digits",
        "upper",
        "lower",
        "price",
        "date",
    ]
    yield from [
        "furniture",
        "copyright",
        "separators",
        "caps",
        "p",
        "li",
        "cell",
        "term",
        "pre",
        "level",
        "div",
        "block",
        "copies",
    ]
    yield from ["of_title", "title_share", "in_description", "in_article_body"]
    yield from (f"in_{tag}" for tag in INSIDE)
    yield from (f"name_{name}" for name in NAMED)
    yield from ("below_core", "below_h1_box", "depth")
    for level in range(LEVELS):
        yield from (f"box{level}_{what}" for what in ("words", "linked", "per_passage", "share", "alike", *choices))
    yield from ("kind_count", "kind_words", "kind_linked")
    for offset in NEAR:
        yield from (f"near{offset:+}_{what}" for what in ("length", "linked", "level", *choices))
    for width in WINDOWS:
        yield from (f"window{width}_{what}" for what in ("words", "linked", *choices))
    yield from [
        "position",
        "index",
        "before",
        "after",
        "from_h1",
        "from_heading",
        "heading_level",
        "elsewhere",
        "from_elsewhere",
    ]
    yield from choices
    for choice in choices:
        yield from (f"from_{choice}", f"to_{choice}")
    yield from (f"page_{name}" for name in PageSignals.names())
    yield from (
        f"page_{n}"
        for n in [
            "words",
            "passages",
            "per_passage",
            "linked",
            "p",
            "li",
            "prices",
            "dates",
            "long",
            "h1",
            "article",
            "main",
        ]
    )
    yield from (f"page_{choice}" for choice in choices)
    yield from (f"page_{a}_{b}" for i, a in enumerate(choices) for b in choices[i + 1 :])
