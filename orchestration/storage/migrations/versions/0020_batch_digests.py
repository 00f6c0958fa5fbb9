"""The job that summarizes the results of a batch."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

DUE = sa.text("digest_order IS NOT NULL AND digest_job_id IS NULL AND digest_problem IS NULL")


def upgrade() -> None:
    op.add_column("batch", sa.Column("digest_order", sa.JSON()))
    op.add_column("batch", sa.Column("digest_job_id", sa.Uuid(as_uuid=False)))
    op.add_column("batch", sa.Column("digest_problem", sa.JSON()))
    op.create_index("ix_batch_digest", "batch", ["id"], sqlite_where=DUE, postgresql_where=DUE)
