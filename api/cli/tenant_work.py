"""`penstock tenants`: what tenants may use, in the records themselves."""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace

from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.cli.report import note
from api.cli.tenants import DEFAULT, UNLIMITED
from orchestration.quotas import KNOWN_FOR_S
from orchestration.settings import Settings
from orchestration.wiring import Wiring
from pipeline.tenants import QUOTA_NAMES, Tenant


def list_tenants(settings: Settings, *, as_json: bool) -> None:
    """Print all tenants that are known by a key or by what was set."""
    with closing(Wiring(settings)) as wiring:
        wiring.records.check()
        known = {key.tenant_id: Tenant(key.tenant_id) for key in wiring.records.all_keys()}
        known |= {tenant.id: tenant for tenant in wiring.records.tenants()}
    _print(settings, [tenant for _, tenant in sorted(known.items())], as_json=as_json)


def show_tenant(settings: Settings, tenant_id: str, *, as_json: bool) -> None:
    """Print one tenant."""
    with closing(Wiring(settings)) as wiring:
        wiring.records.check()
        tenant = wiring.records.tenant(tenant_id) or Tenant(tenant_id)
    _print(settings, [tenant], as_json=as_json)


def set_tenant(settings: Settings, tenant_id: str, weight: int | None, given: Mapping[str, str]) -> None:
    """Change what is given."""
    with closing(Wiring(settings)) as wiring:
        wiring.records.check()
        tenant = wiring.records.tenant(tenant_id) or Tenant(tenant_id)
        quotas = dict(tenant.quotas)
        for name, text in given.items():
            quotas.pop(name, None)
            if text != DEFAULT:
                quotas[name] = None if text == UNLIMITED else int(text)
        changed = replace(tenant, weight=weight or tenant.weight, quotas=quotas, changed_at=wiring.clock.now())
        wiring.records.set_tenant(changed)
    note(f"Tenant {tenant_id} is changed; processes that run know within {KNOWN_FOR_S:.0f} seconds.")


def _print(settings: Settings, found: Sequence[Tenant], *, as_json: bool) -> None:
    if as_json:
        for tenant in found:
            quotas = asdict(tenant.quotas_over(settings.quotas))
            print(json.dumps({"tenant": tenant.id, "weight": tenant.weight, **quotas, "own": sorted(tenant.quotas)}))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("tenant", "weight", *(name.replace("_", " ") for name in QUOTA_NAMES)):
        table.add_column(heading, header_style="dim", overflow="fold")
    for tenant in found:
        quotas = asdict(tenant.quotas_over(settings.quotas))
        cells = (UNLIMITED if quotas[name] is None else str(quotas[name]) for name in QUOTA_NAMES)
        table.add_row(*map(Text, (tenant.id, str(tenant.weight), *cells)))
    Console(highlight=False).print(table)
