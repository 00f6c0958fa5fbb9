"""The tables of copies of fetched pages."""

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from orchestration.storage.schema_base import metadata
from orchestration.storage.types import DOCUMENT, JOB_ID, UtcDateTime

cached_pages = Table(
    "cached_page",
    metadata,
    Column("id", JOB_ID, nullable=False),
    Column("tenant_id", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", DOCUMENT, nullable=False),
    Column("redirects", DOCUMENT, nullable=False),
    Column("is_moved_for_good", Boolean, nullable=False),
    Column("wire_bytes", Integer, nullable=False),
    Column("body", DOCUMENT, nullable=False),
    Column("size", Integer, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("tenant_id", "digest"),
)

# Who fetches a page now; without a holder nobody has to wait.
page_flights = Table(
    "page_flight",
    metadata,
    Column("tenant_id", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("holder", String(32)),
    Column("since", Double, nullable=False),
    Column("until", Double, nullable=False),
    PrimaryKeyConstraint("tenant_id", "digest"),
)

Index("ix_cached_page_received", cached_pages.c.received_at)
