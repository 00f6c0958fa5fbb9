"""The commands of `penstock`."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.batch import batch
from api.cli.budgets import budgets
from api.cli.choices import (
    Audience,
    Fallback,
    HowLong,
    Language,
    LengthChoice,
    MaxAge,
    Model,
    ProcessingChoice,
    Prompt,
    Quick,
    Render,
    Robots,
    SchemaFile,
)
from api.cli.guard import guarded, settings_with
from api.cli.jobs import jobs
from api.cli.keys import keys
from api.cli.letters import letters
from api.cli.operation import breakers, queues, workers
from api.cli.schedule import schedule
from api.cli.tenants import tenants
from api.cli.usage import usage
from pipeline.job import Lane

app = typer.Typer(
    name="penstock",
    help="Turns web pages and documents into clean text and summaries, as durable background jobs.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
app.add_typer(jobs)
app.add_typer(batch)
app.add_typer(schedule)
app.add_typer(letters)
app.add_typer(usage)
app.add_typer(keys)
app.add_typer(budgets)
app.add_typer(tenants)
app.add_typer(queues)
app.add_typer(breakers)
app.command()(workers)


Json = Annotated[bool, typer.Option("--json", help="Print the result documents only, one a line.")]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="Write result files to this folder.")]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="The id of a job.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 for any free one.")]


@app.command()
def run(  # noqa: PLR0917  # typer reads them as options
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...", help="URLs, files, or - for standard input.")],
    pipeline: Annotated[str | None, typer.Option(help="A named pipeline.")] = None,
    stages: Annotated[str | None, typer.Option(help="An order of stages, separated by commas.")] = None,
    processing: Quick = ProcessingChoice.QUICK,
    length: HowLong = LengthChoice.MEDIUM,
    language: Language = None,
    audience: Audience = None,
    prompt: Prompt = None,
    model: Model = None,
    schema: SchemaFile = None,
    fallback: Fallback = None,
    max_age: MaxAge = None,
    render: Render = False,
    robots: Robots = None,
    lane: Annotated[Lane, typer.Option(help="How soon the jobs are served.")] = Lane.NORMAL,
    json: Json = False,
    output: Output = None,
) -> None:
    """Run jobs and print their results, on the running stack or on one for the length of this command."""
    from api.cli.run import Wish, run_sources
    from api.cli.terms import Terms
    from api.cli.wishes import Wishes

    wish = Wish(
        sources=tuple(sources),
        pipeline=pipeline,
        stages=tuple(stages.split(",")) if stages else None,
        wishes=Wishes(processing.value, length.value, language, audience, prompt, model, schema),
        terms=Terms(max_age_s=max_age, render=render, fallback=fallback, robots=robots),
        lane=lane,
    )
    guarded(lambda: run_sources(settings_with(), wish, as_json=json, output=output))


@app.command()
def retry(job: JobId, json: Json = False, output: Output = None) -> None:
    """Continue a failed or cancelled job at the stage where it stopped, and print its result."""
    from api.cli.run import retry_job

    guarded(lambda: retry_job(settings_with(), job, as_json=json, output=output))


@app.command()
def replay(
    job: JobId,
    from_stage: Annotated[str, typer.Option("--from", metavar="STAGE", help="The stage to start again from.")],
    processing: Annotated[
        ProcessingChoice | None, typer.Option(help="As it was in the run before, unless given.")
    ] = None,
    json: Json = False,
    output: Output = None,
) -> None:
    """Start a finished job again from any of its stages, and print its result."""
    from api.cli.run import replay_job
    from stages.contract import Options

    options = None if processing is None else Options(processing=processing.value)
    guarded(lambda: replay_job(settings_with(), job, from_stage, options, as_json=json, output=output))


@app.command()
def purge(job: JobId) -> None:
    """Erase a finished job with its result and all else that is kept of it."""
    from api.cli.run import purge_job

    guarded(lambda: purge_job(settings_with(), job))


@app.command()
def up(host: Host = None, port: Port = None) -> None:
    """Run the whole stack on this machine: broker, API, a worker for each stage, keeper, webhooks. Ctrl-C stops it."""
    from api.cli.up import run_up

    guarded(lambda: run_up(settings_with(api_host=host, api_port=port)))


@app.command()
def worker(
    queue: Annotated[str, typer.Option(help="The stage to work on.")],
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Attempts at once; fitting the stage if unset.")
    ] = None,
) -> None:
    """Run a worker for one stage."""
    from orchestration.roles import run_worker

    guarded(lambda: run_worker(settings_with(), queue, concurrency))


@app.command()
def api(host: Host = None, port: Port = None) -> None:
    """Serve the HTTP API."""
    from api.serve import run_api

    guarded(lambda: run_api(settings_with(api_host=host, api_port=port)))


@app.command()
def keeper() -> None:
    """Run the housekeeper: launches and relaunches what a crash left behind."""
    from orchestration.roles import run_keeper

    guarded(lambda: run_keeper(settings_with()))


@app.command()
def webhooks() -> None:
    """Send to webhooks how jobs ended."""
    from orchestration.roles import run_webhooks

    guarded(lambda: run_webhooks(settings_with()))


@app.command()
def migrate() -> None:
    """Bring the database to the schema of this version."""
    from orchestration.storage.migrate import migrate as migrate_database

    guarded(lambda: migrate_database(settings_with().sql_url))


@app.command()
def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON, one check a line.")] = False) -> None:
    """Check whether a deployment has all it needs, and say what to do about what it has not."""
    from api.cli.doctor import examine_deployment

    guarded(lambda: examine_deployment(as_json=json))


@app.command(hidden=True)
def demo() -> None:
    """Run the sample pages that come with the package through the embedded stack."""
    from api.cli.demo import run_demo

    guarded(lambda: run_demo(settings_with()))
