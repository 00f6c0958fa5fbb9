"""Answers of language models that are kept, budgets that were set, and what is used of them."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    _answers()
    _budgets()


def _answers() -> None:
    op.create_table(
        "llm_answer",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("job_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_paid", sa.Boolean, nullable=False),
        sa.Column("is_accepted", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "digest", name="pk_llm_answer"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_llm_answer_job", ondelete="CASCADE"),
    )
    op.create_index("ix_llm_answer_job", "llm_answer", ["job_id"])
    op.create_index("ix_llm_answer_kept", "llm_answer", ["kept_at"])


def _budgets() -> None:
    op.create_table(
        "budget_limit",
        sa.Column("scope", sa.String(64), nullable=False),
        sa.Column("period", sa.String(16), nullable=False),
        sa.Column("micros", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("scope", "period", name="pk_budget_limit"),
    )
    op.create_table(
        "budget_use",
        sa.Column("scope", sa.String(64), nullable=False),
        sa.Column("period", sa.String(16), nullable=False),
        sa.Column("micros", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("scope", "period", name="pk_budget_use"),
    )
