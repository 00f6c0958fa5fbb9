"""The table of the sources of batches."""

from sqlalchemy import Column, ForeignKeyConstraint, Integer, PrimaryKeyConstraint, String, Table, Text

from orchestration.storage.schema_base import metadata, partial_index
from orchestration.storage.types import DOCUMENT, JOB_ID, state_of
from pipeline.sources import SourceState

batch_sources = Table(
    "batch_source",
    metadata,
    Column("batch_id", JOB_ID, nullable=False),
    Column("position", Integer, nullable=False),
    Column("tenant_id", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("depth", Integer, nullable=False),
    Column("state", state_of(SourceState), nullable=False),
    # Not a reference: the job may be erased before the batch.
    Column("job_id", JOB_ID),
    Column("seen", Integer, nullable=False),
    Column("found", Integer, nullable=False),
    Column("problem", DOCUMENT),
    PrimaryKeyConstraint("batch_id", "position"),
    ForeignKeyConstraint(["batch_id"], ["batch.id"], ondelete="CASCADE"),
)
partial_index("ix_batch_source_open", batch_sources, "state IN ('waiting', 'reading')", "batch_id", "position")
