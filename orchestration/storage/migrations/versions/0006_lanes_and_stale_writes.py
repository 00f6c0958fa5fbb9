"""The lane of each run, which need not be that of its job, and what stages refused from workers taken for dead."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("run", sa.Column("lane", sa.String(16), nullable=False, server_default="normal"))
    op.execute("UPDATE run SET lane = (SELECT job.lane FROM job WHERE job.id = run.job_id)")
    op.add_column("stage", sa.Column("stale_writes", sa.Integer, nullable=False, server_default="0"))
