"""Counting words in any script."""

import re
import unicodedata

_UNSPACED = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff"
    "\U00020000-\U0003ffff]"
)
# Not letters to `re`, though they stand inside words: vowel signs (Hindi), joiners (Persian), accents.
_INSIDE_WORDS = dict.fromkeys(code for code in range(0x10000) if unicodedata.category(chr(code)) in ("Mn", "Mc", "Cf"))
_WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")


def word_count(text: str) -> int:
    """Words, where spaces separate them; letters, in the scripts that write without spaces
    (Chinese, Japanese, Thai, Lao, Burmese, Khmer).

    >>> word_count("It isn't far: 3.5 km."), word_count("水門は四つある。")
    (5, 7)
    """
    if text.isascii():
        return len(_WORD.findall(text))
    letters = text.translate(_INSIDE_WORDS)
    unspaced = len(_UNSPACED.findall(letters))
    return unspaced + len(_WORD.findall(_UNSPACED.sub(" ", letters)))
