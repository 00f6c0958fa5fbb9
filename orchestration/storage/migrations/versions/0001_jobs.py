"""Jobs, their runs, stages and attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.Uuid(as_uuid=False)
TENANT = sa.String(64)
NAME = sa.String(64)
WORD = sa.String(16)
MOMENT = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON()


def upgrade() -> None:
    _job()
    _run()
    _stage()
    _attempt()
    _indexes()


def _job() -> None:
    op.create_table(
        "job",
        sa.Column("id", ID, nullable=False),
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("stages", DOCUMENT, nullable=False),
        sa.Column("source", DOCUMENT, nullable=False),
        sa.Column("options", DOCUMENT, nullable=False),
        sa.Column("lane", WORD, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        *_times_and_result(),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
    )


def _run() -> None:
    op.create_table(
        "run",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("state", WORD, nullable=False),
        *_times_and_result(),
        sa.PrimaryKeyConstraint("job_id", "run", name="pk_run"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_run_job", ondelete="CASCADE"),
    )


def _times_and_result() -> list[sa.Column[object]]:
    return [
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.Column("deadline_at", MOMENT, nullable=False),
        sa.Column("error", DOCUMENT),
        sa.Column("result", DOCUMENT),
    ]


def _stage() -> None:
    op.create_table(
        "stage",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("stage", NAME, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("losses", sa.Integer, nullable=False),
        sa.Column("launches", sa.Integer, nullable=False),
        sa.Column("relaunches", sa.Integer, nullable=False),
        sa.Column("owner", sa.String(255)),
        sa.Column("not_before", sa.Double, nullable=False),
        sa.Column("lease_until", sa.Double),
        sa.Column("launched_at", sa.Double),
        sa.Column("parked_since", sa.Double),
        sa.Column("started_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.Column("duration_s", sa.Double),
        sa.Column("claim", DOCUMENT),
        sa.Column("error", DOCUMENT),
        sa.PrimaryKeyConstraint("job_id", "run", "stage", "part", name="pk_stage"),
        sa.ForeignKeyConstraint(["job_id", "run"], ["run.job_id", "run.run"], name="fk_stage_run", ondelete="CASCADE"),
    )


def _attempt() -> None:
    op.create_table(
        "attempt",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("stage", NAME, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.Column("outcome", WORD),
        sa.Column("duration_s", sa.Double),
        sa.Column("error", DOCUMENT),
        sa.PrimaryKeyConstraint("job_id", "run", "stage", "part", "epoch", name="pk_attempt"),
        sa.ForeignKeyConstraint(
            ["job_id", "run", "stage", "part"],
            ["stage.job_id", "stage.run", "stage.stage", "stage.part"],
            name="fk_attempt_stage",
            ondelete="CASCADE",
        ),
    )


def _indexes() -> None:
    op.create_index("ix_job_tenant", "job", ["tenant_id", "id"])
    op.create_index("ix_job_tenant_state", "job", ["tenant_id", "state", "id"])
    _partial("ix_job_unfinished", "job", ["deadline_at", "tenant_id"], "state IN ('queued', 'running')")
    _partial("ix_stage_ready", "stage", ["not_before", "tenant_id"], "state = 'ready'")
    _partial("ix_stage_running", "stage", ["lease_until", "tenant_id"], "state = 'running'")


def _partial(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
