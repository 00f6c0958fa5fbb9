"""Any run may be held back, not only those of batches."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

ID = sa.Uuid(as_uuid=False)
NAME = sa.String(64)
ROWS_AT_ONCE = 1000

held = sa.table("held_job", sa.column("job_id", ID), sa.column("not_before", sa.Double))
stage = sa.table(
    "stage",
    sa.column("job_id", ID),
    sa.column("run", sa.Integer),
    sa.column("stage", NAME),
    sa.column("position", sa.Integer),
    sa.column("part", sa.Integer),
)
job = sa.table(
    "job",
    sa.column("id", ID),
    sa.column("tenant_id", NAME),
    sa.column("lane", NAME),
    sa.column("pipeline", NAME),
    sa.column("batch_id", ID),
)


def upgrade() -> None:
    rows = _held_by_batches(op.get_bind())
    op.drop_table("held_job")
    table = _held_job()
    for first in range(0, len(rows), ROWS_AT_ONCE):
        op.bulk_insert(table, rows[first : first + ROWS_AT_ONCE])
    op.create_index("ix_held_job_turn", "held_job", ["tenant_id", "lane", "flow", "not_before", "job_id"])
    _partial("ix_held_job_batch", "held_job", ["batch_id", "not_before", "job_id"], "batch_id IS NOT NULL")
    _partial("ix_stage_launched", "stage", ["tenant_id", "not_before"], "state IN ('ready', 'running')")


def _held_by_batches(connection: sa.Connection) -> list[dict[str, Any]]:
    """As they will be kept, in lines with the names that `pipeline.shares` gives them."""
    its_first = sa.and_(stage.c.job_id == job.c.id, stage.c.run == 1, stage.c.position == 0, stage.c.part == 0)
    found = (
        sa.select(job, stage.c.stage, held.c.not_before)
        .join_from(held, job, job.c.id == held.c.job_id)
        .join(stage, its_first)
    )
    return [
        {
            "job_id": row.id,
            "run": 1,
            "tenant_id": row.tenant_id,
            "lane": row.lane,
            "flow": f"{row.batch_id}:{row.pipeline}",
            "batch_id": row.batch_id,
            "stage": row.stage,
            "not_before": row.not_before,
        }
        for row in connection.execute(found)
    ]


def _held_job() -> sa.Table:
    return op.create_table(
        "held_job",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("tenant_id", NAME, nullable=False),
        sa.Column("lane", sa.String(16), nullable=False),
        sa.Column("flow", sa.String(128), nullable=False),
        sa.Column("batch_id", ID),
        sa.Column("stage", NAME, nullable=False),
        sa.Column("not_before", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "run", name="pk_held_job"),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name="fk_held_job_batch", ondelete="CASCADE"),
    )


def _partial(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
