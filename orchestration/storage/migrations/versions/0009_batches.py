"""Batches: many jobs that came in one request, and those of them that are not launched yet."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

ID = sa.Uuid(as_uuid=False)
NAME = sa.String(64)
MOMENT = sa.DateTime(timezone=True)
OF_BATCH = sa.text("batch_id IS NOT NULL")


def upgrade() -> None:
    op.add_column("job", sa.Column("batch_id", ID))
    op.add_column("job", sa.Column("batch_index", sa.Integer))
    _index_jobs("ix_job_batch", "tenant_id", "batch_id", "id")
    _index_jobs("ix_job_batch_state", "tenant_id", "batch_id", "state", "id")
    _batch()
    _held_job()


def _index_jobs(name: str, *columns: str) -> None:
    op.create_index(name, "job", list(columns), sqlite_where=OF_BATCH, postgresql_where=OF_BATCH)


def _batch() -> None:
    op.create_table(
        "batch",
        sa.Column("id", ID, nullable=False),
        sa.Column("tenant_id", NAME, nullable=False),
        sa.Column("name", sa.String(200)),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("received", sa.Integer, nullable=False),
        sa.Column("rejected", sa.Integer, nullable=False),
        sa.Column("rejections", sa.JSON(), nullable=False),
        sa.Column("digest", NAME, nullable=False),
        sa.Column("heard_at", MOMENT),
        sa.Column("sealed_at", MOMENT),
        sa.Column("cancelled_at", MOMENT),
        sa.Column("is_cancelling", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_batch"),
    )
    op.create_index("ix_batch_tenant", "batch", ["tenant_id", "id"])


def _held_job() -> None:
    op.create_table(
        "held_job",
        sa.Column("batch_id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("not_before", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("batch_id", "job_id", name="pk_held_job"),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name="fk_held_job_batch", ondelete="CASCADE"),
    )
    op.create_index("ix_held_job_due", "held_job", ["batch_id", "not_before", "job_id"])
