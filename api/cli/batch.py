"""The commands of `penstock batch`."""

from datetime import datetime
from typing import Annotated

import typer

from api.cli.choices import (
    Delay,
    ExpiresAt,
    Fallback,
    MaxAge,
    MaxAttempts,
    Metadata,
    NotBefore,
    ProcessingChoice,
    Render,
    Robots,
    Tags,
    Webhook,
)
from api.cli.guard import guarded
from pipeline.job import Lane

batch = typer.Typer(
    name="batch",
    help="Many jobs at once: submit them to a running service, follow them, get their results.",
    no_args_is_help=True,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, one document a line.")]
ApiUrl = Annotated[str | None, typer.Option(help="The service; the stack that runs here unless told otherwise.")]
BatchId = Annotated[str, typer.Argument(metavar="BATCH", help="The id of a batch.")]
Wait = Annotated[bool, typer.Option("--wait", help="Show progress until all jobs have ended.")]


@batch.command()
def submit(  # noqa: PLR0917  # typer reads them as options
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="A URL or a JSON object a line; - for standard input.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="URL", help="Of a sitemap, feed or OPML that names the items, instead.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="With --source: items at most.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="With --source: leave out what is older than that."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="For people; it need not be unique.")] = None,
    pipeline: Annotated[str | None, typer.Option(help="A named pipeline.")] = None,
    stages: Annotated[str | None, typer.Option(help="An order of stages, separated by commas.")] = None,
    processing: Annotated[ProcessingChoice | None, typer.Option(help="As with submit.")] = None,
    lane: Annotated[Lane | None, typer.Option(help="How soon the jobs are served; bulk unless given.")] = None,
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
    digest: Annotated[bool, typer.Option("--digest", help="Summarize all results together in the end.")] = False,
    key: Annotated[str | None, typer.Option(help="Of your own: the same command goes on with its batch.")] = None,
    wait: Wait = False,
    json: Json = False,
    api_url: ApiUrl = None,
) -> None:
    """Submit a batch and print its id. Options are for the items that do not say theirs."""
    from api.cli.batches import Order, SourceWish, submit_batch
    from api.cli.terms import Terms

    order = Order(
        file=file,
        source=None if source is None else SourceWish(source, limit, None if since is None else since.date()),
        name=name,
        pipeline=pipeline,
        stages=tuple(stages.split(",")) if stages else None,
        processing=None if processing is None else processing.value,
        lane=lane,
        terms=Terms(tag, meta, delay, not_before, expires_at, max_attempts, max_age, render, fallback, robots, webhook),
        digest=digest,
        key=key,
    )
    guarded(lambda: submit_batch(api_url, order, wait=wait, as_json=json))


@batch.command()
def status(batch: BatchId, wait: Wait = False, json: Json = False, api_url: ApiUrl = None) -> None:
    """Show how far a batch has come."""
    from api.cli.batches import show_batch

    guarded(lambda: show_batch(api_url, batch, wait=wait, as_json=json))


@batch.command()
def results(batch: BatchId, json: Json = False, api_url: ApiUrl = None) -> None:
    """Print the results of all jobs that have ended by now, in the order of the items."""
    from api.cli.batches import print_results
    from api.cli.service import with_service

    guarded(lambda: with_service(api_url, lambda penstock: print_results(penstock, batch, as_json=json)))


@batch.command()
def cancel(batch: BatchId, json: Json = False, api_url: ApiUrl = None) -> None:
    """Cancel all jobs of a batch that have not ended."""
    from api.cli.batches import cancel_batch
    from api.cli.service import with_service

    guarded(lambda: with_service(api_url, lambda penstock: cancel_batch(penstock, batch, as_json=json)))


@batch.command("retry-failed")
def retry_failed(batch: BatchId, json: Json = False, api_url: ApiUrl = None) -> None:
    """Continue all jobs of a batch that failed, where they stopped."""
    from api.cli.batches import retry_batch
    from api.cli.service import with_service

    guarded(lambda: with_service(api_url, lambda penstock: retry_batch(penstock, batch, as_json=json)))


@batch.command("list")
def listing(
    limit: Annotated[int, typer.Option(min=1, help="Of the newest, how many.")] = 50,
    json: Json = False,
    api_url: ApiUrl = None,
) -> None:
    """List batches, newest first."""
    from api.cli.batches import list_batches
    from api.cli.service import with_service

    guarded(lambda: with_service(api_url, lambda penstock: list_batches(penstock, limit=limit, as_json=json)))
