"""Runs of a finished job, dead letters, what retention looks for, and small named values."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NAME = sa.String(64)
WORD = sa.String(16)
MOMENT = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON()
BATCH = 500

job = sa.table(
    "job",
    sa.column("id", sa.Uuid(as_uuid=False)),
    sa.column("error", DOCUMENT),
    sa.column("error_code", NAME),
    sa.column("error_stage", NAME),
)


def upgrade() -> None:
    _job()
    _run()
    _stage()
    _marker()
    _indexes()
    _keep_options_of_runs()
    _fill_error_columns(op.get_bind())


def _job() -> None:
    op.add_column("job", sa.Column("error_code", NAME))
    op.add_column("job", sa.Column("error_stage", NAME))
    op.add_column("job", sa.Column("discarded_at", MOMENT))
    op.add_column("job", sa.Column("forgotten_at", MOMENT))


def _run() -> None:
    op.add_column("run", sa.Column("origin", WORD, nullable=False, server_default="submit"))
    op.add_column("run", sa.Column("from_stage", NAME))
    op.add_column("run", sa.Column("options", DOCUMENT, nullable=False, server_default=sa.text("'{}'")))


def _stage() -> None:
    op.add_column("stage", sa.Column("reruns", sa.Integer, nullable=False, server_default="0"))


def _marker() -> None:
    op.create_table(
        "marker",
        sa.Column("name", NAME, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("until", sa.Double),
        sa.PrimaryKeyConstraint("name", name="pk_marker"),
    )


def _indexes() -> None:
    _partial("ix_job_error", ["tenant_id", "error_code", "id"], "error_code IS NOT NULL")
    _partial("ix_job_finished", ["state", "finished_at"], "finished_at IS NOT NULL")
    unforgotten = "state = 'succeeded' AND forgotten_at IS NULL"
    _partial("ix_job_unforgotten", ["state", "forgotten_at", "finished_at"], unforgotten)


def _partial(name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "job", columns, sqlite_where=where, postgresql_where=where)


def _keep_options_of_runs() -> None:
    op.execute("UPDATE run SET options = (SELECT job.options FROM job WHERE job.id = run.job_id)")


def _fill_error_columns(connection: sa.Connection) -> None:
    """Not in SQL: PostgreSQL cannot look into a document that holds a NUL character anywhere."""
    last = None
    while rows := _failed_jobs(connection, after=last):
        connection.execute(
            sa.update(job).where(job.c.id == sa.bindparam("this_id")),
            [{"this_id": row.id, "error_code": row.error["code"], "error_stage": row.error["stage"]} for row in rows],
        )
        last = rows[-1].id


def _failed_jobs(connection: sa.Connection, after: str | None) -> list[Any]:
    failed = sa.select(job.c.id, job.c.error).where(job.c.error.is_not(sa.null()))
    beyond = failed if after is None else failed.where(job.c.id > after)
    return list(connection.execute(beyond.order_by(job.c.id).limit(BATCH)))
