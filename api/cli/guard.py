"""What every command does around its work: read the settings, turn errors into one line and an exit status."""

from collections.abc import Callable
from typing import Any

import typer
from pydantic import ValidationError

from api.cli.report import complain
from orchestration.settings import Settings
from pipeline.errors import PipelineError

BAD_USAGE = 2
FAILED = 1
INTERRUPTED = 130


def settings_with(**overrides: object) -> Settings:
    """Settings from the environment, overridden by what was given on the command line."""
    given: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        for line in problems_of(error):
            complain(line)
        raise typer.Exit(BAD_USAGE) from None


def problems_of(error: ValidationError) -> list[str]:
    """What is wrong with the settings, without their values."""
    problems = error.errors(include_input=False)
    return [f"PENSTOCK_{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg']}" for problem in problems]


def guarded(action: Callable[[], int | None]) -> None:
    """Run a command to its exit status; an expected error becomes one line instead of a traceback."""
    try:
        status = action()
    except (PipelineError, OSError) as error:
        complain(str(error))
        status = FAILED
    except KeyboardInterrupt:
        status = INTERRUPTED
    raise typer.Exit(status or 0)
