"""How long a text takes to read."""

import re

from stages.offline.scripts import HAN, HIRAGANA, KATAKANA, SOUTHEAST
from stages.offline.tokens import words

_WORDS_A_MINUTE = 238
"""Silent reading of non-fiction (M. Brysbaert, "How many words do we read per minute?", 2019)."""
_EAST_ASIAN_CHARS_A_MINUTE = 400
"""260 Chinese words (the same source) of about one and a half characters each."""
_SOUTHEAST_CHARS_A_MINUTE = 1_000

_EAST_ASIAN = re.compile(f"[{HAN}{HIRAGANA}{KATAKANA}]")
_SOUTHEAST = re.compile(f"[{SOUTHEAST}]")


def reading_time_s(text: str) -> int:
    """Seconds, at least 1; scripts without spaces are counted by characters.

    >>> reading_time_s("word " * 238), reading_time_s("水" * 200), reading_time_s("")
    (60, 30, 1)
    """
    east_asian, east_asian_chars = _EAST_ASIAN.subn(" ", text)
    rest, southeast_chars = _SOUTHEAST.subn(" ", east_asian)
    minutes = (
        len(words(rest)) / _WORDS_A_MINUTE
        + east_asian_chars / _EAST_ASIAN_CHARS_A_MINUTE
        + southeast_chars / _SOUTHEAST_CHARS_A_MINUTE
    )
    return max(1, round(minutes * 60))
