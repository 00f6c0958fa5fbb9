"""Copies of fetched pages, and who fetches one while others wait."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

NAME = sa.String(64)


def upgrade() -> None:
    op.create_table(
        "cached_page",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", NAME, nullable=False),
        sa.Column("digest", NAME, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("redirects", sa.JSON(), nullable=False),
        sa.Column("is_moved_for_good", sa.Boolean, nullable=False),
        sa.Column("wire_bytes", sa.Integer, nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cached_page"),
        sa.UniqueConstraint("tenant_id", "digest", name="uq_cached_page_tenant_id"),
    )
    op.create_index("ix_cached_page_received", "cached_page", ["received_at"])
    op.create_table(
        "page_flight",
        sa.Column("tenant_id", NAME, nullable=False),
        sa.Column("digest", NAME, nullable=False),
        sa.Column("holder", sa.String(32)),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "digest", name="pk_page_flight"),
    )
