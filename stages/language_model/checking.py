"""Makes of a model's answer what may be shown: cleaned, held against the article, with what it stands on."""

from functools import cached_property

from stages.contract import Article, Options, Transient
from stages.contract.nouns import KeyPoint, Removed, Section, Unsupported
from stages.grounding.names import Names
from stages.grounding.numbers import Numbers
from stages.grounding.passages import Passages
from stages.grounding.support import Support
from stages.language_model.answers import clean_strings, read_prose
from stages.language_model.cleaning import Cleaner, links_of
from stages.language_model.prompts import Question

_MOST_POINTS = 20
_MOST_SECTIONS = 30


class Check:
    """Checks the parts of one answer about an article, and gathers what is wrong with them."""

    def __init__(self, article: Article, question: Question, options: Options) -> None:
        self._article = article
        self.language = options.language or article.language
        """Of what is said."""
        self._translated = options.language is not None and not _same(options.language, article.language)
        self._cleaner = Cleaner(links_of(article), question.instructions, question.secrets)
        self._accepted: list[str] = []

    def prose(self, answer: object) -> str:
        """Running text. Raises `Permanent` with `llm_refused`, or `Transient` with `llm_bad_answer`."""
        if not isinstance(answer, str):
            raise Transient("llm_bad_answer")
        # How long it is, and whether it says anything, shows when it is clean.
        cleaned = self._cleaner.clean(read_prose(answer))
        return self._accept(read_prose(cleaned, len(self._article.text)))

    def points(self, found: object) -> tuple[KeyPoint, ...]:
        """Those that passages of the article support, with the passages."""
        items = found if isinstance(found, list) else []
        given = [point for item in items[:_MOST_POINTS] if (point := self._point(item))]
        kept = tuple(point for point in given if point.support)
        if len(kept) < len(given):
            self._cleaner.note("points")
        for point in kept:
            self._accept(point.text)
        return kept

    def sections(self, found: object) -> tuple[Section, ...]:
        """Those that have both a heading and a text."""
        items = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
        pairs = [self._texts(item.get("heading"), item.get("text")) for item in items[:_MOST_SECTIONS]]
        sections = tuple(Section(heading=pair[0], text=pair[1]) for pair in pairs if all(pair))
        for section in sections:
            self._accept(f"{section.heading}\n{section.text}")
        return sections

    def values(self, answer: dict[str, object]) -> dict[str, object]:
        """Data, with every text in it cleaned."""
        cleaned: dict[str, object] = self._cleaner.clean_values(answer)
        self._accepted = [str(value) for value in _leaves(cleaned)]
        return cleaned

    @property
    def unsupported(self) -> tuple[Unsupported, ...]:
        """The numbers and names in what was accepted that stand nowhere in the article or what is known of it."""
        about = self._article
        source = "\n".join(
            filter(None, (about.title, about.byline, *about.authors, about.published, about.site_name, about.text))
        )
        text = "\n".join(self._accepted)
        numbers = Numbers(source).missing(text)
        # A name may be another word in another language.
        names = [] if self._translated else Names(source, self._article.language).missing(text, self.language)
        return (
            *(Unsupported(kind="number", text=number) for number in numbers),
            *(Unsupported(kind="name", text=name) for name in names),
        )

    @property
    def removed(self) -> tuple[Removed, ...]:
        """What was taken out."""
        return self._cleaner.removed

    def _point(self, item: object) -> KeyPoint | None:
        given = item if isinstance(item, dict) else {"text": item}
        (text,) = self._texts(given.get("text"))
        if not text:
            return None
        quotes = clean_strings([given.get("quote")])
        return KeyPoint(text=text, support=self._support.behind(text, quotes, translated=self._translated))

    @cached_property
    def _support(self) -> Support:
        return Support(self._article, Passages(self._article))

    def _texts(self, *found: object) -> list[str]:
        """Cleaned, white space folded; empty for what is no text."""
        folded = [clean_strings([each]) for each in found]
        return [self._cleaner.clean(each[0]) if each else "" for each in folded]

    def _accept(self, text: str) -> str:
        self._accepted.append(text)
        return text


def _same(one: str, other: str | None) -> bool:
    """Whether two tags are of one language.

    >>> _same("pt-BR", "pt"), _same("de", None)
    (True, False)
    """
    return other is not None and one.lower().partition("-")[0] == other.lower().partition("-")[0]


def _leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in _leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in _leaves(each)]
    return [] if value is None or isinstance(value, bool) else [value]
