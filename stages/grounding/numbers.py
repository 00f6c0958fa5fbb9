"""Numbers as they are written in a dozen languages, and whether a text has them."""

import re
from collections.abc import Iterator
from math import floor, log10

from stages.offline.entity_cues import MONTHS

_GROUP = ".,'’ \u00a0\u2009\u202f"
_WRITTEN = re.compile(
    rf"(?P<digits>\d{{1,3}}(?:[{_GROUP}]\d{{3}}(?!\d))+(?:[.,]\d+)?|\d+(?:[.,]\d+)?)(?:[\s\u00a0-]?(?P<scale>[^\W\d_]+))?"
)
_SCALES = (
    (1e3, r"thousand|tausend|tsd|mille|mil|mila|тыс(?:яч\w*)?|千.*|ألف|آلاف|k"),
    (1e4, r"[万萬].*"),
    (1e6, r"millions?|millionen|mio|mln|mill[oó]n(?:es)?|milh(?:ão|ões)|milion[ei]|млн|миллион\w*|مليون|ملايين"),
    (1e8, r"[亿億].*"),
    (1e9, r"billions?|bn|milliarde?n?s?|miliard\w*|mrd|млрд|миллиард\w*|مليار|مليارات"),
    (1e12, r"trillions?|trn|billionen?|billón|billones|трлн|триллион\w*|[兆].*|تريليون"),
)
_SCALE_PATTERNS = tuple((factor, re.compile(pattern, re.IGNORECASE)) for factor, pattern in _SCALES)
_WORDS = {
    word: value
    for value, words in {
        2: "two zwei deux dos due dois два две اثنان",
        3: "three drei trois tres tre três три ثلاثة ثلاث",
        4: "four vier quatre cuatro quattro quatro четыре أربعة أربع",
        5: "five fünf cinq cinco cinque пять خمسة خمس",
        6: "six sechs seis sei шесть ستة ست",
        7: "seven sieben sept siete sette sete семь سبعة سبع",
        8: "eight acht huit ocho otto oito восемь ثمانية",
        9: "nine neun neuf nueve nove девять تسعة",
        10: "ten zehn dix diez dieci dez десять عشرة",
        11: "eleven elf onze once undici одиннадцать",
        12: "twelve zwölf douze doce dodici doze двенадцать dozen dutzend douzaine docena",
        13: "thirteen dreizehn treize trece тринадцать",
        14: "fourteen vierzehn quatorze catorce четырнадцать",
        15: "fifteen fünfzehn quinze quince пятнадцать",
        16: "sixteen sechzehn seize dieciséis шестнадцать",
        17: "seventeen siebzehn diecisiete семнадцать",
        18: "eighteen achtzehn dieciocho восемнадцать",
        19: "nineteen neunzehn diecinueve девятнадцать",
        20: "twenty zwanzig vingt veinte venti vinte двадцать عشرون عشرين score",
        30: "thirty dreißig trente treinta trenta trinta тридцать ثلاثون ثلاثين",
        40: "forty vierzig quarante cuarenta quaranta quarenta сорок أربعون أربعين",
        50: "fifty fünfzig cinquante cincuenta cinquanta cinquenta пятьдесят خمسون خمسين",
        60: "sixty sechzig soixante sesenta sessanta sessenta шестьдесят ستون ستين",
        70: "seventy siebzig setenta settanta семьдесят سبعون سبعين",
        80: "eighty achtzig ochenta ottanta oitenta восемьдесят ثمانون ثمانين",
        90: "ninety neunzig noventa novanta девяносто تسعون تسعين",
        100: "hundred hundert cent cien ciento cento cem сто مئة مائة century jahrhundert siècle siglo",
        1_000: "thousand tausend mille mil тысяча тысячи ألف",
        1_000_000: "million millionen millón milhão milione миллион مليون",
    }.items()
    for word in words.split()
}
_WORD = re.compile(r"[^\W\d_]+")
_HAN_DIGITS = dict(zip("〇零一二三四五六七八九两兩", (0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 2, 2), strict=True))
_HAN_TENS = {"十": 10, "百": 100, "千": 1_000}
_HAN_SCALES = {"万": 10_000, "萬": 10_000, "亿": 10**8, "億": 10**8}
_HAN = re.compile("[〇零一二三四五六七八九两兩十百千万萬亿億]+")
_MONTH_STARTS = (
    ("jan", "ene", "янв", "يناير"),
    ("feb", "fév", "fev", "фев", "فبر"),
    ("mar", "mär", "март", "مارس"),
    ("apr", "avr", "abr", "апр", "أبر"),
    ("may", "mai", "mayo", "мая", "май", "مايو"),
    ("jun", "juin", "июн", "يونيو"),
    ("jul", "juil", "июл", "يوليو"),
    ("aug", "aoû", "ago", "авг", "أغس"),
    ("sep", "set", "сен", "سبت"),
    ("oct", "okt", "out", "окт", "أكت"),
    ("nov", "ноя", "نوف"),
    ("dec", "dez", "déc", "dic", "дек", "ديس"),
)


