"""The tables of webhooks and of what is sent to them."""

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from orchestration.storage.schema_base import metadata, partial_index
from orchestration.storage.types import DOCUMENT, JOB_ID, UtcDateTime, state_of
from pipeline.webhooks import DeliveryState

webhooks = Table(
    "webhook",
    metadata,
    Column("id", JOB_ID, nullable=False),
    Column("tenant_id", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("events", DOCUMENT, nullable=False),
    Column("description", Text),
    Column("enabled", Boolean, nullable=False),
    Column("disabled_reason", String(16)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("sealed", Text, nullable=False),
    Column("previous_sealed", Text),
    Column("previous_until", UtcDateTime),
    Column("failures", Integer, nullable=False),
    Column("failing_since", UtcDateTime),
    Column("paused_until", Double, nullable=False),
    Column("only_named", Boolean, nullable=False),
    PrimaryKeyConstraint("id"),
)

deliveries = Table(
    "webhook_delivery",
    metadata,
    Column("id", JOB_ID, nullable=False),
    Column("webhook_id", JOB_ID, nullable=False),
    Column("tenant_id", String(64), nullable=False),
    Column("event", String(32), nullable=False),
    # Of a test there are none.
    Column("job_id", JOB_ID),
    Column("run", Integer),
    Column("state", state_of(DeliveryState), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("lease_until", Double),
    Column("tries", DOCUMENT, nullable=False),
    PrimaryKeyConstraint("id"),
    ForeignKeyConstraint(["webhook_id"], ["webhook.id"], ondelete="CASCADE"),
    ForeignKeyConstraint(["job_id"], ["job.id"], ondelete="CASCADE"),
)

Index("ix_webhook_tenant", webhooks.c.tenant_id, webhooks.c.id)
# In this order it also finds the deliveries of a job that is erased.
Index("ix_webhook_delivery_run", deliveries.c.job_id, deliveries.c.run, deliveries.c.webhook_id, unique=True)
Index("ix_webhook_delivery_webhook", deliveries.c.webhook_id, deliveries.c.id)
Index("ix_webhook_delivery_created", deliveries.c.created_at)
partial_index("ix_webhook_delivery_pending", deliveries, "state = 'pending'", "webhook_id", "due_at")
