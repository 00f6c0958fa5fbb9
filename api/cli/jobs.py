"""The commands that ask a running service."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from api.cli.choices import (
    Audience,
    Delay,
    ExpiresAt,
    Fallback,
    HowLong,
    Language,
    LengthChoice,
    MaxAge,
    MaxAttempts,
    Metadata,
    Model,
    NotBefore,
    ProcessingChoice,
    Prompt,
    Quick,
    Render,
    Robots,
    SchemaFile,
    Tags,
    Webhook,
)
from api.cli.guard import guarded
from pipeline.job import JobState, Lane

jobs = typer.Typer()


class Format(StrEnum):
    """How a result is printed."""

    HTML = "html"
    JSON = "json"
    MARKDOWN = "markdown"
    TEXT = "text"


Json = Annotated[bool, typer.Option("--json", help="Print JSON, one document a line.")]
ApiUrl = Annotated[str | None, typer.Option(help="The service; the stack that runs here unless told otherwise.")]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="The id of a job.")]
Files = Annotated[list[Path] | None, typer.Option("--file", metavar="FILE", help="An HTML or text file; repeatable.")]


@jobs.command()
def submit(  # noqa: PLR0917  # typer reads them as options
    urls: Annotated[list[str] | None, typer.Argument(metavar="[URL...]", help="http or https URLs.")] = None,
    file: Files = None,
    text: Annotated[str | None, typer.Option(help="A text, or - for standard input.")] = None,
    pipeline: Annotated[str | None, typer.Option(help="A named pipeline.")] = None,
    stages: Annotated[str | None, typer.Option(help="An order of stages, separated by commas.")] = None,
    processing: Quick = ProcessingChoice.QUICK,
    length: HowLong = LengthChoice.MEDIUM,
    language: Language = None,
    audience: Audience = None,
    prompt: Prompt = None,
    model: Model = None,
    schema: SchemaFile = None,
    lane: Annotated[Lane, typer.Option(help="How soon the jobs are served.")] = Lane.NORMAL,
    tag: Tags = None,
    meta: Metadata = None,
    delay: Delay = None,
    not_before: NotBefore = None,
    expires_at: ExpiresAt = None,
    max_attempts: MaxAttempts = None,
    max_age: MaxAge = None,
    render: Render = False,
    robots: Robots = None,
    webhook: Webhook = None,
    fallback: Fallback = None,
    reuse: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Take a job that has done the same this lately instead.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end and print the results.")] = False,
    json: Json = False,
    api_url: ApiUrl = None,
) -> None:
    """Submit jobs to a running service and print their ids."""
    from api.cli.submit import Order, submit_jobs
    from api.cli.terms import Terms
    from api.cli.wishes import Wishes

    order = Order(
        urls=tuple(urls or ()),
        files=tuple(file or ()),
        text=text,
        pipeline=pipeline,
        stages=tuple(stages.split(",")) if stages else None,
        wishes=Wishes(processing.value, length.value, language, audience, prompt, model, schema),
        lane=lane,
        terms=Terms(tag, meta, delay, not_before, expires_at, max_attempts, max_age, render, fallback, robots, webhook),
        reuse_s=reuse,
    )
    guarded(lambda: submit_jobs(api_url, order, wait=wait, as_json=json))


@jobs.command()
def status(job: JobId, json: Json = False, api_url: ApiUrl = None) -> None:
    """Show how a job is."""
    from api.cli.reading import show_job
    from api.cli.service import with_service

    guarded(lambda: with_service(api_url, lambda penstock: show_job(penstock, job, as_json=json)))


@jobs.command()
def result(
    job: JobId,
    format: Annotated[Format, typer.Option(help="text is the article alone.")] = Format.MARKDOWN,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    api_url: ApiUrl = None,
) -> None:
    """Print the result of a job."""
    from api.cli.reading import show_result
    from api.cli.service import with_service

    wanted = Format.JSON if json else format
    guarded(lambda: with_service(api_url, lambda penstock: show_result(penstock, job, wanted.value)))


@jobs.command()
def watch(
    job: Annotated[str | None, typer.Argument(metavar="[JOB]", help="The id of a job; all jobs unless given.")] = None,
    json: Json = False,
    api_url: ApiUrl = None,
) -> None:
    """Show what happens to a job until it ends, or to all jobs until Ctrl-C."""
    from api.cli.watch import watch_jobs

    guarded(lambda: watch_jobs(api_url, job, as_json=json))


@jobs.command("jobs")
def listing(  # noqa: PLR0917  # typer reads them as options
    status: Annotated[JobState | None, typer.Option(help="Only jobs in this state.")] = None,
    stage: Annotated[str | None, typer.Option(help="Only jobs that are at this stage, or failed at it.")] = None,
    code: Annotated[str | None, typer.Option(help="Only jobs that failed with this code.")] = None,
    pipeline: Annotated[str | None, typer.Option(help="Only jobs of this pipeline.")] = None,
    lane: Annotated[Lane | None, typer.Option(help="Only jobs of this lane.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only jobs with this tag; all of several.")] = None,
    host: Annotated[str | None, typer.Option(help="Only jobs whose URL has this host.")] = None,
    url: Annotated[str | None, typer.Option(help="Only jobs whose URL begins with this.")] = None,
    batch: Annotated[str | None, typer.Option(help="Only jobs of this batch.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Of the newest, how many.")] = 50,
    json: Json = False,
    api_url: ApiUrl = None,
) -> None:
    """List jobs, newest first."""
    from api.cli.reading import list_jobs
    from api.cli.service import with_service
    from api.client import JobFilters

    given = {"status": status, "stage": stage, "code": code, "pipeline": pipeline, "lane": lane}
    found = {"tag": tag, "host": host, "q": url, "batch_id": batch}
    meant = JobFilters(**{name: value for name, value in (given | found).items() if value is not None})  # type: ignore[typeddict-item]
    guarded(lambda: with_service(api_url, lambda penstock: list_jobs(penstock, meant, limit=limit, as_json=json)))


@jobs.command()
def cancel(
    jobs: Annotated[list[str], typer.Argument(metavar="JOB...", help="The ids of jobs.")],
    json: Json = False,
    api_url: ApiUrl = None,
) -> None:
    """Cancel jobs that have not ended."""
    from api.cli.reading import cancel_jobs
    from api.cli.service import with_service

    guarded(lambda: with_service(api_url, lambda penstock: cancel_jobs(penstock, jobs, as_json=json)))
