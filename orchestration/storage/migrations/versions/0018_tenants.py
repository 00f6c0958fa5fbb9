"""What each tenant may use, and what it has submitted by day."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

NAME = sa.String(64)


def upgrade() -> None:
    op.create_table(
        "tenant",
        sa.Column("id", NAME, nullable=False),
        sa.Column("weight", sa.Integer, nullable=False),
        sa.Column("quotas", sa.JSON(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_tenant"),
    )
    op.create_table(
        "daily_intake",
        sa.Column("tenant_id", NAME, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "day", name="pk_daily_intake"),
    )
