"""The webhook that a job names, and webhooks that are told of nothing else."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.add_column("job", sa.Column("webhook_id", sa.Uuid(as_uuid=False)))
    op.add_column("webhook", sa.Column("only_named", sa.Boolean, nullable=False, server_default=sa.false()))