class Numbers:
    """The numbers that a text has, in figures or in words.

    >>> source = Numbers("Der Bau kostete 1.934.000 Euro und dauerte zwölf Monate, bis zum 3. Mai 2024.")
    >>> source.missing("It cost 1.9 million euros and took 12 months, until 2024-05-03; 40% was wood.")
    ['40']
    """

    def __init__(self, text: str) -> None:
        self._values = frozenset(_all_values(text))
        self._ordered = sorted(value for value in self._values if value >= 1)

    def missing(self, text: str) -> list[str]:
        """Those of another text that this one has nowhere, as they are written there, each once."""
        found = (match for match in _WRITTEN.finditer(text) if not self._has(match))
        return list(dict.fromkeys(_as_written(match) for match in found))

    def _has(self, match: re.Match[str]) -> bool:
        return any(value in self._values or self._rounds_to(value) for value in _meant(match))

    def _rounds_to(self, value: float) -> bool:
        """Whether a value of the text becomes this one when it is rounded as this one is, as 1,934 becomes 1,900."""
        digits = len(f"{value:.15g}".replace(".", "").strip("0"))
        return value >= 1 and any(_rounded(known, digits) == value for known in self._ordered)


def _as_written(match: re.Match[str]) -> str:
    scale = match["scale"]
    return match.group() if scale and _factor(scale) > 1 else match["digits"]


def _meant(match: re.Match[str]) -> set[float]:
    """Every value the figures can have, in some country's way of writing them."""
    factor = _factor(match["scale"]) if match["scale"] else 1
    return {value * factor for value in _readings(match["digits"])}


def _readings(digits: str) -> Iterator[float]:
    parts = re.split(f"[{_GROUP}]", digits)
    if all(len(part) == 3 for part in parts[1:]):
        yield float("".join(parts))
    if len(parts) > 1 and re.search(r"[.,]\d+$", digits):
        yield float(f"{''.join(parts[:-1])}.{parts[-1]}")


def _factor(word: str) -> float:
    return next((factor for factor, pattern in _SCALE_PATTERNS if pattern.fullmatch(word)), 1)


def _all_values(text: str) -> Iterator[float]:
    for match in _WRITTEN.finditer(text):
        yield from _meant(match)
        yield from _readings(match["digits"])
        yield from (float(part) for part in re.split(f"[{_GROUP}]", match["digits"]))
    for match in _WORD.finditer(text):
        word = match.group().lower()
        if word in _WORDS:
            yield float(_WORDS[word])
        if word in MONTHS:
            yield float(_month(word))
    for match in _HAN.finditer(text):
        yield _han_value(match.group())


def _month(word: str) -> int:
    return next((number for number, starts in enumerate(_MONTH_STARTS, 1) if word.startswith(starts)), 0)


def _han_value(written: str) -> float:
    """
    >>> _han_value("三十五万"), _han_value("二〇二四")
    (350000.0, 2024.0)
    """
    if all(char in _HAN_DIGITS for char in written):
        return float("".join(str(_HAN_DIGITS[char]) for char in written))
    total = section = digit = 0
    for char in written:
        if char in _HAN_DIGITS:
            digit = _HAN_DIGITS[char]
        elif char in _HAN_TENS:
            section += (digit or 1) * _HAN_TENS[char]
            digit = 0
        else:
            total, section, digit = (total + section + digit or 1) * _HAN_SCALES[char], 0, 0
    return float(total + section + digit)


def _rounded(value: float, digits: int) -> float:
    return round(value, digits - 1 - floor(log10(value)))
