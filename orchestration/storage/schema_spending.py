"""The tables of what language models cost."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
)

from orchestration.storage.schema_base import metadata
from orchestration.storage.types import DOCUMENT, JOB_ID, UtcDateTime, state_of
from pipeline.budgets import Period
from pipeline.spending import COUNTS


def _spent() -> list[Column[Any]]:
    """A sum of calls to one language model."""
    numbers = [Column(name, BigInteger, nullable=False) for name in COUNTS]
    return [Column("model", String(200), nullable=False), *numbers, Column("currency", String(3))]


attempt_usage = Table(
    "attempt_usage",
    metadata,
    Column("job_id", JOB_ID, nullable=False),
    Column("run", Integer, nullable=False),
    Column("stage", String(64), nullable=False),
    Column("part", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("tenant_id", String(64), nullable=False),
    *_spent(),
    PrimaryKeyConstraint("job_id", "run", "stage", "part", "epoch", "model"),
    ForeignKeyConstraint(
        ["job_id", "run", "stage", "part", "epoch"],
        ["attempt.job_id", "attempt.run", "attempt.stage", "attempt.part", "attempt.epoch"],
        ondelete="CASCADE",
    ),
)

daily_usage = Table(
    "daily_usage",
    metadata,
    Column("tenant_id", String(64), nullable=False),
    Column("day", Date, nullable=False),
    *_spent(),
    PrimaryKeyConstraint("tenant_id", "day", "model"),
)

answers = Table(
    "llm_answer",
    metadata,
    Column("tenant_id", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    # That paid for it.
    Column("job_id", JOB_ID, nullable=False),
    Column("answer", DOCUMENT, nullable=False),
    Column("kept_at", UtcDateTime, nullable=False),
    Column("is_paid", Boolean, nullable=False),
    Column("is_accepted", Boolean, nullable=False),
    PrimaryKeyConstraint("tenant_id", "digest"),
    ForeignKeyConstraint(["job_id"], ["job.id"], ondelete="CASCADE"),
)
Index("ix_llm_answer_job", answers.c.job_id)
Index("ix_llm_answer_kept", answers.c.kept_at)

budget_limits = Table(
    "budget_limit",
    metadata,
    # A tenant, or all together.
    Column("scope", String(64), nullable=False),
    Column("period", state_of(Period), nullable=False),
    Column("micros", BigInteger, nullable=False),
    PrimaryKeyConstraint("scope", "period"),
)

budget_uses = Table(
    "budget_use",
    metadata,
    Column("scope", String(64), nullable=False),
    # Such as 2026-11-28 or 2026-11.
    Column("period", String(16), nullable=False),
    Column("micros", BigInteger, nullable=False),
    PrimaryKeyConstraint("scope", "period"),
)
