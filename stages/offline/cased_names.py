"""Names in scripts with capital letters: runs of capitalised words, told apart by the words in and around them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stages.offline.entity_cues import (
    FIRST_NAMES,
    NAME_PARTICLES,
    ORGANIZATION_WORDS,
    PERSON_TITLES,
    PLACE_PREPOSITIONS,
    PLACE_WORDS,
    PLACES,
    SPEECH_VERBS,
    UNITS,
    UNNAMING_WORDS,
)
from stages.offline.names import Mention, NameKind
from stages.offline.stopwords import stopwords_for
from stages.offline.tokens import stem

_TOKEN = re.compile(r"(?:[^\W\d_]\.)+(?!\w)|\w+(?:[-'’&]\w+)*|[^\w\s]")
_POSSESSIVE = re.compile(r"['’]s$")
_ORGANIZATION_ENDINGS = ("amt", "werke", "universität", "institut", "gesellschaft", "verband", "ministerium", "behörde")
_GERMAN_PARTICLES = frozenset(("von", "van", "zu"))
"""German capitalises common nouns, so articles between them make no name."""
_UNIT = re.compile(UNITS)
_LONGEST_NAME_WORDS = 6
_ACRONYM_CHARS = range(2, 7)
_PLACE_STEMS = frozenset(stem(place) for place in PLACES)


@dataclass(frozen=True, slots=True)
class _Run:
    """Capitalised words in a row, with the words beside them in lower case."""

    words: tuple[str, ...]
    before: str
    after: str
    opens_sentence: bool


def cased_mentions(sentences: Sequence[str], language: str | None) -> list[Mention]:
    """Every mention of a name, in order.

    A single capitalised word at the start of a sentence counts only where it is also met within one; in German, which
    capitalises all nouns, single words count only when they are known or part of a longer name.

    >>> cased_mentions(["Yesterday Dr. Anna Reed left Rome for the Harbour Trust."], "en")
    ... # doctest: +NORMALIZE_WHITESPACE
    [Mention(name='Anna Reed', kind='person'), Mention(name='Rome', kind='place'),
     Mention(name='Harbour Trust', kind='organization')]
    """
    stopwords = stopwords_for(language)
    found = [run for sentence in sentences for run in _runs(sentence, language)]
    runs = [trimmed for run in found if (trimmed := _trim(run, stopwords, language))]
    inner = _confirmed_words(runs, language)
    return [
        Mention(_written(run), _kind(run, language))
        for run in runs
        if len(run.words) > 1 or run.words[0] in inner or _is_known(run)
    ]


def _runs(sentence: str, language: str | None) -> Iterator[_Run]:
    particles = _GERMAN_PARTICLES if language == "de" else NAME_PARTICLES
    tokens = [_POSSESSIVE.sub("", token) for token in _TOKEN.findall(sentence)]
    start = 0
    while start < len(tokens):
        end = _run_end(tokens, start, particles)
        if end > start:
            before = tokens[start - 1].casefold() if start else ""
            if before == "." and start > 1:
                before = tokens[start - 2].casefold()
            after = tokens[end].casefold() if end < len(tokens) else ""
            opens = not any(token[0].isalnum() for token in tokens[:start])
            yield _Run(tuple(tokens[start:end]), before, after, opens)
        start = max(end, start + 1)


def _run_end(tokens: Sequence[str], start: int, particles: frozenset[str]) -> int:
    """Where a run that begins here ends; particles belong to it when a capitalised word follows."""
    end = at = start
    while at < len(tokens) and at - start < _LONGEST_NAME_WORDS:
        if _is_capitalised(tokens[at]):
            end = at + 1
        elif not (end > start and tokens[at] in particles) and not _is_title_dot(tokens, at):
            break
        at += 1
    return end


def _is_capitalised(token: str) -> bool:
    return token[0].isupper()


def _is_title_dot(tokens: Sequence[str], at: int) -> bool:
    return at > 0 and tokens[at] == "." and tokens[at - 1].casefold() in PERSON_TITLES


def _trim(run: _Run, stopwords: frozenset[str], language: str | None) -> _Run | None:
    """Take off words that are capitalised for another reason, and titles, which stay as the word before."""
    words, before = [word for word in run.words if word != "."], run.before
    while words and _is_no_name(words[0], stopwords):
        before = words.pop(0).casefold()
    titles = [at for at, word in enumerate(words) if word.casefold() in PERSON_TITLES]
    if titles:
        before, words = words[titles[-1]].casefold(), words[titles[-1] + 1 :]
    while words and words[0] in NAME_PARTICLES:
        before = words.pop(0)
    while words and _is_no_name(words[-1], stopwords):
        words.pop()
    opens = run.opens_sentence and len(words) == len(run.words)
    if language == "de" and opens and not _is_known_word(words[0]):
        words = words[1:]
    if not words or _measures(words[0], before) or all(len(word) == 1 for word in words):
        return None
    return _Run(tuple(words), before, run.after, opens)


def _measures(word: str, before: str) -> bool:
    return before.isdigit() or _UNIT.fullmatch(word) is not None


def _is_no_name(word: str, stopwords: frozenset[str]) -> bool:
    folded = word.casefold()
    return (folded in stopwords and not (word.isupper() and len(word) > 1)) or folded in UNNAMING_WORDS


def _confirmed_words(runs: Sequence[_Run], language: str | None) -> frozenset[str]:
    if language == "de":
        people = (run for run in runs if len(run.words) > 1 and _kind(run, language) == "person")
        return frozenset(word for person in people for word in person.words)
    return frozenset(run.words[0] for run in runs if len(run.words) == 1 and not run.opens_sentence)


def _is_known(run: _Run) -> bool:
    word = run.words[0]
    return _is_known_word(word) or run.before in PERSON_TITLES or _is_acronym(word)


def _is_known_word(word: str) -> bool:
    return word in FIRST_NAMES or stem(word) in _PLACE_STEMS


def _is_acronym(word: str) -> bool:
    return word.isupper() and word.isalpha() and len(word) in _ACRONYM_CHARS


def _written(run: _Run) -> str:
    return " ".join(run.words)


def _kind(run: _Run, language: str | None) -> NameKind:
    folded = {word.casefold() for word in run.words}
    single = len(run.words) == 1
    if folded & ORGANIZATION_WORDS or any(word.endswith(_ORGANIZATION_ENDINGS) for word in folded):
        return "organization"
    if run.before in PERSON_TITLES or (not single and run.words[0] in FIRST_NAMES):
        return "person"
    if folded & PLACE_WORDS or all(stem(word) in _PLACE_STEMS for word in run.words):
        return "place"
    if single and _is_acronym(run.words[0]):
        return "organization"
    if run.after in SPEECH_VERBS or run.before in SPEECH_VERBS or run.words[0] in FIRST_NAMES:
        return "person"
    return "place" if single and run.before in PLACE_PREPOSITIONS.get(language or "", frozenset()) else "other"
