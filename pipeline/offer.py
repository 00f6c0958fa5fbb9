"""What an operator lets jobs ask of the language model."""

from dataclasses import dataclass

from pipeline.errors import ModelNotAllowed, NoLanguageModel, PromptNotAllowed
from stages.contract import Options


@dataclass(frozen=True, slots=True)
class Offer:
    """The models there are, and whether clients may say how they are to be asked."""

    models: tuple[str, ...] = ()
    """The one that is used unless a job names another comes first; empty where no language model is configured."""
    custom_prompts: bool = True
    max_prompt_chars: int = 2_000

    def check(self, options: Options) -> None:
        """Raise `NoLanguageModel`, `ModelNotAllowed` or `PromptNotAllowed` for what is not on offer.

        >>> Offer(models=("small",)).check(Options(model="small", prompt="Mind the prices."))
        """
        if options.need_model and not self.models:
            raise NoLanguageModel(options.need_model)
        if options.model is not None and options.model not in self.models:
            raise ModelNotAllowed(options.model, self.models)
        if options.prompt is not None and not self.custom_prompts:
            raise PromptNotAllowed("the operator of this service allows no prompts of clients")
        if options.prompt is not None and len(options.prompt) > self.max_prompt_chars:
            raise PromptNotAllowed(
                f"the prompt has {len(options.prompt)} characters; the operator of this service allows"
                f" {self.max_prompt_chars}"
            )
