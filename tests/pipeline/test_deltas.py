"""Pieces of a text that is being written: how often, and that they add up."""

import pytest

from pipeline.deltas import EVERY_S, MAX_PIECE_CHARS, MAX_SHOWN_CHARS, ShownText, Writing, pieces
from pipeline.memory import MemoryDeltas
from tests.support.tools import ManualClock

WRITING = Writing("default", "0198", 1, "summarize", 2)


class Page:
    """Shows a text as a client puts it together."""

    def __init__(self):
        self.clock = ManualClock()
        self.deltas = MemoryDeltas()
        self.progress = ShownText(WRITING, self.deltas, self.clock)

    @property
    def text(self):
        text = ""
        for delta in self.deltas.told:
            assert delta.offset <= len(text)
            text = text[: delta.offset] + delta.text
        return text


@pytest.fixture
def page():
    return Page()


def test_a_text_grows_no_faster_than_four_times_a_second(page):
    words = [f"word{n} " for n in range(80)]
    for number in range(80):
        if page.progress.is_due:
            page.progress.show("".join(words[: number + 1]))
        page.clock.advance(EVERY_S / 8)
    assert len(page.deltas.told) == 10
    assert page.text == "".join(words[:73])


def test_its_end_is_told_at_once(page):
    page.progress.show("Locks")
    assert not page.progress.is_due
    page.progress.show("Locks lift boats.")
    assert page.text == "Locks lift boats."
    assert [(delta.offset, delta.text) for delta in page.deltas.told] == [(0, "Locks"), (5, " lift boats.")]


@pytest.mark.parametrize(
    "texts",
    [
        ["Locks lift", "Locks lower boats"],
        ["Here is what", "Locks lift boats"],
        ["Locks lift boats", "Locks"],
        ["Locks", ""],
        ["Locks \N{ROCKET}", "Locks \N{ROCKET} fly"],
        ["a" * (2 * MAX_PIECE_CHARS + 1)],
    ],
)
def test_what_was_shown_can_be_corrected(page, texts):
    for text in texts:
        page.progress.show(text)
        assert page.text == text
    assert all(len(delta.text) <= MAX_PIECE_CHARS for delta in page.deltas.told)


def test_nothing_new_is_not_told(page):
    page.progress.show("")
    page.progress.show("Locks")
    page.progress.show("Locks")
    assert len(page.deltas.told) == 1


def test_what_was_not_heard_is_told_with_what_comes_next(page):
    page.progress.show("Locks")
    page.deltas.is_heard = False
    page.progress.show("Locks lift")
    page.deltas.is_heard = True
    page.progress.show("Locks lift boats")
    assert page.text == "Locks lift boats"


def test_of_a_very_long_text_the_beginning_is_shown(page):
    page.progress.show("a" * 10 * MAX_SHOWN_CHARS)
    assert len(page.text) == MAX_SHOWN_CHARS


def test_pieces_say_whose_they_are():
    (piece,) = pieces(WRITING, "", "Locks")
    assert piece.as_json() == (
        '{"event":"summary.delta","job_id":"0198","run":1,"stage":"summarize","attempt":2,"offset":0,"text":"Locks"}'
    )
