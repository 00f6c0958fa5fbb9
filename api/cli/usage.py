"""`penstock usage`: what language models cost."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer

from api.cli.guard import guarded
from api.cli.jobs import ApiUrl, Json
from api.client import Penstock
from api.schemas_usage import Groups, UsageReport, UsageView

usage = typer.Typer()

HEADINGS = ("calls", "from cache", "tokens in", "tokens out", "cost", "saved")
DAY = ["%Y-%m-%d"]


@usage.command("usage")
def show(
    first: Annotated[datetime | None, typer.Option("--from", formats=DAY, help="The first day, in UTC.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=DAY, help="The last day.")] = None,
    by_model: Annotated[bool, typer.Option("--by-model", help="A row for each model instead of each day.")] = False,
    json: Json = False,
    api_url: ApiUrl = None,
) -> None:
    """Show what language models cost: in the last month unless other days are given."""
    from api.cli.service import with_service

    by: Groups = "model" if by_model else "day"

    def ask(penstock: Penstock) -> None:
        _print(penstock.usage(first and first.date(), last and last.date(), by=by), as_json=json)

    guarded(lambda: with_service(api_url, ask))


def _print(report: UsageReport, *, as_json: bool) -> None:
    from api.cli.tables import print_table

    if as_json:
        print(report.model_dump_json(by_alias=True))
    else:
        print_table((f"{report.first} to {report.last}", *HEADINGS), _rows(report))


def _rows(report: UsageReport) -> Iterator[tuple[object, ...]]:
    for row in report.rows:
        yield (row.day or row.model, *_cells(row))
    yield ("total", *_cells(report.total))


def _cells(view: UsageView) -> tuple[object, ...]:
    cost, saved = (None if it is None else f"{it:.4f} {view.currency}" for it in (view.cost, view.saved_cost))
    return view.calls, view.cached_calls, view.input_tokens, view.output_tokens, cost, saved
