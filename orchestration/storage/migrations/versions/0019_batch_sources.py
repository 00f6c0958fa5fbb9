"""Where the items of a batch come from, if not with the request: sitemaps, feeds and what they name."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

ID = sa.Uuid(as_uuid=False)
OPEN = sa.text("state IN ('waiting', 'reading')")


def upgrade() -> None:
    op.add_column("batch", sa.Column("plan", sa.JSON()))
    op.create_table(
        "batch_source",
        sa.Column("batch_id", ID, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("depth", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("job_id", ID),
        sa.Column("seen", sa.Integer, nullable=False),
        sa.Column("found", sa.Integer, nullable=False),
        sa.Column("problem", sa.JSON()),
        sa.PrimaryKeyConstraint("batch_id", "position", name="pk_batch_source"),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name="fk_batch_source_batch", ondelete="CASCADE"),
    )
    op.create_index(
        "ix_batch_source_open", "batch_source", ["batch_id", "position"], sqlite_where=OPEN, postgresql_where=OPEN
    )
