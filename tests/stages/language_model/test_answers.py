import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.contract import Permanent, StageError, Transient
from stages.language_model.answers import read_object, read_prose

PROSE = "Locks lift boats over hills. They spend water to do it."


@pytest.mark.parametrize(
    "answer",
    [
        PROSE,
        f"  {PROSE}\n",
        f'"{PROSE}"',
        f"“{PROSE}”",
        f"Summary: {PROSE}",
        f"**Summary:** {PROSE}",
        f"## Summary\n\n{PROSE}",
        f"Zusammenfassung: {PROSE}",
        f"摘要：{PROSE}",
        f"Here is a short summary of the text:\n\n{PROSE}",
        f"Sure! Here is the summary:\n{PROSE}",
        f"```\n{PROSE}\n```",
        f"```text\n{PROSE}\n```",
        f"<think>The user wants {{a}} summary.</think>\n\n{PROSE}",
    ],
)
def test_prose_is_unwrapped(answer: str) -> None:
    assert read_prose(answer, 5_000) == PROSE


@pytest.mark.parametrize(
    "text",
    ['"Slow" is the word for locks, and "wet" is another, says "Rowe"', "Summary offences rose.", "「水」と「火」"],
)
def test_quotation_marks_and_words_of_the_prose_itself_stay(text: str) -> None:
    assert read_prose(text, 5_000) == text


@pytest.mark.parametrize(
    "answer",
    [
        "I can't help with that.",
        "I’m sorry, but I can’t assist with that request.",
        "As an AI, I cannot summarize this.",
        "I am unable to process this text.",
        "Es tut mir leid, aber dabei kann ich nicht helfen.",
        "Je ne peux pas vous aider.",
        "Lo siento, no puedo ayudar con eso.",
        "К сожалению, я не могу помочь.",
        "抱歉，我无法帮助你。",
        "申し訳ありませんが、お手伝いできません。",
    ],
)
@pytest.mark.parametrize("read", [lambda answer: read_prose(answer, 5_000), read_object])
def test_a_refusal_is_final(read: object, answer: str) -> None:
    with pytest.raises(Permanent) as caught:
        read(answer)  # type: ignore[operator]
    assert caught.value.code == "llm_refused"


@pytest.mark.parametrize("start", ["Sorry states", "I cannot sleep, writes the author,"])
def test_long_prose_that_begins_like_a_refusal_is_no_refusal(start: str) -> None:
    text = f"{start} {PROSE * 10}"
    assert read_prose(text, 5_000) == text


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "   \n",
        "...",
        "```\n\n```",
        '{"error": {"message": "model overloaded", "code": 500}}',
        '[{"a": 1}]',
        "<!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
        "<html><head>",
        "<think>I never stop thinking",
        "word " * 2_000,
    ],
)
def test_what_is_no_prose_is_a_bad_answer(answer: str) -> None:
    with pytest.raises(Transient) as caught:
        read_prose(answer, 5_000)
    assert caught.value.code == "llm_bad_answer"


def test_a_short_text_may_have_a_longer_summary() -> None:
    assert read_prose(PROSE, source_chars=10) == PROSE


OBJECT = {"summary": "a {brace} and a ``` fence", "key_points": ["b"]}


@pytest.mark.parametrize(
    "wrap",
    [
        "{}",
        "```json\n{}\n```",
        "```\n{}\n```",
        "Here is the JSON you asked for:\n\n{}\n\nLet me know if you need more.",
        "<think>hm {{not this}}</think>{}",
        "Sure!\n```json\n{}\n```\nDone.",
    ],
)
def test_an_object_is_found_in_its_wrapping(wrap: str) -> None:
    plain = {"summary": "a", "key_points": ["b"]}
    assert read_object(wrap.format(json.dumps(plain))) == plain


def test_an_object_may_hold_braces_and_fences() -> None:
    assert read_object(json.dumps(OBJECT)) == OBJECT


def test_raw_line_breaks_in_strings_are_read() -> None:
    assert read_object('{"summary": "one\ntwo"}') == {"summary": "one\ntwo"}


@pytest.mark.parametrize(
    "answer", ["", "no json", "[1, 2]", '{"summary": "cut of', "{'a': 1}", "[" * 100_000, "{" * 100_000]
)
def test_what_holds_no_object_is_a_bad_answer(answer: str) -> None:
    with pytest.raises(Transient) as caught:
        read_object(answer)
    assert caught.value.code == "llm_bad_answer"


@given(st.text(max_size=300))
def test_no_answer_raises_anything_else(answer: str) -> None:
    for read in (lambda: read_prose(answer, 100), lambda: read_object(answer)):
        try:
            read()
        except StageError as error:
            assert error.code in ("llm_bad_answer", "llm_refused")  # noqa: PT017 - success is fine as well
