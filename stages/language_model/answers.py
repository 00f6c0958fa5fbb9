"""Reads what a language model answered: tolerant of its habits, strict about what comes out."""

import json
import re
from collections.abc import Iterator
from math import inf
from typing import Any

from stages.contract import Permanent, StageError, Transient

_REASONING = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_OPEN_REASONING = re.compile(r"\A\s*<think(?:ing)?>(?!.*</think(?:ing)?>)", re.DOTALL | re.IGNORECASE)
_FENCED = re.compile(r"```[\w-]*[ \t]*\n?(.*?)\n?```", re.DOTALL)
_LEAD_IN = re.compile(
    r"\A\s*(?:here(?:['’]s| is)[^:\n]{0,60}:|sure[,!][^:\n]{0,60}:"
    r"|[#*_\s]*(?:summary|zusammenfassung|résumé|resumen|riassunto|резюме|摘要|总结|要約|الملخص|ملخص)"
    r"[*_\s]*[:：\n][*_]*)\s*",
    re.IGNORECASE,
)
_QUOTES = (('"', '"'), ("“", "”"), ("„", "“"), ("«", "»"), ("「", "」"), ("'", "'"))
_NOT_PROSE = re.compile(r"\A\s*(?:[{\[]\s*[\"{\[]|<(?:think|!doctype|html|\?xml|head|body)\b)", re.IGNORECASE)
_MAY_LEAD_IN = re.compile(r"\A(?:here|sure)\b[^:\n]{0,66}\Z", re.IGNORECASE)
"""As long as the longest lead-in."""
_UNFINISHED = re.compile(
    r"(?:<[a-z/!][^<>]*|!?\[[^\[\]\n]{0,300}(?:\](?:\([^()\n]*)?)?|(?<![^\s。！？、，])[^\s。！？、，]+)\Z",
    re.IGNORECASE,
)
"""A tag, a link or a word of which the end is still to come."""
_SUMMARY_SO_FAR = re.compile(r'"summary"\s*:\s*"((?:[^"\\]|\\.)*)', re.DOTALL)
_HALF_ESCAPE = re.compile(r"\\u[0-9a-f]{0,3}\Z", re.IGNORECASE)
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_LETTER = re.compile(r"[^\W\d_]")

_REFUSAL = re.compile(
    r"\A\W*(?:(?:i['’]?m|i am) (?:really |very |so )?sorry\b|sorry,|i apologi[sz]e\b|unfortunately, i\b|as an ai\b"
    r"|i (?:can['’]?t|cannot|can not|won['’]?t|will not|(?:am|['’]m) (?:unable|not able)|must decline|decline to)\b"
    r"|i['’]m (?:unable|not able) to\b"
    r"|(?:es )?tut mir leid\b|(?:leider kann ich|ich kann) (?:dabei|dazu|das|diese[nrs]?|ihnen) (?:\w+ )?nicht\b"
    r"|(?:je suis )?désolée?\b|je ne (?:peux|suis) pas\b|lo siento\b|no puedo\b|mi dispiace\b|non posso\b"
    r"|извините\b|к сожалению, я\b|я не могу\b|抱歉|很抱歉|对不起|我无法|我不能|申し訳|恐れ入りますが"
    r"|عذرا|آسف|لا أستطيع|لا يمكنني)",
    re.IGNORECASE,
)
_LONGEST_REFUSAL_CHARS = 400
_ALWAYS_ALLOWED_CHARS = 600
"""A summary of a very short text may be longer than the text."""


def read_prose(answer: str, source_chars: float = inf) -> str:
    """The plain text of an answer, without fences, quotation marks or lead-in.

    Raises `Permanent` with `llm_refused`, or `Transient` with `llm_bad_answer` for what is no prose or longer than the
    `source_chars` characters that were to be summarized.

    >>> read_prose('Summary: "Locks lift boats."', source_chars=5_000)
    'Locks lift boats.'
    """
    text = _unwrap(_without_reasoning(answer))
    _refuse_refusal(text)
    if not _LETTER.search(text) or _NOT_PROSE.match(text) or len(text) > max(source_chars, _ALWAYS_ALLOWED_CHARS):
        raise Transient("llm_bad_answer")
    return text


def prose_so_far(answer: str) -> str:
    """What can be shown of prose that is still being written; empty while it may turn out to be something else.

    >>> prose_so_far("<think>Boats, lo"), prose_so_far("<think>Boats.</think>Locks lift bo")
    ('', 'Locks lift ')
    """
    try:
        text = read_prose(answer)
    except StageError:
        return ""
    return "" if _MAY_LEAD_IN.match(text) else _UNFINISHED.sub("", text, count=1)


def summary_so_far(answer: str) -> str:
    """The same of the member `summary` of a JSON object.

    >>> summary_so_far('{"summary": "Locks \\\\"lift\\\\" bo')
    'Locks "lift" '
    """
    found = _SUMMARY_SO_FAR.search(_without_reasoning(answer))
    if found is None or _OPEN_REASONING.match(answer):
        return ""
    try:
        said = json.loads(f'"{_HALF_ESCAPE.sub("", found[1])}"', strict=False)
    except ValueError:
        return ""
    return prose_so_far(_HALF_CHARACTER.sub("", said))


def read_object(answer: str) -> dict[str, Any]:
    """The JSON object in an answer, with or without fences and prose around it.

    Raises `Permanent` with `llm_refused` or `Transient` with `llm_bad_answer`.

    >>> read_object('Here you are:\\n```json\\n{"topics": ["locks"]}\\n```')
    {'topics': ['locks']}
    """
    text = _without_reasoning(answer)
    for candidate in _candidates(text):
        try:
            found, _end = json.JSONDecoder(strict=False).raw_decode(candidate)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    _refuse_refusal(text)
    raise Transient("llm_bad_answer")


def clean_strings(values: object) -> list[str]:
    """The texts in a list a model gave, white space folded, what is empty or no text left out.

    >>> clean_strings(["  a\\n b", "", 3, None]), clean_strings("a")
    (['a b'], [])
    """
    if not isinstance(values, list):
        return []
    return [folded for value in values if isinstance(value, str) and (folded := " ".join(value.split()))]


def _without_reasoning(answer: str) -> str:
    return _REASONING.sub("", answer).strip()


def _unwrap(text: str) -> str:
    fenced = _FENCED.fullmatch(text)
    text = _LEAD_IN.sub("", fenced.group(1) if fenced else text).strip()
    for opening, closing in _QUOTES:
        inner = text[1:-1]
        if len(text) > 1 and text.startswith(opening) and text.endswith(closing) and closing not in inner:
            return inner.strip()
    return text


def _candidates(text: str) -> Iterator[str]:
    """Where an object may begin: the whole answer, then fenced blocks, then the first brace."""
    yield text
    yield from (body.strip() for body in _FENCED.findall(text))
    yield text[text.find("{") :]


def _refuse_refusal(text: str) -> None:
    if len(text) <= _LONGEST_REFUSAL_CHARS and _REFUSAL.match(text):
        raise Permanent("llm_refused")
