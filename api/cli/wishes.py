"""What is asked of a summary on the command line, by all commands that submit single jobs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from api.cli.terms import Terms, refuse
from stages.contract import Options


@dataclass(frozen=True, slots=True)
class Wishes:
    """As they were given."""

    processing: str
    length: str
    language: str | None = None
    audience: str | None = None
    prompt: str | None = None
    model: str | None = None
    schema: Path | None = None

    def fields(self) -> dict[str, Any]:
        """The fields of a job that were given. Raises `OSError`, and ends the program for a file that is no JSON."""
        given = {
            "processing": self.processing,
            "length": self.length,
            "language": self.language,
            "audience": self.audience,
            "prompt": self.prompt,
            "model": self.model,
            "schema": None if self.schema is None else _read(self.schema),
        }
        return {name: value for name, value in given.items() if value is not None}

    def options(self, terms: Terms) -> Options:
        """The same with those of the terms, checked here. Raises and ends the program as `fields`, also for what is
        not valid.
        """
        try:
            return Options.model_validate({**self.fields(), **terms.options()})
        except ValidationError as error:
            problem = error.errors(include_input=False)[0]
            raise refuse(f"--{problem['loc'][0]}: {problem['msg']}") from None


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError:
        raise refuse(f"--schema takes a file with a JSON Schema; {path} is no JSON") from None
