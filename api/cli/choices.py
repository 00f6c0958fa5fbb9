"""Options that several commands have."""

from enum import StrEnum
from typing import Annotated

import typer


class ProcessingChoice(StrEnum):
    """`Processing`, as the command line wants it."""

    QUICK = "quick"
    DETAILED = "detailed"


Quick = Annotated[
    ProcessingChoice, typer.Option(help="quick: about three sentences; detailed: sections and key points.")
]
