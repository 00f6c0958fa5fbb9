"""The people, organisations, places, dates and quantities a text speaks of."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from stages.contract.nouns import Entity
from stages.offline.cased_names import cased_mentions
from stages.offline.figures import dates, quantities
from stages.offline.names import Mention, NameKind
from stages.offline.outline import fold_space
from stages.offline.uncased_names import uncased_mentions

_MOST_NAMES = 20
_MOST_DATES = 8
_MOST_NUMBERS = 8


def find_entities(sentences: Sequence[str], language: str | None) -> list[Entity]:
    """Names first, the most mentioned at the front, then dates, then quantities."""
    mentions = cased_mentions(sentences, language) + uncased_mentions(sentences)
    return [
        *_names(mentions),
        *_figures("date", (found for sentence in sentences for found in dates(sentence)), _MOST_DATES),
        *_figures("number", (found for sentence in sentences for found in quantities(sentence)), _MOST_NUMBERS),
    ]


def count_mentions(names: Iterable[str], text: str) -> dict[str, int]:
    """How often each name occurs in a text, whatever its case and white space.

    >>> count_mentions(["harbour trust", "Rome"], "The Harbour Trust, says the Harbour\\nTrust.")
    {'harbour trust': 2, 'Rome': 0}
    """
    folded = fold_space(text).casefold()
    return {name: folded.count(fold_space(name).casefold()) for name in names}


def _names(mentions: Sequence[Mention]) -> list[Entity]:
    full = _full_names(mentions)
    kinds: defaultdict[str, Counter[NameKind]] = defaultdict(Counter)
    for mention in mentions:
        kinds[full.get(mention.name, mention.name)][mention.kind] += 1
    entities = [
        Entity(name=name, kind=_settle(found), mentions=found.total())
        for name, found in kinds.items()
        if found.total() > 1 or _settle(found) != "other" or " " in name
    ]
    return sorted(entities, key=lambda entity: -entity.mentions)[:_MOST_NAMES]


def _full_names(mentions: Sequence[Mention]) -> dict[str, str]:
    """What the last word of a longer name, or a person's first or family name, stands for: the first one so named."""
    bearers: dict[str, str] = {}
    people = {mention.name for mention in mentions if mention.kind == "person"}
    for mention in mentions:
        for part in _short_forms(mention, people):
            bearers.setdefault(part, mention.name)
    return bearers


def _short_forms(mention: Mention, people: set[str]) -> list[str]:
    words = mention.name.split()
    if mention.kind == "organization":
        return words[1:][-1:]
    if mention.kind == "person" and len(words) == 1:
        return [mention.name[:size] for size in range(2, len(words[0])) if mention.name[:size] in people]
    return [words[0], words[-1]] if mention.kind == "person" else []


def _settle(kinds: Counter[NameKind]) -> NameKind:
    """The kind seen most; a definite one before `other`."""
    return max(kinds, key=lambda kind: (kind != "other", kinds[kind]))


def _figures(kind: str, found: Iterable[str], limit: int) -> list[Entity]:
    counted = Counter(found).most_common(limit)
    return [Entity.model_validate({"name": name, "kind": kind, "mentions": count}) for name, count in counted]
