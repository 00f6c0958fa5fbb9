"""Options that several commands have."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ProcessingChoice(StrEnum):
    """`Processing`, as the command line wants it."""

    QUICK = "quick"
    DETAILED = "detailed"


Quick = Annotated[
    ProcessingChoice, typer.Option(help="quick: about three sentences; detailed: sections and key points.")
]


class LengthChoice(StrEnum):
    """`Length`, as the command line wants it."""

    SHORT = "short"
    MEDIUM = "medium"
    LONG = "long"


HowLong = Annotated[LengthChoice, typer.Option(help="How long the summary is to be.")]
Language = Annotated[str | None, typer.Option(metavar="TAG", help="Of the summary, such as de; that of the page.")]
Audience = Annotated[str | None, typer.Option(metavar="WORDS", help="Whom the summary is for.")]
Prompt = Annotated[str | None, typer.Option(metavar="TEXT", help="What the summary is to heed.")]
Model = Annotated[str | None, typer.Option(metavar="NAME", help="Another language model that is on offer.")]
SchemaFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A JSON Schema: the answer is data that fits it.", dir_okay=False)
]


class FallbackChoice(StrEnum):
    """`Fallback`, as the command line wants it."""

    WAIT = "wait"
    EXTRACTIVE = "extractive"
    FAIL = "fail"


Fallback = Annotated[
    FallbackChoice | None,
    typer.Option(help="While the language model is down or over a budget: wait, do without, or fail."),
]

Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="A word to find it by; repeatable.")]
Metadata = Annotated[
    list[str] | None, typer.Option("--meta", metavar="NAME=VALUE", help="Kept and shown with it; repeatable.")
]
Delay = Annotated[float | None, typer.Option("--delay", min=0, metavar="SECONDS", help="When it is due, from now on.")]
NotBefore = Annotated[
    str | None, typer.Option(metavar="MOMENT", help="The same as a moment, such as 2026-12-01T08:00; local time.")
]
ExpiresAt = Annotated[str | None, typer.Option(metavar="MOMENT", help="It fails if it has not ended by then.")]
MaxAge = Annotated[
    float | None, typer.Option(min=0, metavar="SECONDS", help="How old a stored copy of the page may be; 0 for none.")
]
Render = Annotated[bool, typer.Option("--render", help="Load the page in a browser that runs its scripts.")]


class RobotsChoice(StrEnum):
    """`RobotsUse`, as the command line wants it."""

    OBEY = "obey"
    IGNORE = "ignore"


Robots = Annotated[
    RobotsChoice | None, typer.Option(help="ignore: fetch although robots.txt does not allow it; needs an admin's key.")
]
Webhook = Annotated[
    str | None, typer.Option(metavar="ID|URL", help="A registered webhook that is to be told of the end.")
]
MaxAttempts = Annotated[int | None, typer.Option(min=1, help="At each stage, instead of what the stage declares.")]
