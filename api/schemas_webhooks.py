"""What goes in and out of the HTTP API about webhooks."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from api.fields import Text
from api.schemas import PageQuery, Url
from pipeline.events import EventKind
from pipeline.pages import Page
from pipeline.webhook_rules import Try
from pipeline.webhooks import (
    DeliveryState,
    Webhook,
    WebhookChanges,
    WebhookDelivery,
)
from stages.contract import StageError
from stages.web import origin_of

WEBHOOKS = "/v1/webhooks"


def _postable(url: str) -> str:
    try:
        origin_of(url)
    except StageError as error:
        raise ValueError(error.message) from None
    return url


EndpointUrl = Annotated[Url, AfterValidator(_postable)]
Event = Literal[EventKind.JOB_SUCCEEDED, EventKind.JOB_FAILED, EventKind.JOB_CANCELLED]
ALL: list[Event] = [EventKind.JOB_SUCCEEDED, EventKind.JOB_FAILED, EventKind.JOB_CANCELLED]
Events = Annotated[list[Event], Field(min_length=1)]
# PostgreSQL keeps no NUL.
Description = Annotated[Text, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")]


class WebhookRequest(BaseModel):
    """An endpoint that is to be told how jobs end."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"url": "https://example.com/hooks", "events": ["job.failed"]}]},
    )

    url: EndpointUrl = Field(description="An http or https URL that takes POST.")
    events: Events = Field(default=ALL, description="What it is told; all unless given.")
    description: Description | None = None
    enabled: bool = True
    only_named: bool = Field(default=False, description="Whether it is told of nothing but jobs that name it.")


class WebhookPatch(BaseModel):
    """What is to be changed of a webhook; what is not given stays as it is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"enabled": True}]})

    url: EndpointUrl | None = None
    events: Events | None = None
    description: Description | None = None
    enabled: bool | None = Field(default=None, description="Enabling it forgets what failed before.")
    only_named: bool | None = None

    def changes(self) -> WebhookChanges:
        """The same in the words of the layer below."""
        events = None if self.events is None else distinct(self.events)
        return WebhookChanges(self.url, events, self.description, self.enabled, self.only_named)


class WebhookView(BaseModel):
    """An endpoint. Its secret is not shown again."""

    id: str
    url: str
    events: list[EventKind]
    description: str | None
    enabled: bool
    only_named: bool = Field(description="Whether it is told of nothing but jobs that name it.")
    disabled_reason: str | None = Field(description="`gone` or `failing`, if nobody asked for it.")
    failing_since: datetime | None = Field(description="The first of the tries since the latest that was taken.")
    previous_secret_until: datetime | None = Field(description="Until when the secret before signs, too.")
    created_at: datetime
    deliveries_url: str

    @classmethod
    def of(cls, webhook: Webhook) -> Self:
        return cls(**_common(webhook))


class WebhookWithSecret(WebhookView):
    """An endpoint with the secret that was just made, which is shown this once."""

    secret: str

    @classmethod
    def made(cls, webhook: Webhook, secret: str) -> Self:
        return cls(**_common(webhook), secret=secret)


class WebhookList(BaseModel):
    """One page of webhooks, newest first."""

    items: list[WebhookView]
    next: str | None = Field(description="Where the next page is; null on the last one.")

    @classmethod
    def of(cls, page: Page[Webhook], query: PageQuery) -> Self:
        return cls(items=[WebhookView.of(webhook) for webhook in page.items], next=query.after(page, WEBHOOKS))


class TryView(BaseModel):
    """One request to an endpoint."""

    at: datetime
    duration_s: float
    status: int | None = Field(description="Of the answer; null without one.")
    code: str | None = Field(description="Why it does not count as delivered; null when it does.")

    @classmethod
    def of(cls, tried: Try) -> Self:
        return cls(at=tried.at, duration_s=tried.duration_s, status=tried.status, code=tried.code)


class DeliveryView(BaseModel):
    """One event for one endpoint, and what has become of it."""

    id: str = Field(description="The `webhook-id` of every try.")
    event: str
    job_id: str | None = Field(description="Null of a test.")
    run: int | None
    status: DeliveryState
    attempts: int = Field(description="Tries since it was recorded, or asked for again.")
    created_at: datetime
    next_try_at: datetime | None
    tries: list[TryView] = Field(description="The latest 20, in order.")

    @classmethod
    def of(cls, delivery: WebhookDelivery) -> Self:
        return cls(
            id=delivery.id,
            event=delivery.event,
            job_id=delivery.job_id,
            run=delivery.run,
            status=delivery.state,
            attempts=delivery.attempts,
            created_at=delivery.created_at,
            next_try_at=delivery.next_try_at,
            tries=[TryView.of(tried) for tried in delivery.tries],
        )


class DeliveryList(BaseModel):
    """One page of deliveries, newest first."""

    items: list[DeliveryView]
    next: str | None = Field(description="Where the next page is; null on the last one.")

    @classmethod
    def of(cls, webhook_id: str, page: Page[WebhookDelivery], query: PageQuery) -> Self:
        items = [DeliveryView.of(delivery) for delivery in page.items]
        return cls(items=items, next=query.after(page, deliveries_url(webhook_id)))


def distinct(events: list[Event]) -> tuple[EventKind, ...]:
    """Each event once, in the order given."""
    return tuple(dict.fromkeys(events))


def webhook_url(webhook_id: str) -> str:
    """Where a webhook is found."""
    return f"{WEBHOOKS}/{webhook_id}"


def deliveries_url(webhook_id: str) -> str:
    """Where its deliveries are found."""
    return f"{webhook_url(webhook_id)}/deliveries"


def _common(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": list(webhook.events),
        "description": webhook.description,
        "enabled": webhook.enabled,
        "only_named": webhook.only_named,
        "disabled_reason": webhook.disabled_reason,
        "failing_since": webhook.health.failing_since,
        "previous_secret_until": webhook.previous_until,
        "created_at": webhook.created_at,
        "deliveries_url": deliveries_url(webhook.id),
    }
