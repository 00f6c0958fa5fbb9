"""The commands of `penstock keys`."""

import re
from datetime import timedelta
from typing import Annotated

import typer

from api.cli.guard import guarded, settings_with
from pipeline.job import DEFAULT_TENANT
from pipeline.keys import KeyScope, is_key_name, is_tenant

keys = typer.Typer(name="keys", help="Keys to the HTTP API: make, list and revoke them.", no_args_is_help=True)

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
NEVER = "never"


def _name(text: str) -> str:
    if not is_key_name(text):
        raise typer.BadParameter("give it a name in one line of up to 64 characters")
    return text


def tenant_name(text: str) -> str:
    """Refuse what no tenant may be called."""
    if not is_tenant(text):
        raise typer.BadParameter("a tenant has up to 63 lower-case letters, digits, - and _")
    return text


def _scopes(text: str) -> frozenset[KeyScope]:
    """Read a list with commas.

    >>> sorted(_scopes("submit, read"))
    [<KeyScope.READ: 'read'>, <KeyScope.SUBMIT: 'submit'>]
    """
    words = {word.strip() for word in text.split(",")}
    if not words <= set(KeyScope):
        raise typer.BadParameter(f"scopes are {', '.join(KeyScope)}, separated by commas", param_hint="--scope")
    return frozenset(map(KeyScope, words))


def _lifetime(text: str) -> timedelta | None:
    """Read a time from now on; None for ever.

    >>> _lifetime("90d"), _lifetime("12h"), _lifetime("never")
    (datetime.timedelta(days=90), datetime.timedelta(seconds=43200), None)
    """
    if text == NEVER:
        return None
    found = re.fullmatch(r"([1-9]\d{0,4})([mhdw])", text)
    if found is None:
        raise typer.BadParameter(f"give a number with m, h, d or w, such as 90d, or {NEVER}", param_hint="--expires")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@keys.command()
def create(
    name: Annotated[str, typer.Option(help="Who or what it is for.", callback=_name)],
    scope: Annotated[str, typer.Option(metavar="SCOPE,...", help="What it allows: read, submit, admin.")],
    expires: Annotated[str, typer.Option(metavar="TIME", help="How long it is valid: 12h, 90d, 52w, never.")] = "90d",
    tenant: Annotated[str, typer.Option(help="Whose jobs it is for.", callback=tenant_name)] = DEFAULT_TENANT,
) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    from api.cli.key_work import create_key

    scopes, lifetime = _scopes(scope), _lifetime(expires)
    guarded(lambda: create_key(settings_with(), tenant, name, scopes, lifetime))


@keys.command("list")
def listing(json: Annotated[bool, typer.Option("--json", help="Print JSON, one key a line.")] = False) -> None:
    """List all keys, the oldest first, without what is secret of them."""
    from api.cli.key_work import list_keys

    guarded(lambda: list_keys(settings_with(), as_json=json))


@keys.command()
def revoke(key: Annotated[str, typer.Argument(metavar="KEY", help="The prefix or the id of a key.")]) -> None:
    """Make a key invalid for good."""
    from api.cli.key_work import revoke_key

    guarded(lambda: revoke_key(settings_with(), key))
