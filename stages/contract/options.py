"""What a client may ask of a job beyond its source and its pipeline."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from stages.contract.answer_schema import checked_schema

Processing = Literal["quick", "detailed"]
Fallback = Literal["wait", "extractive", "fail"]
RobotsUse = Literal["obey", "ignore"]
Length = Literal["short", "medium", "long"]

MAX_PROMPT_CHARS = 20_000


def _encodable(text: str) -> str:
    """Refuse what no encoding, or no database, can write: lone surrogates and control characters."""
    if any((char < " " and char not in "\n\t") or char == "\x7f" or "\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("this has control characters or half of a surrogate pair")
    return text


_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_encodable)]
_Line = Annotated[_Words, StringConstraints(max_length=200, pattern=r"^[^\n\t]*$")]


class Options(BaseModel):
    """Options of one job, the same for all of its stages."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    processing: Processing = Field(default="quick", description="`quick`: about three sentences; `detailed`: sections.")
    robots: RobotsUse = Field(
        default="obey", description="`ignore`: fetch although robots.txt does not allow it; needs the scope `admin`."
    )
    length: Length = Field(default="medium", description="How long the summary is to be.")
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}$")] | None = Field(
        default=None, description="Of the summary, as a tag such as `de` or `pt-BR`; that of the page unless given."
    )
    audience: _Line | None = Field(default=None, description="Whom the summary is for, in a few words.")
    prompt: Annotated[_Words, StringConstraints(max_length=MAX_PROMPT_CHARS)] | None = Field(
        default=None, description="What the summary is to heed, in the client's own words."
    )
    model: _Line | None = Field(default=None, description="The language model, if the operator allows others.")
    fallback: Fallback = Field(
        default="wait",
        description="While the language model is down or over a budget: `wait`, do without (`extractive`), or `fail`.",
    )
    answer_schema: Annotated[dict[str, Any], AfterValidator(checked_schema)] | None = Field(
        default=None, alias="schema", description="A JSON Schema: the answer is data that fits it, instead of prose."
    )

    max_age_s: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="How old a stored copy of the page may be, in seconds; 0 to ask its host anyway.",
    )

    render: bool = Field(default=False, description="Whether to load the page in a browser that runs its scripts.")

    @property
    def need_model(self) -> tuple[str, ...]:
        """The names of those that are given and that only a language model can follow."""
        wishes = {
            "language": self.language,
            "audience": self.audience,
            "prompt": self.prompt,
            "model": self.model,
            "schema": self.answer_schema,
        }
        return tuple(name for name, wish in wishes.items() if wish is not None)
