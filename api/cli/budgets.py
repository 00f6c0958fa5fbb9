"""The commands of `penstock budgets`."""

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from api.cli.guard import guarded, settings_with

budgets = typer.Typer(
    name="budgets", help="What may be spent on language models: list and set budgets.", no_args_is_help=True
)

USUAL = "usual"


def money_of(text: str) -> Decimal | None:
    """Read an amount of the currency; None for the usual one.

    >>> money_of("2.50"), money_of("usual")
    (Decimal('2.50'), None)
    """
    if text == USUAL:
        return None
    try:
        money = Decimal(text)
    except InvalidOperation:
        money = Decimal(-1)
    if not (money.is_finite() and 0 <= money <= 10**9):
        raise typer.BadParameter(f"give an amount such as 2.50, or {USUAL}")
    return money


Amount = Annotated[str | None, typer.Option(metavar="AMOUNT", help="In the currency of the prices; `usual` unsets it.")]


@budgets.command("list")
def listing(json: Annotated[bool, typer.Option("--json", help="Print JSON, one budget a line.")] = False) -> None:
    """List the budgets of all tenants together and of single tenants, with what is used of them."""
    from api.cli.budget_work import list_budgets

    guarded(lambda: list_budgets(settings_with(), as_json=json))


@budgets.command("set")
def set_budget(
    who: Annotated[str, typer.Argument(metavar="TENANT", help="A tenant, or `all` together.")],
    day: Amount = None,
    month: Amount = None,
) -> None:
    """Set a budget. Jobs that wait for one look again at once."""
    from api.cli.budget_work import set_budgets
    from pipeline.budgets import Period

    given = {Period.DAY: day, Period.MONTH: month}
    amounts = {period: money_of(text) for period, text in given.items() if text is not None}
    if not amounts:
        raise typer.BadParameter("give --day or --month")
    guarded(lambda: set_budgets(settings_with(), who, amounts))
