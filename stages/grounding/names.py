"""Names in a text about an article, and whether the article has them."""

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from stages.offline.cased_names import cased_mentions
from stages.offline.entity_cues import NAME_PARTICLES
from stages.offline.names import Mention
from stages.offline.scripts import is_unspaced
from stages.offline.sentences import split_sentences
from stages.offline.stopwords import stopwords_for
from stages.offline.tokens import stem, words
from stages.offline.uncased_names import uncased_mentions

_PREFIX_CHARS = 3
_SHORTEST_WORD_CHARS = 2


class Names:
    """The words of a source, to look names up in.

    >>> source = Names("Dr. Anna Reed of the United Nations met Obama in Berlin.", "en")
    >>> source.missing("In the Berliner Dom, Barack Obama told Reed of the UN about Harold Finch.", "en")
    ['Berliner Dom', 'Harold Finch']
    """

    def __init__(self, text: str, language: str | None) -> None:
        self._folded = text.casefold()
        self._stems: defaultdict[str, set[str]] = defaultdict(set)
        for word in set(words(text)):
            self._stems[stem(word)[:_PREFIX_CHARS]].add(stem(word))
        stopwords = stopwords_for(language)
        written = [word for word in words(text) if len(word) >= _SHORTEST_WORD_CHARS]
        content = [word for word in written if word.casefold() not in stopwords]
        self._initials = tuple("".join(word[0] for word in each).casefold() for each in (written, content))

    def missing(self, text: str, language: str | None) -> list[str]:
        """The names in a text about it that the source has nowhere, each once."""
        sentences = split_sentences(text, language)
        mentions = [*cased_mentions(sentences, language), *uncased_mentions(sentences)]
        return list(dict.fromkeys(mention.name for mention in mentions if not self._has(mention)))

    def _has(self, mention: Mention) -> bool:
        name = mention.name
        if name.casefold() in self._folded or self._abbreviates(name):
            return True
        if is_unspaced(name):
            return False
        parts = [part for part in words(name) if len(part) >= _SHORTEST_WORD_CHARS]
        return bool(parts) and self._has_parts(mention, parts)

    def _has_parts(self, mention: Mention, parts: Sequence[str]) -> bool:
        """All words of an organisation or a place, or else the last: first names are known from elsewhere.

        "Pierre Martin de Brest" may be the Martin of one text and the Brest of another, so both last words count.
        """
        if mention.kind in ("organization", "place"):
            return all(self._has_word(part) for part in parts)
        before_particle = [one for one, other in pairwise(parts[1:]) if other in NAME_PARTICLES]
        return all(self._has_word(part) for part in (*before_particle, parts[-1]))

    def _has_word(self, word: str) -> bool:
        """Also in another form: one of the two stems begins the other."""
        sought = stem(word)
        near = self._stems.get(sought[:_PREFIX_CHARS], ())
        return any(sought.startswith(known) or known.startswith(sought) for known in near if len(known) > _PREFIX_CHARS)

    def _abbreviates(self, name: str) -> bool:
        letters = re.sub(r"[^\w]", "", name)
        return letters.isupper() and len(letters) > 1 and any(letters.casefold() in row for row in self._initials)
