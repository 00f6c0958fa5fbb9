"""The tables of what language models cost."""

from typing import Any

from sqlalchemy import BigInteger, Column, Date, ForeignKeyConstraint, Integer, PrimaryKeyConstraint, String, Table

from orchestration.storage.schema_base import metadata
from orchestration.storage.types import JOB_ID
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
