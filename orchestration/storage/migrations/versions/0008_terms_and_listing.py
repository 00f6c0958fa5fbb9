"""What may be asked of a job besides its work."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

DOCUMENT = sa.JSON()


def upgrade() -> None:
    _terms()


def _terms() -> None:
    op.add_column("job", sa.Column("tags", DOCUMENT, nullable=False, server_default=sa.text("'[]'")))
    op.add_column("job", sa.Column("metadata", DOCUMENT, nullable=False, server_default=sa.text("'{}'")))
    op.add_column("job", sa.Column("not_before", sa.DateTime(timezone=True)))
    op.add_column("job", sa.Column("max_attempts", sa.Integer))
