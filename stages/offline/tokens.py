"""Text to words, and to the terms by which two sentences are compared."""

import re
from collections.abc import Iterator

from stages.offline.scripts import HAN, HIRAGANA, KATAKANA, SOUTHEAST, UNSPACED
from stages.offline.stopwords import HAN_PARTICLES

# Python's \w leaves out the combining vowel signs and points that Indic, Arabic and Hebrew words contain.
_MARKS = (
    "\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u064b-\u065f\u0670\u0900-\u0903\u093a-\u0963\u0981-\u0dff\u200c\u200d"
)
_RUN = re.compile(rf"[\w{_MARKS}{SOUTHEAST}]+(?:['’][^\W\d_]+)*")
_HAS_UNSPACED = re.compile(f"[{UNSPACED}]")
_BY_SCRIPT = re.compile(f"[{HAN}]+|[{KATAKANA}]+|[{HIRAGANA}]+|[{SOUTHEAST}]+|[^{UNSPACED}]+")
_HIRAGANA = re.compile(f"[{HIRAGANA}]")
_BIGRAMMED = re.compile(f"[{HAN}{SOUTHEAST}]")
_PARTICLE = re.compile(f"[{HAN_PARTICLES}]")
_SHORT_STEMS = re.compile("[\u0370-\u1cff]")
_LATIN_STEM_CHARS = 7
_OTHER_STEM_CHARS = 5
_SHORTEST_STEM_CHARS = 3
_CYRILLIC_ENDINGS = "аеёиоуыэюяйьіїє"
_SHORTEST_PLURAL = 4


def words(text: str) -> list[str]:
    """Words in order, as written; in scripts without spaces, runs of one script.

    >>> words("Canal locks, 3 of them; don't rush.")
    ['Canal', 'locks', '3', 'of', 'them', "don't", 'rush']
    >>> words("水素タンクを開発した")
    ['水素', 'タンク', 'を', '開発', 'した']
    """
    return list(_words(text))


def _words(text: str) -> Iterator[str]:
    for run in _RUN.findall(text):
        if _HAS_UNSPACED.search(run):
            yield from _BY_SCRIPT.findall(run)
        else:
            yield run


def stem(word: str) -> str:
    """Fold case and cut the ending off, so that forms of one word compare as equal.

    Truncation serves inflected languages about as well as a stemmer (F. Can et al., "Information retrieval on
    Turkish texts", 2008).

    >>> stem("Locks") == stem("lock"), stem("Stauwerke") == stem("Stauwerk"), stem("музей") == stem("музея")
    (True, True, True)
    """
    folded = word.casefold()
    if _SHORT_STEMS.search(folded):
        return _cut_ending(folded.removeprefix("ال"))
    if len(folded) > _SHORTEST_PLURAL and folded[-1] == "s" and folded[-2] != "s":
        folded = folded[:-1]
    return folded[:_LATIN_STEM_CHARS]


def _cut_ending(word: str) -> str:
    bare = word.rstrip(_CYRILLIC_ENDINGS)
    return (bare if len(bare) >= _SHORTEST_STEM_CHARS else word)[:_OTHER_STEM_CHARS]


def terms(text: str, stopwords: frozenset[str]) -> list[str]:
    """What a sentence is about: stems of its words, or character bigrams where words are not spaced.

    >>> terms("The locks of the canal", frozenset({"the", "of"}))
    ['lock', 'canal']
    >>> terms("水素貯蔵タンクの", frozenset())
    ['水素', '素貯', '貯蔵', 'タンク']
    """
    return [term for word in _words(text) for term in _terms_of(word, stopwords)]


def _terms_of(word: str, stopwords: frozenset[str]) -> list[str]:
    if _BIGRAMMED.match(word):
        pairs = [word[at : at + 2] for at in range(max(1, len(word) - 1))]
        return [pair for pair in pairs if not _PARTICLE.search(pair)]
    if _HIRAGANA.match(word) or len(word) == 1 or word.casefold() in stopwords:
        return []
    return [stem(word)]
