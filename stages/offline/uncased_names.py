"""Names in scripts without capital letters, found by the words that usually stand beside or inside them."""

import re
from collections.abc import Iterator, Sequence

from stages.offline.entity_cues import FIRST_NAMES, ORGANIZATION_WORDS, PERSON_TITLES, PLACE_WORDS, PLACES
from stages.offline.names import Mention, NameKind
from stages.offline.scripts import HAN, KATAKANA

_ARABIC_WORD = "[\u0621-\u064a]+"
_IS_ARABIC = re.compile("^[\u0621-\u064a]+$")


def _arabic(words: frozenset[str]) -> str:
    return "|".join(sorted(word for word in words if _IS_ARABIC.match(word)))


_HAN_PATTERNS: tuple[tuple[NameKind, re.Pattern[str]], ...] = (
    (
        "person",
        re.compile(
            rf"(?<![{HAN}])([{HAN}]{{2,5}}|[{KATAKANA}・]{{2,14}})(?:さん|氏(?!名)|教授|准教授|博士|所長|市長|社長|首相|選手)"
            rf"|([王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文]"
            rf"[{HAN}]{{1,2}})(?=教授|博士|先生|女士|主任|院士|工程师|总统|总理|部长|市长|表示|介绍说|指出|认为|说[，：“])"
        ),
    ),
    (
        "organization",
        re.compile(
            rf"((?:[{HAN}]{{2,6}}?|[{KATAKANA}ー]{{2,12}}|[A-Z][A-Za-z]+)"
            r"(?:大学|大學|研究所|研究院|株式会社|協会|协会|委員会|委员会|銀行|银行|財団|机构|機構|公司|集团|博物館|博物馆))"
        ),
    ),
    (
        "place",
        re.compile(
            rf"(?:^|[^{HAN}]|[在于从到自是与和及])([{HAN}]{{1,3}}(?:県|市|町|村|省|县|镇|湖|江|河|川|島|岛|港|半島|半岛))"
            rf"(?=$|[^{HAN}]|[的在与和及内])"
            r"|(日本|東京|大阪|京都|中国|北京|上海|广州|深圳|香港|台湾|韩国|韓国|美国|英国|法国|德国|印度|俄罗斯|欧洲|亚洲|非洲"
            r"|アメリカ|イギリス|フランス|ドイツ|ヨーロッパ|アジア|欧州|米国)"
        ),
    ),
)
_NO_PLACES = frozenset(
    (
        "都市",
        "城市",
        "空港",
        "全市",
        "全省",
        "市町村",
        "本市",
        "同市",
        "同県",
        "同省",
        "各県",
        "各省",
        "运河",
        "運河",
        "大河",
    )
)

_ARABIC_PATTERNS: tuple[tuple[NameKind, re.Pattern[str]], ...] = (
    (
        "person",
        re.compile(
            rf"(?:{_arabic(PERSON_TITLES)})\s+({_ARABIC_WORD}\s+{_ARABIC_WORD})"
            rf"|(?<![\u0621-\u064a])((?:{_arabic(FIRST_NAMES)})\s+{_ARABIC_WORD})"
        ),
    ),
    (
        "organization",
        re.compile(
            rf"(?<![\u0621-\u064a])((?:{_arabic(ORGANIZATION_WORDS)})\s+{_ARABIC_WORD}(?:\s+ال{_ARABIC_WORD})?)"
        ),
    ),
    (
        "place",
        re.compile(
            rf"(?<![\u0621-\u064a])(?:{_arabic(PLACE_WORDS)})\s+({_ARABIC_WORD})"
            rf"|(?<![\u0621-\u064a])[وبلف]?({_arabic(PLACES)})(?![\u0621-\u064a])"
        ),
    ),
)
_HAS_HAN = re.compile(f"[{HAN}{KATAKANA}]")
_HAS_ARABIC = re.compile(_ARABIC_WORD)


def uncased_mentions(sentences: Sequence[str]) -> list[Mention]:
    """Every mention of a name in Chinese, Japanese or Arabic text, in order of the sentences.

    >>> uncased_mentions(["東京大学の森山健一教授が発表した。"])
    [Mention(name='森山健一', kind='person'), Mention(name='東京大学', kind='organization')]
    """
    return [mention for sentence in sentences for mention in _mentions(sentence)]


def _mentions(sentence: str) -> Iterator[Mention]:
    taken: list[str] = []
    for kind, pattern in _patterns(sentence):
        for match in pattern.finditer(sentence):
            name = next(group for group in match.groups() if group)
            if name not in _NO_PLACES and not any(name in other for other in taken):
                taken.append(name)
                yield Mention(name, kind)


def _patterns(sentence: str) -> Iterator[tuple[NameKind, re.Pattern[str]]]:
    if _HAS_HAN.search(sentence):
        yield from _HAN_PATTERNS
    if _HAS_ARABIC.search(sentence):
        yield from _ARABIC_PATTERNS
