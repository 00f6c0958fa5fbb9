"""Actions on many jobs, and what became of each of them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ID = sa.Uuid(as_uuid=False)
NAME = sa.String(64)
WORD = sa.String(16)
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _action()
    _item()
    where = sa.text("outcome IS NULL")
    op.create_index(
        "ix_bulk_item_waiting", "bulk_item", ["action_id", "job_id"], sqlite_where=where, postgresql_where=where
    )


def _action() -> None:
    op.create_table(
        "bulk_action",
        sa.Column("id", ID, nullable=False),
        sa.Column("tenant_id", NAME, nullable=False),
        sa.Column("verb", WORD, nullable=False),
        sa.Column("from_stage", NAME),
        sa.Column("options", sa.JSON()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("aborted_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_bulk_action"),
    )


def _item() -> None:
    op.create_table(
        "bulk_item",
        sa.Column("action_id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("outcome", WORD),
        sa.Column("acted_at", MOMENT),
        sa.Column("code", NAME),
        sa.Column("message", sa.Text),
        sa.PrimaryKeyConstraint("action_id", "job_id", name="pk_bulk_item"),
        sa.ForeignKeyConstraint(["action_id"], ["bulk_action.id"], name="fk_bulk_item_bulk_action", ondelete="CASCADE"),
    )
