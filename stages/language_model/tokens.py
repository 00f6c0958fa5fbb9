"""About how many tokens a text is, without any model's tokenizer: those have to be downloaded, and differ."""

import re
from math import ceil

_CHARS_PER_TOKEN_ASCII = 3.5
_CHARS_PER_TOKEN_OTHER = 1.8
"""Accented Latin, Cyrillic, Greek, Arabic, Hebrew, Indic scripts."""
_TOKENS_PER_WIDE_CHAR = 1.3
_WIDE = re.compile("[\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]")
"""Chinese, Japanese, Korean."""
TOKENS_PER_MESSAGE = 6
"""What marks its role and its end."""


def estimate_tokens(text: str) -> int:
    """Tokens of a text, by the kinds of its characters; rather too many than too few.

    >>> estimate_tokens("Locks lift boats over the hill."), estimate_tokens("水闸把船抬过山。")
    (9, 11)
    """
    ascii_chars = len(text.encode("ascii", "ignore"))
    wide_chars = len(_WIDE.findall(text)) if ascii_chars < len(text) else 0
    other_chars = len(text) - ascii_chars - wide_chars
    return ceil(
        ascii_chars / _CHARS_PER_TOKEN_ASCII + other_chars / _CHARS_PER_TOKEN_OTHER + wide_chars * _TOKENS_PER_WIDE_CHAR
    )
