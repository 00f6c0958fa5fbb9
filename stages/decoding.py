"""From bytes to a page's text: in which character set it is."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from charset_normalizer import from_bytes
from w3lib.encoding import (
    html_body_declared_encoding,
    http_content_type_encoding,
    read_bom,
)

from stages.contract import Permanent
from stages.contract.nouns import PageKind
from stages.kinds import kind_of

# The encodings of https://encoding.spec.whatwg.org/, by Python's names, and UTF-32 for its byte order mark. Python
# knows more codecs than it is safe to let a page choose from: unicode_escape, punycode, hex.
_UNICODE = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_EAST_ASIAN = ("gb18030", "big5", "big5hkscs", "euc_jp", "iso2022_jp", "cp932", "cp949")
_ISO_8859 = tuple(f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16))
_WINDOWS = tuple(f"cp{page}" for page in (874, *range(1250, 1259)))
_OTHERS = ("ibm866", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic")
LEGACY_ENCODINGS = frozenset(codecs.lookup(name).name for name in (*_EAST_ASIAN, *_ISO_8859, *_WINDOWS, *_OTHERS))
ENCODINGS = LEGACY_ENCODINGS.union(codecs.lookup(name).name for name in _UNICODE)

DETECTED_BYTES = 16 * 1024
MARKED_UP = ("html", "feed", "sitemap", "opml")
"""Kinds that may declare their charset."""
MAX_NOISE = 0.02
"""Largest share of control and replacement characters that still passes for text."""
MAX_DAMAGE = 0.2
"""Largest share of broken characters among those beyond ASCII that a declared charset may leave."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")
_NOT_ASCII = re.compile(rb"[\x80-\xff]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text, and how it was found."""

    kind: PageKind
    text: str
    charset: str
    is_damaged: bool = False
    """Whether some bytes were no characters in the charset."""


def decode(body: bytes, content_type: str | None, name: str | None = None) -> Decoded:
    """Turn a body into text. `content_type` is an HTTP header's value; `name` a file name or a URL's path.

    Raises `Permanent` with code `empty_body`, `unsupported_media_type` or `undecodable`.

    >>> decode("<p>Grüße".encode("cp1252"), "text/html; charset=iso-8859-1")
    Decoded(kind='html', text='<p>Grüße', charset='cp1252', is_damaged=False)
    >>> decode(b"# Title", None, "notes.md").kind
    'markdown'
    """
    if not body.strip():
        raise Permanent("empty_body")
    kind = kind_of(body, content_type, name)
    if kind == "pdf":
        raise Permanent("unsupported_media_type", "A PDF is not text.")
    charset, text = _read(body, content_type, kind)
    if not text.strip():
        raise Permanent("empty_body")
    return Decoded(kind, text, charset, is_damaged="\ufffd" in text)


def _read(body: bytes, content_type: str | None, kind: PageKind) -> tuple[str, str]:
    """The charset and the text: the first candidate that fits, or else the least noisy one."""
    lossy: list[tuple[float, str, str]] = []
    for charset, data in _candidates(body, content_type, kind):
        text = data.decode(charset, errors="replace").removeprefix("\ufeff")
        controls = sum(1 for _ in _CONTROL.finditer(text)) / max(len(text), 1)
        if controls <= MAX_NOISE and (_fits(charset, data) or _damage(text) <= MAX_DAMAGE):
            return charset, text.replace("\x00", "")
        lossy.append((controls + text.count("\ufffd") / max(len(text), 1), charset, text))
    noise, charset, text = min(lossy)
    if noise > MAX_NOISE:
        raise Permanent("undecodable")
    return charset, text.replace("\x00", "")


def _candidates(body: bytes, content_type: str | None, kind: PageKind) -> Iterator[tuple[str, bytes]]:
    """Charsets to try, the most credible first, as browsers do: mark, header, declaration, UTF-8, detection."""
    by_mark, mark = read_bom(body)
    if by_mark and mark:
        yield by_mark, body[len(mark) :]
        return
    declared = (http_content_type_encoding(content_type), _declared(body) if kind in MARKED_UP else None)
    yield from ((charset, body) for charset in dict.fromkeys((*declared, "utf-8")) if charset in ENCODINGS)
    if detected := _detect(body):
        yield detected, body


def _declared(body: bytes) -> str | None:
    """What the markup says; it cannot truly be UTF-16, or else it could not have been read."""
    charset = html_body_declared_encoding(body)
    return "utf-8" if charset and charset.startswith(("utf-16", "utf-32")) else charset


def _detect(body: bytes) -> str | None:
    """Guess a legacy charset from where the body stops being ASCII."""
    first = _NOT_ASCII.search(body)
    if first is None:
        return None
    start = max(0, first.start() - 256)
    best = from_bytes(body[start : start + DETECTED_BYTES], cp_isolation=sorted(LEGACY_ENCODINGS)).best()
    return codecs.lookup(best.encoding).name if best else None


def _fits(charset: str, data: bytes) -> bool:
    try:
        data.decode(charset)
    except UnicodeError:
        return False
    return True


def _damage(text: str) -> float:
    """The share of replacement characters among all characters beyond ASCII.

    >>> _damage("plain"), _damage("M\ufffdnchen"), _damage("aé\ufffdü€")
    (0.0, 1.0, 0.25)
    """
    beyond_ascii = len(text) - len(text.encode("ascii", "ignore"))
    return text.count("\ufffd") / max(beyond_ascii, 1)
