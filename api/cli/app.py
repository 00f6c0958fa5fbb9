"""The commands of `penstock`."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from api.cli.report import complain
from orchestration.settings import Settings
from pipeline.errors import PipelineError
from pipeline.job import Lane

app = typer.Typer(
    name="penstock",
    help="Turns web pages and documents into clean text and summaries, as durable background jobs.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


class ProcessingChoice(StrEnum):
    """`Processing`, as the command line wants it."""

    QUICK = "quick"
    DETAILED = "detailed"


BAD_USAGE = 2
FAILED = 1
INTERRUPTED = 130

Quick = Annotated[
    ProcessingChoice, typer.Option(help="quick: about three sentences; detailed: sections and key points.")
]
Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 for any free one.")]


@app.command()
def run(  # noqa: PLR0917  # typer reads them as options
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...", help="URLs, files, or - for standard input.")],
    pipeline: Annotated[str | None, typer.Option(help="A named pipeline.")] = None,
    stages: Annotated[str | None, typer.Option(help="An order of stages, separated by commas.")] = None,
    processing: Quick = ProcessingChoice.QUICK,
    lane: Annotated[Lane, typer.Option(help="How soon the jobs are served.")] = Lane.NORMAL,
    json: Annotated[bool, typer.Option("--json", help="Print the result documents only, one a line.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write result files to this folder.")] = None,
) -> None:
    """Run jobs and print their results, on the running stack or on one for the length of this command."""
    from api.cli.run import Wish, run_sources

    wish = Wish(
        sources=tuple(sources),
        pipeline=pipeline,
        stages=tuple(stages.split(",")) if stages else None,
        processing=processing.value,
        lane=lane,
    )
    _guarded(lambda: run_sources(_settings(), wish, as_json=json, output=output))


@app.command()
def up(host: Host = None, port: Port = None) -> None:
    """Run the whole stack on this machine: broker, API, a worker for each stage, keeper. Ctrl-C stops it."""
    from api.cli.up import run_up

    _guarded(lambda: run_up(_settings(api_host=host, api_port=port)))


@app.command()
def worker(
    queue: Annotated[str, typer.Option(help="The stage to work on.")],
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Attempts at once; fitting the stage if unset.")
    ] = None,
) -> None:
    """Run a worker for one stage."""
    from orchestration.roles import run_worker

    _guarded(lambda: run_worker(_settings(), queue, concurrency))


@app.command()
def api(host: Host = None, port: Port = None) -> None:
    """Serve the HTTP API."""
    from api.serve import listen, serve

    settings = _settings(api_host=host, api_port=port)
    _guarded(lambda: serve(settings, listen(settings)))


@app.command()
def keeper() -> None:
    """Run the housekeeper: launches and relaunches what a crash left behind."""
    from orchestration.roles import run_keeper

    _guarded(lambda: run_keeper(_settings()))


@app.command()
def migrate() -> None:
    """Bring the database to the schema of this version."""
    from orchestration.storage.migrate import migrate as migrate_database

    _guarded(lambda: migrate_database(_settings().sql_url))


@app.command(hidden=True)
def demo() -> None:
    """Run the sample pages that come with the package through the embedded stack."""
    from api.cli.demo import run_demo

    _guarded(lambda: run_demo(_settings()))


def _settings(**overrides: object) -> Settings:
    """Settings from the environment, overridden by what was given on the command line."""
    given: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        for problem in error.errors(include_input=False):
            name = "_".join(str(part) for part in problem["loc"])
            complain(f"PENSTOCK_{name.upper()}: {problem['msg']}")
        raise typer.Exit(BAD_USAGE) from None


def _guarded(action: Callable[[], int | None]) -> None:
    """Run a command to its exit status; an expected error becomes one line instead of a traceback."""
    try:
        status = action()
    except (PipelineError, OSError) as error:
        complain(str(error))
        status = FAILED
    except KeyboardInterrupt:
        status = INTERRUPTED
    raise typer.Exit(status or 0)
