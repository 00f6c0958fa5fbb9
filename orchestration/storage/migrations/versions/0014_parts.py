"""Parts of a stage: which splitting each is of, and what it reads."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("stage", sa.Column("level", sa.Integer, nullable=False, server_default="0"))
    op.add_column("stage", sa.Column("input", sa.JSON()))
    op.drop_index("ix_stage_place", "stage")
    where = sa.text("state IN ('ready', 'running', 'split', 'failed')")
    op.create_index(
        "ix_stage_place", "stage", ["tenant_id", "stage", "job_id"], sqlite_where=where, postgresql_where=where
    )
