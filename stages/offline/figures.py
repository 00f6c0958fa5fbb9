"""Dates and quantities as they are written in text."""

import re

from stages.offline.entity_cues import MAGNITUDES, MONTHS, UNITS

_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_YEAR = r"(?:1[0-9]|20)\d{2}"
_DATE = re.compile(
    rf"\b{_YEAR}-\d{{2}}-\d{{2}}\b"
    rf"|\b\d{{1,2}}(?:st|nd|rd|th|er|º|\.)?\s(?:de\s|of\s)?(?:{_MONTH})(?:\s(?:de\s)?{_YEAR})?\b"
    rf"|\b(?:{_MONTH})\s\d{{1,2}}(?:st|nd|rd|th)?(?:,\s{_YEAR})?\b(?![.,]\d)"
    rf"|\b(?:{_MONTH})\s(?:de\s)?{_YEAR}\b"
    r"|\b\d{1,2}[./]\d{1,2}[./](?:19|20)\d{2}\b"
    rf"|(?<!\d)(?:{_YEAR}年(?:\d{{1,2}}月(?:\d{{1,2}}日)?)?|\d{{1,2}}月\d{{1,2}}日)"
    rf"|(?<![\d.,€$£¥-])\b{_YEAR}\b(?![\d%°]|[.,]\d)",
    re.IGNORECASE,
)
_DIGITS = r"\d{1,3}(?:[.,\u00a0\u202f’' ]\d{3})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,]\d+)?"
_NUMBER = re.compile(
    rf"[€$£¥₽₹]\s?(?:{_DIGITS})(?:\s(?:{MAGNITUDES})\b)?"
    rf"|(?<![\w.,])(?:{_DIGITS})(?:[\s\u00a0-](?:{MAGNITUDES})(?!\w))?[\s\u00a0-]?"
    rf"(?:(?:{UNITS})(?!\w)|[€$£¥₽]|US\$)"
    rf"|(?<![\w.,])(?:{_DIGITS})[\s\u00a0](?:{MAGNITUDES})(?!\w)"
    r"|(?<![\d.,])\d[\d,.]*(?:万|億|亿|兆|千)?(?:\d+万)?"
    r"(?:円|元|美元|人|名|社|基|キロメートル|キロ|メートル|トン|リットル|公里|米|吨|公斤|度|％|パーセント|倍|時間|小时|年間|年来|項)"
    r"|(?<![\w.,])\d{1,3}(?:[.,]\d{3})+(?![\d.,]\d)",
    re.IGNORECASE,
)


def dates(text: str) -> list[str]:
    """Dates, months with a year and years, in order.

    >>> dates("Opened on 3 May 1898, rebuilt in 2024; Bericht vom 12. März; 2023年4月1日")
    ['3 May 1898', '2024', '12. März', '2023年4月1日']
    """
    return [match.group() for match in _DATE.finditer(text)]


def quantities(text: str) -> list[str]:
    """Numbers with a unit, a currency or a magnitude, and large numbers with separators, in order.

    >>> quantities("It cost €4.5 million, moves 12,000 boats over 3 km, and 40 % are red; page 7")
    ['€4.5 million', '12,000', '3 km', '40 %']
    """
    return [match.group().strip() for match in _NUMBER.finditer(text)]
