"""What a tenant spent on language models."""

from datetime import UTC, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from api.auth import MAY_READ
from api.dependencies import Services, Tenant
from api.routes.jobs import problems
from api.schemas_usage import USAGE, BudgetView, UsageQuery, UsageReport

A_MONTH = timedelta(days=30)

router = APIRouter(tags=["usage"], responses={"default": problems})


@router.get(USAGE, response_model=UsageReport, dependencies=[MAY_READ], responses={422: problems})
def usage(services: Services, tenant: Tenant, query: Annotated[UsageQuery, Query()]) -> UsageReport:
    """Tokens and money by day or by model. Each attempt counts on the day (UTC) on which it ended."""
    now = services.clock.now()
    last = query.last or now.astimezone(UTC).date()
    first = query.first or last - A_MONTH
    budgets = [BudgetView.of(state, now) for state in services.budget_desk.of_tenant(tenant)]
    return UsageReport.of(first, last, query.by, services.records.usage(tenant, first, last), budgets)
