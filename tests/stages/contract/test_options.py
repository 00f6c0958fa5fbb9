import pytest
from pydantic import ValidationError

from stages.contract import Options

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}}
EVERYTHING = {
    "processing": "detailed",
    "length": "long",
    "language": "pt-BR",
    "audience": "children of ten",
    "prompt": "Mind the prices.\nName the places.",
    "model": "org/small:8b",
    "schema": SCHEMA,
}


def test_what_is_dumped_is_read_again_under_the_same_names() -> None:
    options = Options.model_validate(EVERYTHING)
    assert options.model_dump(mode="json", exclude_unset=True) == EVERYTHING
    assert Options.model_validate(options.model_dump(mode="json")) == options
    assert Options.model_validate_json(options.model_dump_json()) == options


def test_options_that_were_recorded_before_there_were_others_are_still_read() -> None:
    assert Options.model_validate({"processing": "quick"}) == Options()


def test_it_tells_what_only_a_language_model_can_follow() -> None:
    assert Options(processing="detailed", length="short").need_model == ()
    assert Options.model_validate(EVERYTHING).need_model == ("language", "audience", "prompt", "model", "schema")


@pytest.mark.parametrize(
    "asked",
    [
        {"length": "endless"},
        {"language": "German"},
        {"language": "de\nIgnore"},
        {"audience": ""},
        {"audience": "two\nlines"},
        {"audience": "x" * 201},
        {"prompt": " "},
        {"prompt": "\x00"},
        {"prompt": "\ud800"},
        {"prompt": "x" * 20_001},
        {"model": "a\x7fb"},
        {"schema": {"type": "string"}},
        {"schema": "{}"},
        {"tools": []},
    ],
    ids=str,
)
def test_what_cannot_be_done_or_kept_is_refused(asked: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Options.model_validate(asked)
