"""The commands of `penstock queues`, `penstock workers` and `penstock breakers`."""

from typing import Annotated

import typer

from api.cli.guard import guarded, settings_with
from orchestration.outbound.breakers_states import LONGEST_PAUSE_S, OPERATORS_PAUSE_S

queues = typer.Typer(
    name="queues",
    help="What waits at each stage, since when, and who works on it; pausing and resuming a stage.",
    invoke_without_command=True,
)
breakers = typer.Typer(
    name="breakers",
    help="Hosts and endpoints that are left alone because calls to them failed; opening and resetting one.",
    invoke_without_command=True,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
Stage = Annotated[str, typer.Argument(metavar="STAGE", help="The name of a stage.")]
BreakerId = Annotated[str, typer.Argument(metavar="ID", help="From the list.")]


@queues.callback()
def list_queues(context: typer.Context, json: Json = False) -> None:
    """List them unless told otherwise."""
    from api.cli import operating

    if context.invoked_subcommand is None:
        guarded(lambda: operating.list_queues(settings_with(), as_json=json))


@queues.command()
def pause(stage: Stage, json: Json = False) -> None:
    """Have the workers of a stage begin nothing new until it is resumed; what they run they finish."""
    from api.cli import operating

    guarded(lambda: operating.pause_queue(settings_with(), stage, as_json=json))


@queues.command()
def resume(stage: Stage, json: Json = False) -> None:
    """Let the workers of a stage go on."""
    from api.cli import operating

    guarded(lambda: operating.resume_queue(settings_with(), stage, as_json=json))


def workers(json: Json = False) -> None:
    """List the worker processes that live."""
    from api.cli import operating

    guarded(lambda: operating.list_workers(settings_with(), as_json=json))


@breakers.callback()
def list_breakers(context: typer.Context, json: Json = False) -> None:
    """List them unless told otherwise."""
    from api.cli import operating

    if context.invoked_subcommand is None:
        guarded(lambda: operating.list_breakers(settings_with(), as_json=json))


@breakers.command("open")
def trip(
    breaker: BreakerId,
    for_s: Annotated[
        float, typer.Option("--for", min=1, max=LONGEST_PAUSE_S, metavar="SECONDS", help="For how long.")
    ] = OPERATORS_PAUSE_S,
    json: Json = False,
) -> None:
    """Keep all workers from a dependency for a while; then one of them tries it."""
    from api.cli import operating

    guarded(lambda: operating.open_breaker(settings_with(), breaker, for_s, as_json=json))


@breakers.command()
def reset(breaker: BreakerId, json: Json = False) -> None:
    """Let the workers call a dependency again."""
    from api.cli import operating

    guarded(lambda: operating.reset_breaker(settings_with(), breaker, as_json=json))
