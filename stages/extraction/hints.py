"""What the names that a page gives to its boxes hint at: class names, ids and roles."""

import re
from functools import lru_cache

NAMED = {
    "menu": r"nav|menu|breadcrumb|^toc$|contents",
    "foot": r"foot(?!note)|copyright|colophon|legal",
    "head": r"header|masthead|topbar|banner|hero",
    "side": r"side|aside|rail$|widget|secondary|complementary",
    "related": r"relat|recommend|similar|also|more|upsell|cross|popular|trending|latest|recent|suggest"
    r"|^next|^prev|pag(?:er|in)",
    "share": r"shar(?:e|ing)|social|follow|twitter|facebook|instagram|whatsapp|pinterest|linkedin",
    "comment": r"comment|repl(?:y|ies)|respon[ds]e?$|disqus|discuss",
    "dialog": r"cookie|consent|gdpr|privacy|onetrust|popup|modal|overlay|dialog|drawer|canvas|flyout|tooltip"
    r"|toast|alert",
    "advert": r"^ads?$|advert|sponsor|promo|outbrain|taboola|affiliate",
    "signup": r"newsletter|subscri|signup|login|register|account|member|paywall|donat",
    "topic": r"tag|categor|topic|label|badge|chip",
    "byline": r"meta|author|byline|^bio|avatar|user|profile|signature|^sig$|date|time|publish",
    "article": r"article|story|entry|post|blog|news",
    "body": r"content|body|main|text|prose|copy|rich|markdown|wysiwyg|^rte$|editor",
    "summary": r"desc|summary|intro|lead|excerpt|teaser|^dek$|subtitle|standfirst",
    "title": r"title|heading|headline|name",
    "item": r"product|item|card|tile|grid|result|list|collection|^row$|cell|^col$",
    "message": r"message|thread|forum|question|answer|quote|cooked",
    "review": r"review|rating|star|testimonial",
    "detail": r"spec|feature|detail|attribute|faq|accordion|^tabs?$|collapse|panel|expand|toggle",
    "filter": r"filter|sort|facet|refine|search|select|dropdown|option|swatch|variant|size|quantity|qty",
    "shop": r"cart|basket|checkout|price|buy|wish|ship|deliver|stock|store",
    "hidden": r"hid(?:e|den)|^sr$|visually|reader|print|mobile|desktop",
    "control": r"button|btn|cta|link|icon|tool|action|control",
    "figure": r"caption|figure|image|img|photo|gallery|slide|carousel|media|video|thumb",
}
"""What the words in class names, ids and roles hint at, each by a pattern."""
_PATTERNS = [re.compile(pattern) for pattern in NAMED.values()]
_NAME_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


def hints(names: str) -> set[int]:
    """The numbers of what these names hint at, in the order of `NAMED`."""
    return {hint for part in _NAME_PARTS.findall(names[:300]) for hint in _hints_of(part.lower())}


@lru_cache(maxsize=20_000)
def _hints_of(part: str) -> tuple[int, ...]:
    return tuple(index for index, pattern in enumerate(_PATTERNS) if pattern.search(part))
