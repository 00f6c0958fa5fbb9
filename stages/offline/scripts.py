"""Which writing systems put no spaces between words, as ranges for regular expressions."""

import re

HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
HIRAGANA = "\u3041-\u309f"
KATAKANA = "\u30a1-\u30fa\u30fc-\u30ff"
THAI = "\u0e01-\u0e3a\u0e40-\u0e4e"
SOUTHEAST = f"{THAI}\u0e80-\u0ecf\u1000-\u1049\u1050-\u109f\u1780-\u17d3"
"""Thai, Lao, Burmese and Khmer."""
UNSPACED = f"{HAN}{HIRAGANA}{KATAKANA}{SOUTHEAST}"

_CHARS_A_WORD = 2.5
"""Of scripts without spaces: how many characters say as much as one word."""

_UNSPACED = re.compile(f"[{UNSPACED}]")
_LETTERS = re.compile(r"[^\W\d_]+")


def count_unspaced(text: str) -> int:
    """How many characters belong to scripts that put no spaces between words.

    >>> count_unspaced("東京 tower")
    2
    """
    return 0 if text.isascii() else len(_UNSPACED.findall(text))


def count_letters(text: str) -> int:
    """How many characters are letters.

    >>> count_letters("3 locks, 水門")
    7
    """
    return sum(map(len, _LETTERS.findall(text)))


def count_words(text: str) -> float:
    """How long a text is in words; a share of the characters in scripts that put no spaces between them.

    >>> count_words("Locks lift boats."), count_words("水門は四つ")
    (3, 2.0)
    """
    unspaced = count_unspaced(text)
    return len(text.split()) if unspaced * 2 < len(text) else unspaced / _CHARS_A_WORD


def is_unspaced(text: str) -> bool:
    """Whether the text is mostly written without spaces between words.

    >>> is_unspaced("水素を安く貯める"), is_unspaced("Hydrogen is stored cheaply"), is_unspaced("수소를 저장한다")
    (True, False, False)
    """
    return count_unspaced(text) * 2 > count_letters(text)
