"""Choosing main content on pages of each type, and the parts that the choice is made of."""

import numpy as np
import pytest

from stages.extraction.article import extract_html
from stages.extraction.choosing import shared
from stages.extraction.features import matrix, names
from stages.extraction.model import CHOICES, DEPTH, Model, best_choice, trained_model
from stages.extraction.passages import Choice, Passage, passages_of
from stages.extraction.pruning import prune
from stages.extraction.signals import PageSignals
from stages.extraction.trees import body_of, parse_page

SENTENCE = "The keeper opened the upper gate at six, and it took the boats an hour to pass."
MENU = "<nav><ul><li><a href=/>Home</a><li><a href=/news>News</a><li><a href=/shop>Shop</a></ul></nav>"
FOOTER = "<footer><p>© 2026 Water. All rights reserved. <a href=/privacy>Privacy policy</a></p></footer>"
COOKIES = "<div class=cookie-consent><p>We use cookies.</p><button>Accept all</button></div>"
POSTS = "".join(f"<div class=post><p>{SENTENCE} Said number {number}.</p></div>" for number in range(6))
CARDS = "".join(
    f"<li class=card><a href=/p/{n}><h3>Lantern model {n}</h3><p>Burns for {n} hours on one filling.</p></a></li>"
    for n in range(12)
)
PAGES = {
    "article": (f"<article><h1>The lock</h1>{f'<p>{SENTENCE} {SENTENCE}</p>' * 5}</article>", [SENTENCE]),
    "forum": (f"<main><h1>Who opens the gate?</h1>{POSTS}</main>", [f"Said number {n}" for n in range(6)]),
    "product": (
        f"<main class=product><h1>Lantern</h1><p>$40</p><div class=description><p>{SENTENCE} {SENTENCE}</p>"
        "<ul><li>Burns for nine hours, even in rain</li><li>Made of brass, and kept in stock</li></ul></div></main>",
        [SENTENCE, "Made of brass"],
    ),
    "collection": (f"<main><h1>Lanterns</h1><ul class=grid>{CARDS}</ul></main>", ["Lantern model 3", "for 11 hours"]),
    "documentation": (
        f"<main><h1>Opening</h1><p>{SENTENCE}</p><pre><code>gate --open --slowly</code></pre><p>{SENTENCE} Then shut "
        "it.</p></main>",
        [SENTENCE, "gate --open --slowly"],
    ),
    "service": (
        f"<main><section><h2>We tend locks</h2><p>{SENTENCE}</p></section><section><h2>We mend gates</h2>"
        "<p>Our smiths come to any canal within a day, and stay until the gate holds water.</p></section></main>",
        [SENTENCE, "until the gate holds water"],
    ),
}


def page(content: str) -> str:
    return f"<html><head><title>Water</title></head><body>{COOKIES}{MENU}{content}{FOOTER}</body></html>"


@pytest.mark.parametrize("kind", PAGES)
def test_content_of_each_type_is_kept_and_what_surrounds_it_is_not(kind):
    content, wanted = PAGES[kind]

    text = extract_html(page(content), "https://water.example/x").text

    assert [piece for piece in wanted if piece not in text] == []
    assert [piece for piece in ("cookies", "Privacy policy", "Shop") if piece in text] == []


def passages(body: str) -> list[Passage]:
    return passages_of(body_of(parse_page(f"<body>{body}</body>")))


def test_passages_are_the_runs_of_text_in_blocks():
    found = passages("<div>loose <b>words</b><p>A <a href=x>linked</a> one.</p>tail</div><a href=y><div>Card</div></a>")

    assert [(passage.text, passage.box.tag, passage.linked > 0) for passage in found] == [
        ("loose words", "div", False),
        ("A linked one.", "p", True),
        ("tail", "div", False),
        ("Card", "div", True),
    ]
    assert [passage.start for passage in found] == [0, 0, 2, 0]
    root = list(found[0].box.lineage())[-1]
    assert (root.passages, root.words) == (4, 7)


def test_copy_of_a_passage_elsewhere_on_the_page_is_read_once():
    assert [passage.text for passage in passages(f"<div><p>{SENTENCE}</div><div><p>{SENTENCE}</div>")] == [SENTENCE]
    assert len(passages(f"<div><p>{SENTENCE}<p>{SENTENCE}</div>")) == 2


def test_choice_of_another_extractor_tells_the_share_that_it_kept():
    choice = Choice([SENTENCE, "Shop"])

    assert choice.share_of(["the", "keeper", "opened", "the", "upper", "gate"]) == 1.0
    assert choice.share_of(["opened", "the", "upper", "gate", "of", "nothing"]) == 0.5
    assert [choice.share_of([word]) for word in ("shop", "keeper")] == [1.0, 0.0]


def test_what_is_not_kept_is_cut_out_with_the_elements_that_held_it():
    body = body_of(
        parse_page("<body><nav><p>Menu</p></nav><form><p>Kept <b>words</b></p>tail</form><p>x<img src=a></p>")
    )
    kept = {(passage.element, passage.start) for passage in passages_of(body) if passage.text == "Kept words"}

    prune(body, kept)

    assert "".join(body.itertext()) == "Kept words"
    assert [element.tag for element in body.iter()] == ["body", "div", "p", "b"]


@pytest.mark.parametrize(
    ("extractor", "error"),
    [
        ("_Readability", ValueError("odd tree")),
        ("extract_plain_text", ValueError("odd text")),
        ("extract_plain_text", type("PanicException", (BaseException,), {})()),
    ],
)
def test_extractor_that_fails_is_done_without(monkeypatch, extractor, error):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(f"stages.extraction.choosing.{extractor}", fail)

    assert SENTENCE in extract_html(page(PAGES["article"][0]), None).text


def test_each_passage_has_a_number_for_each_name():
    found = passages(PAGES["forum"][0])
    signals = PageSignals.of(parse_page("<body>x</body>"), "https://[water.example")

    rows = matrix(found, signals, [Choice([]), Choice([SENTENCE])])

    assert rows.shape == (len(found), len(list(names(CHOICES))))
    assert np.isfinite(rows).all()


def test_passages_in_one_place_share_their_probabilities():
    found = passages("<ul><li>One<li>Two</ul><p>Three</p>")

    assert shared(found, np.array([0.9, 0.5, 0.1])).tolist() == pytest.approx([0.8, 0.6, 0.1])


def test_model_asks_its_questions_from_the_root_to_a_leaf():
    inner = 2**DEPTH - 1
    model = Model([[0] * inner], [[float(node) for node in range(inner)]], [[float(leaf) for leaf in range(2**DEPTH)]])

    odds = model.probabilities(np.array([[-1.0], [100.0]]))

    assert np.log(odds / (1 - odds)) == pytest.approx([0.0, 2**DEPTH - 1])


def test_model_that_comes_along_fits_the_features():
    assert trained_model().probabilities(np.zeros((3, len(list(names(CHOICES)))))) == pytest.approx([0.5] * 3, abs=0.5)


@pytest.mark.parametrize(
    ("probabilities", "lengths", "kept"),
    [
        ([0.9, 0.9], [10, 10], [True, True]),
        ([0.9, 0.2], [10, 10], [True, False]),
        ([0.1, 0.05], [10, 10], [True, False]),
        ([0.9, 0.4], [10, 10], [True, True]),
        ([0.9, 0.5, 0.4], [100, 10, 500], [True, True, True]),
    ],
)
def test_passages_are_kept_for_the_best_f1_to_be_expected(probabilities, lengths, kept):
    assert best_choice(np.array(probabilities), np.array(lengths, dtype=float)).tolist() == kept
