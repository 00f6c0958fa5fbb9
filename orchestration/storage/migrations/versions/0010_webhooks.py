"""Endpoints that are told how jobs ended, and what is sent to them."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

ID = sa.Uuid(as_uuid=False)
NAME = sa.String(64)
WORD = sa.String(16)
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _webhook()
    _delivery()
    op.create_index("ix_webhook_tenant", "webhook", ["tenant_id", "id"])
    op.create_index("ix_webhook_delivery_run", "webhook_delivery", ["job_id", "run", "webhook_id"], unique=True)
    op.create_index("ix_webhook_delivery_webhook", "webhook_delivery", ["webhook_id", "id"])
    op.create_index("ix_webhook_delivery_created", "webhook_delivery", ["created_at"])
    where = sa.text("state = 'pending'")
    columns = ["webhook_id", "due_at"]
    op.create_index(
        "ix_webhook_delivery_pending", "webhook_delivery", columns, sqlite_where=where, postgresql_where=where
    )


def _webhook() -> None:
    op.create_table(
        "webhook",
        sa.Column("id", ID, nullable=False),
        sa.Column("tenant_id", NAME, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("disabled_reason", WORD),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("previous_sealed", sa.Text),
        sa.Column("previous_until", MOMENT),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failing_since", MOMENT),
        sa.Column("paused_until", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhook"),
    )


def _delivery() -> None:
    op.create_table(
        "webhook_delivery",
        sa.Column("id", ID, nullable=False),
        sa.Column("webhook_id", ID, nullable=False),
        sa.Column("tenant_id", NAME, nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("job_id", ID),
        sa.Column("run", sa.Integer),
        sa.Column("state", WORD, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("lease_until", sa.Double),
        sa.Column("tries", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_delivery"),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhook.id"], name="fk_webhook_delivery_webhook", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_webhook_delivery_job", ondelete="CASCADE"),
    )
