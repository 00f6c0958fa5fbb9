"""Counting words in any script."""

import re

_UNSPACED = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff"
    "\U00020000-\U0003ffff]"
)
_WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")


def word_count(text: str) -> int:
    """Words, where spaces separate them; characters, in the scripts that write without spaces.

    >>> word_count("It isn't far: 3.5 km."), word_count("水門は四つある。")
    (5, 7)
    """
    unspaced = len(_UNSPACED.findall(text))
    return unspaced + len(_WORD.findall(_UNSPACED.sub(" ", text)))
