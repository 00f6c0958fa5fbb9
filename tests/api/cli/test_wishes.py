import json
from pathlib import Path

import pytest
import typer

from api.cli.choices import FallbackChoice, RobotsChoice
from api.cli.terms import Terms
from api.cli.wishes import Wishes
from stages.contract import Options

SCHEMA = {"type": "object", "properties": {"price": {"type": "number"}}}


def test_only_what_was_given_is_asked() -> None:
    assert Wishes("quick", "medium").fields() == {"processing": "quick", "length": "medium"}
    assert Wishes("quick", "medium").options(Terms()) == Options()


def test_terms_that_are_options_are_asked_too() -> None:
    terms = Terms(tags=["a"], max_age_s=0, render=True, fallback=FallbackChoice.FAIL, robots=RobotsChoice.IGNORE)
    assert Wishes("quick", "medium").options(terms) == Options(
        max_age_s=0, render=True, fallback="fail", robots="ignore"
    )


def test_a_schema_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(json.dumps(SCHEMA))
    options = Wishes("detailed", "short", language="de", prompt="Mind the tides.", schema=file).options(Terms())
    assert (options.answer_schema, options.language, options.prompt) == (SCHEMA, "de", "Mind the tides.")


@pytest.mark.parametrize(
    ("text", "said"), [("no JSON", "no JSON"), ('{"type": "array"}', "--schema"), ("[1]", "--schema")]
)
def test_a_file_without_a_schema_ends_the_program(
    tmp_path: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "prices.json"
    file.write_text(text)
    with pytest.raises(typer.Exit) as caught:
        Wishes("quick", "medium", schema=file).options(Terms())
    assert caught.value.exit_code == 2
    assert said in capsys.readouterr().err


def test_a_language_that_is_none_ends_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        Wishes("quick", "medium", language="German").options(Terms())
    assert "--language" in capsys.readouterr().err
