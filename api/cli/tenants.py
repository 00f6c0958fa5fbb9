"""The commands of `penstock tenants`."""

from typing import Annotated

import typer

from api.cli.guard import guarded, settings_with
from api.cli.keys import tenant_name
from pipeline.tenants import MAX_WEIGHT

tenants = typer.Typer(name="tenants", help="What each tenant may use, and its share.", no_args_is_help=True)

UNLIMITED, DEFAULT = "unlimited", "default"
WORDS = f"a number, {UNLIMITED}, or {DEFAULT} for what the settings say"

Name = Annotated[str, typer.Argument(metavar="TENANT", callback=tenant_name)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one tenant a line.")]


def _quota(text: str | None) -> str | None:
    if text is None or text in (UNLIMITED, DEFAULT):
        return text
    if not (text.isdecimal() and text.isascii() and 0 < int(text) < 2**53):
        raise typer.BadParameter(f"give {WORDS}")
    return text


@tenants.command("list")
def listing(json: Json = False) -> None:
    """List the tenants that have keys, or for which something was set."""
    from api.cli.tenant_work import list_tenants

    guarded(lambda: list_tenants(settings_with(), as_json=json))


@tenants.command()
def show(tenant: Name, json: Json = False) -> None:
    """Show what a tenant may use, and what it does."""
    from api.cli.tenant_work import show_tenant

    guarded(lambda: show_tenant(settings_with(), tenant, as_json=json))


@tenants.command("set")
def set_(
    tenant: Name,
    weight: Annotated[
        int | None, typer.Option(min=1, max=MAX_WEIGHT, help="Its share against that of others, which is 1.")
    ] = None,
    requests_per_minute: Annotated[
        str | None, typer.Option(metavar="N", callback=_quota, help=f"Requests to the API: {WORDS}.")
    ] = None,
    jobs_in_flight: Annotated[
        str | None, typer.Option(metavar="N", callback=_quota, help="Jobs that have not ended.")
    ] = None,
    bytes_per_day: Annotated[
        str | None, typer.Option(metavar="N", callback=_quota, help="Content submitted in a day, by UTC.")
    ] = None,
) -> None:
    """Set quotas or the share of a tenant; what is not given stays as it is."""
    from api.cli.tenant_work import set_tenant

    given = {
        "requests_per_minute": requests_per_minute,
        "jobs_in_flight": jobs_in_flight,
        "bytes_per_day": bytes_per_day,
    }
    guarded(lambda: set_tenant(settings_with(), tenant, weight, {k: v for k, v in given.items() if v is not None}))
