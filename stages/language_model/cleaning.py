"""Takes out of a model's answer what can only come from a page that gives orders: links, markup, our instructions."""

import html
import re
from collections.abc import Iterable, Iterator
from typing import Any

from stages.contract import Article
from stages.contract.nouns import Removed

_MARKDOWN_LINK = re.compile(
    r"!?\[(?P<label>[^\[\]\n]{0,300})\]\(\s*<?(?P<target>(?:[^()\s>]|\([^()\s]*\)){0,2000})>?[^()\n]{0,300}\)"
)
_REFERENCE = re.compile(
    r"(?m)^\s{0,3}\[[^\[\]\n]{1,80}\]:\s*\S+.*$|!?\[(?P<label>[^\[\]\n]{1,300})\]\[[^\[\]\n]{0,80}\]"
)
_INVISIBLE_TAG = re.compile(
    r"<(script|style|iframe|object|svg|template)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE
)
_TAG = re.compile(r"</?[a-zA-Z][\w:-]*(?:\s[^<>]*)?/?>|<!--.*?(?:-->|\Z)|<![a-zA-Z][^<>]*>", re.DOTALL)
_TOP_LEVEL = "com|org|net|io|info|biz|xyz|top|site|online|shop|club|dev|app|link|click|ru|cn|tk|me|ly|gl|gg"
_ANY = r"(?:[^\s<>\"'”’»()\]]|\([^\s()]{0,200}\))"
_ADDRESS = re.compile(
    rf"[a-z][a-z0-9+.-]{{1,20}}://{_ANY}+"
    rf"|(?<![\w:/])//[\w-]+\.{_ANY}+"
    rf"|\b(?:mailto:|javascript:|vbscript:|tel:\+?\d|sms:\+?\d|data:[a-z]+/){_ANY}+"
    rf"|\bwww\.{_ANY}+"
    rf"|(?<![\w@.-])(?:[\w-]+\.)+[a-z]{{2,24}}/{_ANY}*"
    rf"|(?<![\w@.-])(?:[\w-]+\.)+(?:{_TOP_LEVEL})\b(?![\w-])",
    re.IGNORECASE,
)
_RUNNABLE = ("javascript:", "vbscript:", "data:")
_TRAILING = ".,;:!?…。，、"
_HIDDEN = re.compile(
    "[\u200b\u2060\u2061-\u2064\ufeff\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]|[\x00-\x08\x0b-\x1f\x7f]"
)
"""Characters that show nothing, or turn around what is shown."""
_SENTENCE = re.compile(r"[^.!?。！？\n]*(?:[.!?。！？]+[\"'”’»)]*|\n|$)\s*")
_LEAK_WORDS = 7
_WORD = re.compile(r"\w+")


class Cleaner:
    """Cleans the texts of one answer, and remembers what it took out.

    - `known`: links that stand in it are left.
    - `instructions`: what the model was told, of which nothing may come back.
    - `secrets`: marks within them.
    """

    def __init__(self, known: str, instructions: str, secrets: Iterable[str]) -> None:
        self._known = html.unescape(known).casefold()
        self._told = frozenset(_shingles(instructions))
        self._secrets = tuple(secrets)
        self._removed: set[Removed] = set()

    @property
    def removed(self) -> tuple[Removed, ...]:
        """What was taken out so far."""
        return tuple(sorted(self._removed))

    def clean(self, text: str) -> str:
        """A text without what is not its own; may be empty."""
        return self._without_instructions(self._without_links(self._without_markup(_HIDDEN.sub("", text)))).strip()

    def clean_values(self, value: Any) -> Any:
        """The same for every text within a JSON value; the names of members are left as they are."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, list):
            return [self.clean_values(each) for each in value]
        if isinstance(value, dict):
            return {name: self.clean_values(each) for name, each in value.items()}
        return value

    def note(self, removed: Removed) -> None:
        """Remember that something else was taken out."""
        self._removed.add(removed)

    def _without_markup(self, text: str) -> str:
        bare = _TAG.sub("", _INVISIBLE_TAG.sub("", text))
        if bare != text:
            self.note("markup")
        return bare

    def _without_links(self, text: str) -> str:
        unlinked = _REFERENCE.sub(self._label, _MARKDOWN_LINK.sub(self._link, text))
        return _ADDRESS.sub(self._address, unlinked)

    def _link(self, match: re.Match[str]) -> str:
        """As it is where the article has it, or else its label."""
        return match.group() if self._knows(match["target"]) else self._label(match)

    def _label(self, match: re.Match[str]) -> str:
        self.note("links")
        return match["label"] or ""

    def _address(self, match: re.Match[str]) -> str:
        address = match.group().rstrip(_TRAILING)
        if self._knows(address):
            return match.group()
        self.note("links")
        return match.group()[len(address) :]

    def _knows(self, address: str) -> bool:
        """Whether the article has it; what would run as a script is nobody's."""
        folded = address.casefold().rstrip("/")
        return bool(folded) and folded in self._known and not folded.startswith(_RUNNABLE)

    def _without_instructions(self, text: str) -> str:
        kept = [sentence for sentence in _SENTENCE.findall(text) if not self._is_told(sentence)]
        if len(kept) < len(_SENTENCE.findall(text)):
            self.note("instructions")
        return "".join(kept)

    def _is_told(self, sentence: str) -> bool:
        return any(secret in sentence for secret in self._secrets) or not self._told.isdisjoint(_shingles(sentence))


def links_of(article: Article) -> str:
    """All that may be a link of an article's own."""
    return f"{article.text}\n{article.markdown}\n{article.url or ''}"


def _shingles(text: str) -> Iterator[tuple[str, ...]]:
    words = _WORD.findall(text.casefold())
    return (tuple(words[at : at + _LEAK_WORDS]) for at in range(len(words) - _LEAK_WORDS + 1))
