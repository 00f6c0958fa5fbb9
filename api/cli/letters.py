"""The commands of `penstock dead-letters`."""

from typing import Annotated

import typer

from api.cli.guard import BAD_USAGE, guarded, settings_with
from api.cli.report import complain
from pipeline.bulk import BulkVerb
from pipeline.job import JobState
from pipeline.ports import JobFilter

letters = typer.Typer(
    name="dead-letters",
    help="Failed jobs that nobody has discarded: list them, look into one, retry or discard them.",
    invoke_without_command=True,
)

Stage = Annotated[str | None, typer.Option(help="Only those that failed at this stage.")]
Code = Annotated[str | None, typer.Option(help="Only those that failed with this code.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Jobs = Annotated[list[str] | None, typer.Argument(metavar="[JOB...]", help="The ids of jobs.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]


@letters.callback()
def without_command(context: typer.Context) -> None:
    """List them unless told otherwise."""
    if context.invoked_subcommand is None:
        listing()


@letters.command("list")
def listing(
    stage: Stage = None,
    code: Code = None,
    limit: Annotated[int, typer.Option(min=1, help="Of the newest, how many.")] = 50,
    json: Json = False,
) -> None:
    """List dead letters, the newest job first."""
    from api.cli.dead_letters import list_letters

    guarded(lambda: list_letters(settings_with(), _dead(stage, code), limit=limit, as_json=json))


@letters.command()
def show(job: Annotated[str, typer.Argument(metavar="JOB", help="The id of a job.")], json: Json = False) -> None:
    """Show why a job failed, with the traceback of a defect."""
    from api.cli.dead_letters import show_letter

    guarded(lambda: show_letter(settings_with(), job, as_json=json))


@letters.command()
def retry(jobs: Jobs = None, stage: Stage = None, code: Code = None, all: All = False, json: Json = False) -> None:
    """Continue the jobs at the stages that failed, one after the other, behind all new work."""
    _act(BulkVerb.RETRY, jobs, stage, code, everything=all, as_json=json)


@letters.command()
def discard(jobs: Jobs = None, stage: Stage = None, code: Code = None, all: All = False, json: Json = False) -> None:
    """Take the jobs off the list. They stay readable until they are purged."""
    _act(BulkVerb.DISCARD, jobs, stage, code, everything=all, as_json=json)


def _act(
    verb: BulkVerb, jobs: list[str] | None, stage: str | None, code: str | None, *, everything: bool, as_json: bool
) -> None:
    from api.cli.dead_letters import act_on_letters

    if sum((bool(jobs), bool(stage or code), everything)) != 1:
        complain("name jobs, or give --stage or --code, or --all")
        raise typer.Exit(BAD_USAGE)
    meant = jobs or _dead(stage, code)
    guarded(lambda: act_on_letters(settings_with(), verb, meant, as_json=as_json))


def _dead(stage: str | None, code: str | None) -> JobFilter:
    return JobFilter(states=(JobState.FAILED,), stage=stage, code=code, discarded=False)
