"""Schedules, and each time at which one has fired."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

ID = sa.Uuid(as_uuid=False)
NAME = sa.String(64)
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _schedule()
    _firing()
    op.create_index("ix_schedule_tenant", "schedule", ["tenant_id", "id"])
    where = sa.text("next_at IS NOT NULL")
    op.create_index("ix_schedule_due", "schedule", ["next_at"], sqlite_where=where, postgresql_where=where)
    op.create_index("ix_schedule_firing_schedule", "schedule_firing", ["schedule_id", "id"])
    op.create_index("ix_schedule_firing_fired", "schedule_firing", ["fired_at"])


def _schedule() -> None:
    op.create_table(
        "schedule",
        sa.Column("id", ID, nullable=False),
        sa.Column("tenant_id", NAME, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("cron", sa.String(200)),
        sa.Column("interval_s", sa.Integer),
        sa.Column("time_zone", NAME, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("starts_at", MOMENT),
        sa.Column("ends_at", MOMENT),
        sa.Column("catch_up", sa.String(16), nullable=False),
        sa.Column("submits", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("paused_at", MOMENT),
        sa.Column("next_at", MOMENT),
        sa.Column("last_fired_at", MOMENT),
        sa.Column("last_error", sa.JSON()),
        sa.PrimaryKeyConstraint("id", name="pk_schedule"),
    )


def _firing() -> None:
    op.create_table(
        "schedule_firing",
        sa.Column("id", ID, nullable=False),
        sa.Column("schedule_id", ID, nullable=False),
        sa.Column("due_at", MOMENT),
        sa.Column("fired_at", MOMENT, nullable=False),
        sa.Column("job_id", ID),
        sa.Column("batch_id", ID),
        sa.Column("error", sa.JSON()),
        sa.PrimaryKeyConstraint("id", name="pk_schedule_firing"),
        sa.UniqueConstraint("schedule_id", "due_at", name="uq_schedule_firing_schedule_id"),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedule.id"], name="fk_schedule_firing_schedule", ondelete="CASCADE"
        ),
    )
