"""Which message a stage was claimed for."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("stage", sa.Column("message_id", sa.String(64)))
