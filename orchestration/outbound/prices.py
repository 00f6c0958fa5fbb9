"""What models cost: a table of prices per million tokens, in one currency, exact to the millionth.

    {"currency": "USD", "models": {"gpt-4.1-mini": {"input": "0.40", "output": "1.60"}}}

One currency for all, as sums and budgets over several would mean nothing.
"""

from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from pipeline.spending import Spent
from stages.contract.nouns import Usage


def _exact(value: object) -> object:
    """A number of JSON as it was most likely written."""
    return str(value) if isinstance(value, float) else value


Amount = Annotated[Decimal, BeforeValidator(_exact), Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class Price(BaseModel):
    """What a million tokens cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Amount
    output: Amount

    def micros(self, input_tokens: int, output_tokens: int) -> int:
        """What a call costs in millionths of the currency, rounded up: a price per million is one per token of these.

        >>> Price(input="0.40", output="1.60").micros(1000, 201)
        722
        """
        exact = input_tokens * self.input + output_tokens * self.output
        return int(exact.to_integral_value(ROUND_CEILING))


class Prices(BaseModel):
    """The price table. A model that is not in it costs tokens only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: str = Field(default="USD", pattern="^[A-Z]{3}$")
    models: dict[str, Price] = Field(default_factory=dict)

    def micros(self, model: str, input_tokens: int, output_tokens: int) -> int | None:
        """What so many tokens of a model cost; None where it has no price."""
        price = self.models.get(model)
        return None if price is None else price.micros(input_tokens, output_tokens)

    def spent(self, model: str, usage: Usage) -> Spent:
        """What a call has cost.

        >>> usage = Usage(input_tokens=10, output_tokens=1)
        >>> Prices(models={"m": Price(input="2", output="8")}).spent("m", usage).micros
        28
        >>> Prices().spent("m", usage).unpriced_calls
        1
        """
        micros = self.micros(model, usage.input_tokens, usage.output_tokens)
        return Spent(
            calls=1,
            unpriced_calls=int(micros is None),
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            micros=micros or 0,
            currency=None if micros is None else self.currency,
        )

    def saved(self, model: str, usage: Usage) -> Spent:
        """What a call would have cost that was answered from the cache."""
        spent = self.spent(model, usage)
        tokens = usage.input_tokens + usage.output_tokens
        return Spent(1, cached_calls=1, saved_tokens=tokens, saved_micros=spent.micros, currency=spent.currency)


def parse_prices(given: str) -> Prices:
    """Read a table: JSON, or the name of a file that holds it. Raises `ValueError`.

    >>> parse_prices('{"models": {"m": {"input": 2, "output": "8"}}}').models["m"].output
    Decimal('8')
    """
    if given.lstrip().startswith("{"):
        return Prices.model_validate_json(given)
    try:
        return Prices.model_validate_json(Path(given).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"the price table cannot be read: {error.strerror}") from None
