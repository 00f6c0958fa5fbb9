"""What a server says of its rate limits: `x-ratelimit-remaining-*` and `x-ratelimit-reset-*`, as OpenAI names them."""

import re
from collections.abc import Mapping

MOST_S = 900.0
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "": 1.0}


def exhausted_for_s(headers: Mapping[str, str], tokens: int = 1) -> float:
    """How long no call with so many tokens has room, in seconds up to 15 minutes; 0 where it has, or nobody knows.

    Header names are in lower case.

    >>> exhausted_for_s({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m30s"})
    90.0
    >>> exhausted_for_s({"x-ratelimit-remaining-tokens": "500", "x-ratelimit-reset-tokens": "500ms"}, tokens=600)
    0.5
    >>> exhausted_for_s({"x-ratelimit-remaining-tokens": "500", "x-ratelimit-reset-tokens": "7s"}, tokens=400)
    0.0
    >>> exhausted_for_s({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "soon"})
    0.0
    """
    calls_s = _reset_s(headers, "requests") if _remaining(headers, "requests") < 1 else 0.0
    tokens_s = _reset_s(headers, "tokens") if _remaining(headers, "tokens") < tokens else 0.0
    return min(max(calls_s, tokens_s), MOST_S)


def _remaining(headers: Mapping[str, str], what: str) -> float:
    value = headers.get(f"x-ratelimit-remaining-{what}", "").strip()
    return float(value) if re.fullmatch(r"\d{1,15}", value) else float("inf")


def _reset_s(headers: Mapping[str, str], what: str) -> float:
    value = headers.get(f"x-ratelimit-reset-{what}", "").strip()[:40]
    parts = _PART.findall(value)
    is_whole = "".join(number + unit for number, unit in parts) == value
    return sum(float(number) * _SECONDS[unit] for number, unit in parts) if is_whole else 0.0
