"""Which finished jobs did what is asked for now."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("job", sa.Column("likeness", sa.String(64)))
    where = sa.text("state = 'succeeded' AND likeness IS NOT NULL")
    columns = ["tenant_id", "likeness", "finished_at"]
    op.create_index("ix_job_likeness", "job", columns, sqlite_where=where, postgresql_where=where)
