"""Webhooks: endpoints that are told how jobs end."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response, status

from api.auth import MAY_ADMIN, MAY_READ
from api.dependencies import Services, Tenant, require_json
from api.routes.jobs import problems
from api.schemas import PageQuery
from api.schemas_webhooks import (
    DeliveryList,
    DeliveryView,
    WebhookList,
    WebhookPatch,
    WebhookRequest,
    WebhookView,
    WebhookWithSecret,
    distinct,
    webhook_url,
)
from pipeline.errors import WebhookNotFound

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], responses={"default": problems})

OfBody: dict[int | str, Any] = {400: problems, 413: problems, 415: problems, 422: problems}


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    response_model=WebhookWithSecret,
    dependencies=[MAY_ADMIN, Depends(require_json)],
    responses={**OfBody, 501: problems, 503: problems},
)
def create(request: WebhookRequest, response: Response, services: Services, tenant: Tenant) -> WebhookWithSecret:
    """Register an endpoint. The answer has its secret, which is shown this once."""
    webhook, secret = services.webhooks.create(
        tenant,
        request.url,
        distinct(request.events),
        description=request.description,
        enabled=request.enabled,
        only_named=request.only_named,
    )
    response.headers["Location"] = webhook_url(webhook.id)
    return WebhookWithSecret.made(webhook, secret)


@router.get("", response_model=WebhookList, dependencies=[MAY_ADMIN], responses={422: problems})
def listing(services: Services, tenant: Tenant, query: Annotated[PageQuery, Query()]) -> WebhookList:
    """Webhooks, newest first."""
    return WebhookList.of(services.records.webhooks(tenant, before=query.before, limit=query.limit), query)


@router.get("/{webhook_id}", response_model=WebhookView, dependencies=[MAY_ADMIN], responses={404: problems})
def read(webhook_id: str, services: Services, tenant: Tenant) -> WebhookView:
    """A webhook and how it does."""
    webhook = services.records.webhook(tenant, webhook_id)
    if webhook is None:
        raise WebhookNotFound(webhook_id)
    return WebhookView.of(webhook)


@router.patch(
    "/{webhook_id}",
    response_model=WebhookView,
    dependencies=[MAY_ADMIN, Depends(require_json)],
    responses={**OfBody, 404: problems},
)
def change(webhook_id: str, request: WebhookPatch, services: Services, tenant: Tenant) -> WebhookView:
    """Change a webhook, enable or disable it."""
    return WebhookView.of(services.records.change_webhook(tenant, webhook_id, request.changes()))


@router.delete(
    "/{webhook_id}", status_code=status.HTTP_204_NO_CONTENT, dependencies=[MAY_ADMIN], responses={404: problems}
)
def delete(webhook_id: str, services: Services, tenant: Tenant) -> None:
    """Erase a webhook with its deliveries; what was not sent yet is not sent any more."""
    services.records.delete_webhook(tenant, webhook_id)


@router.post(
    "/{webhook_id}/rotate-secret",
    response_model=WebhookWithSecret,
    dependencies=[MAY_ADMIN],
    responses={404: problems, 501: problems},
)
def rotate_secret(webhook_id: str, services: Services, tenant: Tenant) -> WebhookWithSecret:
    """Make another secret. For 24 hours deliveries are signed with both."""
    return WebhookWithSecret.made(*services.webhooks.rotate(tenant, webhook_id))


@router.post(
    "/{webhook_id}/test",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=DeliveryView,
    dependencies=[MAY_ADMIN],
    responses={404: problems, 409: problems},
)
def test(webhook_id: str, services: Services, tenant: Tenant) -> DeliveryView:
    """Have the event `webhook.test` sent."""
    return DeliveryView.of(services.webhooks.test(tenant, webhook_id))


@router.get(
    "/{webhook_id}/deliveries",
    response_model=DeliveryList,
    dependencies=[MAY_READ],
    responses={404: problems, 422: problems},
)
def deliveries(
    webhook_id: str, services: Services, tenant: Tenant, query: Annotated[PageQuery, Query()]
) -> DeliveryList:
    """What was and will be sent, newest first."""
    page = services.records.deliveries(tenant, webhook_id, before=query.before, limit=query.limit)
    return DeliveryList.of(webhook_id, page, query)


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/redeliver",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=DeliveryView,
    dependencies=[MAY_ADMIN],
    responses={404: problems, 409: problems},
)
def redeliver(webhook_id: str, delivery_id: str, services: Services, tenant: Tenant) -> DeliveryView:
    """Send a delivery again, now and with all tries to spend, whatever became of it."""
    return DeliveryView.of(services.records.redeliver(tenant, webhook_id, delivery_id))
