"""Articles that are longer than the model reads at once, through the functions that a stage declares for parts."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from stages.analyze import analyze
from stages.contract import Analysis, Article, Completion, Message, Notes, Options, Passage, Payload, Scope, Stage
from stages.contract.nouns import Entity, Sentiment, Summary, Usage
from stages.language_model.tokens import estimate_tokens
from stages.summarize import summarize
from tests.support.llm import USAGE, FakeLlm
from tests.support.passages import make_article
from tests.support.tools import MemoryProgress, make_tools

WINDOW = 1_000
CHAPTERS = 60


def book(chapters: int) -> Article:
    markdown = "\n\n".join(
        f"## Chapter {number}\n\n"
        + " ".join(f"In chapter {number} keeper {number} opened {gate}." for gate in range(20))
        for number in range(chapters)
    )
    return make_article(markdown.replace("## ", ""), title="The keepers").model_copy(update={"markdown": markdown})


BOOK = book(CHAPTERS)


@dataclass
class Reader:
    """A model that answers with the chapters it was shown, in so many words, and bears nothing that is too long."""

    words: int = 60
    max_input_tokens: int = WINDOW
    endpoint: str = "llm.test:443"
    seen: list[tuple[str, str]] = field(default_factory=list)

    def count_tokens(self, text: str) -> int:
        return estimate_tokens(text)

    def complete(self, messages: Sequence[Message], scope: Scope, **about: Any) -> Completion:
        system, user = (message.content for message in messages)
        text = user.split("]\n", 1)[1].rsplit("\n[END", 1)[0]
        assert estimate_tokens(text) <= self.max_input_tokens
        self.seen.append((system, text))
        chapters = sorted({int(number) for number in re.findall(r"chapter (\d+)\b", text)})
        said = " ".join(f"chapter {number}" for number in chapters)
        filler = " ".join(["and"] * max(0, self.words - 2 * len(chapters)))
        return Completion(text=f"Of {said} {filler}", model="m", usage=USAGE)


def carry_out(stage: Stage, article: Article, llm: object, options: Options | None = None) -> tuple[Payload, list[int]]:
    """What attempts do; also how many parts each level had."""
    tools, levels = make_tools(llm=llm, options=options or Options()), []
    assert stage.fan_out is not None
    parts = list(stage.fan_out.split(article, tools))
    results: list[Payload] = []
    while parts:
        levels.append(len(parts))
        stored = [Passage.from_bytes(part.to_bytes()) for part in parts]
        results = [stage.fan_out.map(part, tools) for part in stored]
        parts = list(stage.fan_out.regroup(results, tools))
    return (stage.fan_out.reduce(article, results, tools) if results else stage.run(article, tools)), levels


def test_the_whole_of_a_long_article_is_read() -> None:
    llm = Reader()
    summary, levels = carry_out(summarize, BOOK, llm)
    assert isinstance(summary, Summary)
    assert set(re.findall(r"chapter (\d+)", summary.text)) == {str(number) for number in range(CHAPTERS)}
    assert (summary.parts, summary.method, summary.processing) == (levels[0], "llm", "quick")
    assert summary.usage == Usage(input_tokens=120 * len(llm.seen), output_tokens=30 * len(llm.seen))


@pytest.mark.parametrize(("words", "chapters", "depth"), [(30, 60, 1), (120, 60, 2), (500, 100, 3)])
def test_notes_that_are_too_long_are_read_in_groups_until_they_fit(words: int, chapters: int, depth: int) -> None:
    _, levels = carry_out(summarize, book(chapters), Reader(words=words))
    assert len(levels) == depth
    assert all(after * 3 <= before + 2 for before, after in pairwise(levels))


def test_the_model_is_told_what_it_reads() -> None:
    llm = Reader(words=120)
    _, levels = carry_out(summarize, BOOK, llm)
    asked = [system for system, _ in llm.seen]
    assert f"part 1 of {levels[0]} " in asked[0]
    assert "consecutive parts" in asked[levels[0]]
    assert "part by part" in asked[-1]
    assert all("The keepers" in text for _, text in (llm.seen[0], llm.seen[-1]))


def test_of_a_long_article_the_summary_is_shown_and_not_the_notes() -> None:
    class Typing(Reader):
        def complete(self, messages: Sequence[Message], scope: Scope, **about: Any) -> Completion:
            completion = super().complete(messages, scope, **about)
            if on_text := about["on_text"]:
                on_text(completion.text[:40])
            return completion

    progress = MemoryProgress()
    assert summarize.fan_out is not None
    tools = make_tools(llm=Typing(words=30), progress=progress)
    notes = [summarize.fan_out.map(part, tools) for part in summarize.fan_out.split(BOOK, tools)]
    assert progress.shown == []
    summary = summarize.fan_out.reduce(BOOK, notes, tools)
    first, last = progress.shown
    assert isinstance(summary, Summary)
    assert last == summary.text
    assert 0 < len(first) <= 40
    assert last.startswith(first)


def test_passages_begin_with_sections_and_say_where_they_stand() -> None:
    assert summarize.fan_out is not None
    parts = list(summarize.fan_out.split(BOOK, make_tools(llm=Reader())))
    assert all(part.text.startswith("Chapter ") for part in parts)
    assert all(BOOK.text[part.start :].startswith(part.text) for part in parts)
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))


def test_the_same_article_is_split_in_the_same_way() -> None:
    assert summarize.fan_out is not None
    first, second = (list(summarize.fan_out.split(BOOK, make_tools(llm=Reader()))) for _ in range(2))
    assert [part.to_bytes() for part in first] == [part.to_bytes() for part in second]


@pytest.mark.parametrize("stage", [summarize, analyze], ids=lambda stage: stage.name)
def test_what_fits_is_not_split_and_nothing_is_without_a_model(stage: Stage) -> None:
    assert stage.fan_out is not None
    assert list(stage.fan_out.split(BOOK, make_tools())) == []
    assert list(stage.fan_out.split(BOOK, make_tools(llm=FakeLlm("x", max_input_tokens=100_000)))) == []


def test_a_detailed_summary_is_made_of_notes_too() -> None:
    class Detailed(Reader):
        def complete(self, messages: Sequence[Message], scope: Scope, **about: Any) -> Completion:
            plain = super().complete(messages, scope, **about)
            if "key_points" not in messages[0].content:
                return plain
            return Completion(text=json.dumps({"summary": "Keepers.", "key_points": [point]}), model="m")

    point = "Keeper 17 of chapter 17 opened a gate."

    summary, levels = carry_out(summarize, BOOK, Detailed(), Options(processing="detailed"))
    assert isinstance(summary, Summary)
    assert (summary.text, summary.parts) == ("Keepers.", levels[0])
    (cited,) = summary.key_points
    assert cited.text == point
    assert "In chapter 17 keeper 17 opened" in BOOK.text[cited.support[0].start : cited.support[0].end]


def test_data_is_taken_from_notes_of_what_the_schema_asks_for() -> None:
    class Clerk(Reader):
        def complete(self, messages: Sequence[Message], scope: Scope, **about: Any) -> Completion:
            told.append(messages[0].content)
            if about["schema"] is None:
                return super().complete(messages, scope, **about)
            return Completion(text='{"keepers": 60}', model="m")

    told: list[str] = []
    schema = {"type": "object", "properties": {"keepers": {"type": "integer"}}, "required": ["keepers"]}
    options = Options.model_validate({"schema": schema, "prompt": "Count them.", "language": "de"})
    summary, levels = carry_out(summarize, BOOK, Clerk(), options)
    assert isinstance(summary, Summary)
    assert (summary.data, summary.parts) == ({"keepers": 60}, levels[0])
    assert all(json.dumps(schema) in system and "Count them." in system for system in told)
    assert ["tag de" in system for system in told] == [False] * (len(told) - 1) + [True]


def test_notes_that_are_longer_than_the_passage_are_not_taken() -> None:
    assert summarize.fan_out is not None
    short = Passage(text="In chapter 7 the gate broke.")
    notes = summarize.fan_out.map(short, make_tools(llm=Reader(words=500)))
    assert isinstance(notes, Notes)
    assert notes.text == short.text


def test_notes_of_any_length_leave_room_for_others() -> None:
    class Talker(Reader):
        def complete(self, messages: Sequence[Message], scope: Scope, **about: Any) -> Completion:
            return Completion(text="word " * 500, model="m")

    assert summarize.fan_out is not None
    tools = make_tools(llm=Talker())
    part = next(iter(summarize.fan_out.split(BOOK, tools)))
    notes = summarize.fan_out.map(part, tools)
    assert isinstance(notes, Notes)
    assert estimate_tokens(notes.text) <= WINDOW // 4


def found(*topics: str, label: str = "neutral", score: float | None = None, **more: object) -> Analysis:
    values: dict[str, object] = {
        "topics": topics,
        "entities": (),
        "sentiment": Sentiment(label=label, score=score),
        "key_facts": (),
        "reading_time_s": 1,
        "method": "llm",
        "model": "m",
        "usage": USAGE,
    }
    return Analysis(**{**values, **more})


def merged(*results: Analysis, article: Article = BOOK) -> Analysis:
    assert analyze.fan_out is not None
    analysis = analyze.fan_out.reduce(article, results, make_tools())
    assert isinstance(analysis, Analysis)
    return analysis


def test_analyses_of_parts_are_merged_without_asking_again() -> None:
    analysis = merged(found("Gates", "floods"), found("bells", "gates"), found("boats"))
    assert analysis.topics[0] == "Gates"
    assert set(analysis.topics) == {"Gates", "floods", "bells", "boats"}
    assert (analysis.parts, analysis.usage) == (3, Usage(input_tokens=360, output_tokens=90))
    assert analysis.reading_time_s > 60


def test_names_are_counted_in_the_whole_article() -> None:
    ada = Entity(name="Ada Finch", kind="person")
    article = make_article("Ada Finch came. " * 7)
    analysis = merged(found("a", entities=(ada,)), found("b", entities=(ada,)), article=article)
    assert analysis.entities == (ada.model_copy(update={"mentions": 7}),)


def test_facts_of_all_parts_are_kept_in_their_order() -> None:
    parts = [found("a", key_facts=tuple(f"fact {part}.{place}" for place in range(7))) for part in range(4)]
    facts = merged(*parts).key_facts
    assert len(facts) == 12
    assert list(facts) == sorted(facts)
    assert {fact.split(".")[0] for fact in facts} == {f"fact {part}" for part in range(4)}


def test_the_tone_is_that_of_most_parts() -> None:
    tone = merged(
        found("a", label="positive", score=0.8),
        found("b", label="positive", score=0.4),
        found("c", label="negative", score=-1.0),
        found("d", label="unknown"),
    ).sentiment
    assert (tone.label, tone.score) == ("positive", 0.6)
    assert merged(found("a", label="unknown")).sentiment == Sentiment(label="unknown")


def test_an_analysis_reads_every_part() -> None:
    answer = json.dumps({"topics": ["gates"], "sentiment": {"label": "neutral", "score": 0}, "key_facts": ["A gate."]})
    llm = FakeLlm(answer, max_input_tokens=WINDOW)
    analysis, levels = carry_out(analyze, BOOK, llm)
    assert isinstance(analysis, Analysis)
    assert (analysis.parts, len(llm.asked), levels) == (len(llm.asked), levels[0], [len(llm.asked)])
