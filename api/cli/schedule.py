"""The commands of `penstock schedule`."""

from typing import Annotated

import typer

from api.cli.choices import Delay, Fallback, MaxAge, MaxAttempts, Metadata, ProcessingChoice, Render, Robots, Tags
from api.cli.guard import guarded
from pipeline.job import Lane
from pipeline.schedules import CatchUp

schedule = typer.Typer(
    name="schedule",
    help="Jobs and batches that a running service submits at times given once.",
    no_args_is_help=True,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, one document a line.")]
ApiUrl = Annotated[str | None, typer.Option(help="The service; the stack that runs here unless told otherwise.")]
ScheduleId = Annotated[str, typer.Argument(metavar="SCHEDULE", help="The id of a schedule.")]
Limit = Annotated[int, typer.Option(min=1, help="Of the newest, how many.")]


@schedule.command()
def create(  # noqa: PLR0917  # typer reads them as options
    name: Annotated[str, typer.Option(help="For people; it need not be unique.")],
    url: Annotated[str | None, typer.Argument(metavar="[URL]", help="What its job fetches.")] = None,
    batch: Annotated[
        str | None, typer.Option(metavar="FILE", help="Instead: a URL or a JSON object a line; - for standard input.")
    ] = None,
    cron: Annotated[str | None, typer.Option(metavar="EXPRESSION", help="Five fields, such as '30 7 * * 1-5'.")] = None,
    every: Annotated[int | None, typer.Option(metavar="SECONDS", help="Time between two firings, instead.")] = None,
    time_zone: Annotated[str | None, typer.Option(metavar="NAME", help="Of --cron; UTC unless given.")] = None,
    starts_at: Annotated[str | None, typer.Option(metavar="MOMENT", help="No firing before; local time.")] = None,
    ends_at: Annotated[str | None, typer.Option(metavar="MOMENT", help="No firing after.")] = None,
    catch_up: Annotated[CatchUp | None, typer.Option(help="What becomes of missed firings; once unless given.")] = None,
    pipeline: Annotated[str | None, typer.Option(help="A named pipeline.")] = None,
    stages: Annotated[str | None, typer.Option(help="An order of stages, separated by commas.")] = None,
    processing: Annotated[ProcessingChoice | None, typer.Option(help="As with submit.")] = None,
    lane: Annotated[Lane | None, typer.Option(help="How soon the jobs are served.")] = None,
    tag: Tags = None,
    meta: Metadata = None,
    delay: Delay = None,
    max_attempts: MaxAttempts = None,
    max_age: MaxAge = None,
    render: Render = False,
    robots: Robots = None,
    fallback: Fallback = None,
    json: Json = False,
    api_url: ApiUrl = None,
) -> None:
    """Make a schedule and print its id."""
    from api.cli.schedules import Plan, create_schedule
    from api.cli.service import with_service
    from api.cli.terms import Terms

    plan = Plan(
        name=name,
        url=url,
        batch=batch,
        times={"cron": cron, "interval_s": every, "time_zone": time_zone, "catch_up": catch_up},
        starts_at=starts_at,
        ends_at=ends_at,
        options={
            "pipeline": pipeline,
            "stages": stages.split(",") if stages else None,
            "processing": None if processing is None else processing.value,
            "lane": lane,
        },
        terms=Terms(
            tag,
            meta,
            delay,
            max_attempts=max_attempts,
            max_age_s=max_age,
            render=render,
            robots=robots,
            fallback=fallback,
        ),
    )
    guarded(lambda: with_service(api_url, lambda penstock: create_schedule(penstock, plan, as_json=json)))


@schedule.command("list")
def listing(limit: Limit = 50, json: Json = False, api_url: ApiUrl = None) -> None:
    """List schedules, newest first."""
    from api.cli.schedules import list_schedules
    from api.cli.service import with_service

    guarded(lambda: with_service(api_url, lambda penstock: list_schedules(penstock, limit=limit, as_json=json)))


@schedule.command()
def show(schedule: ScheduleId, json: Json = False, api_url: ApiUrl = None) -> None:
    """Show when a schedule fires, and what it submits."""
    from api.cli.schedules import print_schedule
    from api.cli.service import with_service

    guarded(lambda: with_service(api_url, lambda to: print_schedule(to.schedule(schedule), as_json=json)))


@schedule.command()
def pause(schedule: ScheduleId, json: Json = False, api_url: ApiUrl = None) -> None:
    """Have it not fire until it is resumed."""
    from api.cli.schedules import print_schedule
    from api.cli.service import with_service

    guarded(lambda: with_service(api_url, lambda to: print_schedule(to.pause_schedule(schedule), as_json=json)))


@schedule.command()
def resume(schedule: ScheduleId, json: Json = False, api_url: ApiUrl = None) -> None:
    """Have it fire again, from its next time on."""
    from api.cli.schedules import print_schedule
    from api.cli.service import with_service

    guarded(lambda: with_service(api_url, lambda to: print_schedule(to.resume_schedule(schedule), as_json=json)))


@schedule.command()
def run(schedule: ScheduleId, json: Json = False, api_url: ApiUrl = None) -> None:
    """Fire it now, and print the id of the job or batch."""
    from api.cli.schedules import run_schedule
    from api.cli.service import with_service

    guarded(lambda: with_service(api_url, lambda penstock: run_schedule(penstock, schedule, as_json=json)))


@schedule.command()
def runs(schedule: ScheduleId, limit: Limit = 50, json: Json = False, api_url: ApiUrl = None) -> None:
    """List its firings with what each has submitted, newest first."""
    from api.cli.schedules import list_runs
    from api.cli.service import with_service

    guarded(lambda: with_service(api_url, lambda penstock: list_runs(penstock, schedule, limit=limit, as_json=json)))


@schedule.command()
def delete(schedule: ScheduleId, api_url: ApiUrl = None) -> None:
    """Erase a schedule. Jobs and batches that it has submitted stay."""
    from api.cli.service import with_service

    guarded(lambda: with_service(api_url, lambda penstock: penstock.delete_schedule(schedule)))
