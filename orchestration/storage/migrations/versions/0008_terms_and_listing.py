"""What may be asked of a job besides its work, and what jobs are found by."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from pipeline.urls import host_of, searched_form

revision = "0008"
down_revision = "0007"

ID = sa.Uuid(as_uuid=False)
NAME = sa.String(64)
DOCUMENT = sa.JSON()
BATCH = 500

job = sa.table(
    "job",
    sa.column("id", ID),
    sa.column("source", DOCUMENT),
    sa.column("host", sa.String),
    sa.column("url", sa.String),
)


def upgrade() -> None:
    _terms()
    _tag()
    _url()
    _indexes()
    _fill_url_columns(op.get_bind())


def _terms() -> None:
    op.add_column("job", sa.Column("tags", DOCUMENT, nullable=False, server_default=sa.text("'[]'")))
    op.add_column("job", sa.Column("metadata", DOCUMENT, nullable=False, server_default=sa.text("'{}'")))
    op.add_column("job", sa.Column("not_before", sa.DateTime(timezone=True)))
    op.add_column("job", sa.Column("max_attempts", sa.Integer))


def _tag() -> None:
    op.create_table(
        "job_tag",
        sa.Column("tenant_id", NAME, nullable=False),
        sa.Column("tag", NAME, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "tag", "job_id", name="pk_job_tag"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_job_tag_job", ondelete="CASCADE"),
    )
    op.create_index("ix_job_tag_job", "job_tag", ["job_id"])


def _url() -> None:
    by_code = sa.String(512).with_variant(sa.String(512, collation="C"), "postgresql")
    op.add_column("job", sa.Column("host", sa.String(255)))
    op.add_column("job", sa.Column("url", by_code))


def _indexes() -> None:
    op.create_index("ix_job_tenant_pipeline", "job", ["tenant_id", "pipeline", "id"])
    op.create_index("ix_job_tenant_lane", "job", ["tenant_id", "lane", "id"])
    _partial("ix_job_host", "job", ["tenant_id", "host", "id"], "host IS NOT NULL")
    _partial("ix_job_url", "job", ["tenant_id", "url", "id"], "url IS NOT NULL")
    _partial("ix_stage_place", "stage", ["tenant_id", "stage", "job_id"], "state IN ('ready', 'running', 'failed')")


def _partial(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def _fill_url_columns(connection: sa.Connection) -> None:
    """Not in SQL: PostgreSQL cannot look into a document that holds a NUL character anywhere."""
    last = None
    while rows := _jobs(connection, after=last):
        found = [{"this_id": row.id, "this_url": row.source["url"]} for row in rows]
        submitted = [
            {"this_id": row["this_id"], "host": host_of(row["this_url"]), "url": searched_form(row["this_url"])}
            for row in found
            if row["this_url"] is not None
        ]
        if submitted:
            connection.execute(sa.update(job).where(job.c.id == sa.bindparam("this_id")), submitted)
        last = rows[-1].id


def _jobs(connection: sa.Connection, after: str | None) -> list[Any]:
    all_jobs = sa.select(job.c.id, job.c.source)
    beyond = all_jobs if after is None else all_jobs.where(job.c.id > after)
    return list(connection.execute(beyond.order_by(job.c.id).limit(BATCH)))
