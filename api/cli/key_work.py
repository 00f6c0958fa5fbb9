"""`penstock keys`: making, listing and revoking keys, in the records themselves."""

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta

from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.cli.report import note
from orchestration.embedded.datadir import DataDir
from orchestration.keys import KNOWN_FOR_S
from orchestration.settings import Settings
from orchestration.storage.migrate import migrate
from orchestration.wiring import Wiring
from pipeline.keys import ApiKey, KeyScope


def create_key(
    settings: Settings, tenant_id: str, name: str, scopes: frozenset[KeyScope], lifetime: timedelta | None
) -> None:
    """Make a key; nothing but the key itself goes to standard output."""
    _prepare_records(settings)
    with closing(Wiring(settings)) as wiring:
        wiring.records.check()
        key, text = wiring.key_desk.create(tenant_id, name, scopes, lifetime)
    note(f"Key {key.prefix} of tenant {tenant_id}, to {_words(key)}; expires: {_day(key.expires_at)}. Not shown again:")
    print(text.get_secret_value())


def list_keys(settings: Settings, *, as_json: bool) -> None:
    """Print all keys."""
    with closing(Wiring(settings)) as wiring:
        wiring.records.check()
        found, now = wiring.records.all_keys(), wiring.clock.now()
    if as_json:
        for key in found:
            print(json.dumps(_as_dict(key, now)))
    else:
        _print_table(found, now)


def revoke_key(settings: Settings, which: str) -> None:
    """Make a key invalid. Raises `KeyNotFound`."""
    with closing(Wiring(settings)) as wiring:
        wiring.records.check()
        key = wiring.key_desk.revoke(which)
    note(f"Key {key.prefix} ({key.name}) is revoked; an API that runs refuses it within {KNOWN_FOR_S:.0f} seconds.")


def _prepare_records(settings: Settings) -> None:
    """As the embedded stack does it when it starts: where others can reach it, it starts only once there is a key."""
    if settings.database_url is None and DataDir(settings.data_dir).running() is None:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        migrate(settings.sql_url)


def _as_dict(key: ApiKey, now: datetime) -> dict[str, object]:
    return {
        "id": key.id,
        "prefix": key.prefix,
        "name": key.name,
        "tenant": key.tenant_id,
        "scopes": sorted(key.scopes),
        "state": key.state(now),
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at and key.expires_at.isoformat(),
        "revoked_at": key.revoked_at and key.revoked_at.isoformat(),
        "last_used_at": key.last_used_at and key.last_used_at.isoformat(),
    }


def _print_table(found: Sequence[ApiKey], now: datetime) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("prefix", "name", "tenant", "scopes", "state", "expires", "last used"):
        table.add_column(heading, header_style="dim", overflow="fold", no_wrap=heading != "name")
    for key in found:
        moments = (_day(key.expires_at), _day(key.last_used_at))
        table.add_row(*map(Text, (key.prefix, key.name, key.tenant_id, _words(key), key.state(now), *moments)))
    Console(highlight=False).print(table)


def _words(key: ApiKey) -> str:
    return ",".join(sorted(key.scopes))


def _day(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d}"
