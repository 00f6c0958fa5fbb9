import pytest

from pipeline.errors import ModelNotAllowed, NoLanguageModel, PromptNotAllowed, Refused
from pipeline.offer import Offer
from stages.contract import Options

SCHEMA = {"type": "object"}
OFFER = Offer(models=("small", "large"), max_prompt_chars=10)


@pytest.mark.parametrize(
    "options",
    [Options(), Options(processing="detailed", length="long")],
)
def test_without_a_language_model_what_is_done_offline_is_on_offer(options: Options) -> None:
    Offer().check(options)


@pytest.mark.parametrize("asked", [{"schema": SCHEMA}, {"prompt": "x"}, {"language": "de"}, {"model": "small"}])
def test_without_a_language_model_nothing_is_that_needs_one(asked: dict[str, object]) -> None:
    with pytest.raises(NoLanguageModel, match=next(iter(asked))):
        Offer().check(Options.model_validate(asked))


@pytest.mark.parametrize(
    "asked", [{}, {"schema": SCHEMA}, {"model": "large"}, {"prompt": "x" * 10}, {"audience": "all", "language": "ja"}]
)
def test_with_one_all_is_that_the_operator_allows(asked: dict[str, object]) -> None:
    OFFER.check(Options.model_validate(asked))


@pytest.mark.parametrize(
    ("offer", "asked", "error"),
    [
        (OFFER, {"model": "huge"}, ModelNotAllowed),
        (OFFER, {"prompt": "x" * 11}, PromptNotAllowed),
        (Offer(models=("small",), custom_prompts=False), {"prompt": "x"}, PromptNotAllowed),
    ],
)
def test_and_nothing_else(offer: Offer, asked: dict[str, object], error: type[Refused]) -> None:
    with pytest.raises(error):
        offer.check(Options.model_validate(asked))
