"""What was spent on language models, by attempt and by day."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

NAME = sa.String(64)
MODEL = sa.String(200)
NUMBERS = (
    "calls",
    "cached_calls",
    "unpriced_calls",
    "estimated_calls",
    "input_tokens",
    "output_tokens",
    "micros",
    "saved_tokens",
    "saved_micros",
)


def upgrade() -> None:
    attempt = ["job_id", "run", "stage", "part", "epoch"]
    op.create_table(
        "attempt_usage",
        sa.Column("job_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("stage", NAME, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("tenant_id", NAME, nullable=False),
        *_spent(),
        sa.PrimaryKeyConstraint(*attempt, "model", name="pk_attempt_usage"),
        sa.ForeignKeyConstraint(
            attempt,
            [f"attempt.{name}" for name in attempt],
            name="fk_attempt_usage_attempt",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "daily_usage",
        sa.Column("tenant_id", NAME, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        *_spent(),
        sa.PrimaryKeyConstraint("tenant_id", "day", "model", name="pk_daily_usage"),
    )


def _spent() -> list[sa.Column[Any]]:
    numbers = [sa.Column(name, sa.BigInteger, nullable=False) for name in NUMBERS]
    return [sa.Column("model", MODEL, nullable=False), *numbers, sa.Column("currency", sa.String(3))]
