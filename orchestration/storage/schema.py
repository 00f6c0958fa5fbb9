"""The tables. `migrations/` builds them; a test holds the two together.

Every row of a job carries its tenant. Moments that people read are wall times; moments that are compared (leases, due
times, launches) are epoch seconds on the database's own clock, so that workers need not agree on the time.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from orchestration.storage import schema_base, schema_pages, schema_sources, schema_spending, schema_webhooks
from orchestration.storage.schema_base import partial_index
from orchestration.storage.types import DOCUMENT, JOB_ID, UtcDateTime, in_code_order, state_of
from pipeline.bulk import BulkOutcome, BulkVerb
from pipeline.job import JobState, Lane, StageState
from pipeline.runs import RunOrigin
from pipeline.schedules import CatchUp
from pipeline.urls import MAX_HOST_CHARS, MAX_SEARCHED_CHARS

REVISION = "0021"
"""The migration that makes this schema."""
metadata = schema_base.metadata
attempt_usage = schema_spending.attempt_usage
daily_usage = schema_spending.daily_usage
batch_sources = schema_sources.batch_sources
cached_pages = schema_pages.cached_pages
page_flights = schema_pages.page_flights
answers = schema_spending.answers
budget_limits = schema_spending.budget_limits
budget_uses = schema_spending.budget_uses
webhooks = schema_webhooks.webhooks
deliveries = schema_webhooks.deliveries

jobs = Table(
    "job",
    metadata,
    Column("id", JOB_ID, nullable=False),
    Column("tenant_id", String(64), nullable=False),
    Column("pipeline", String(64), nullable=False),
    Column("stages", DOCUMENT, nullable=False),
    Column("source", DOCUMENT, nullable=False),
    Column("options", DOCUMENT, nullable=False),
    Column("lane", state_of(Lane), nullable=False),
    Column("state", state_of(JobState), nullable=False),
    Column("run", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("deadline_at", UtcDateTime, nullable=False),
    Column("error", DOCUMENT),
    Column("result", DOCUMENT),
    Column("error_code", String(64)),
    Column("error_stage", String(64)),
    Column("discarded_at", UtcDateTime),
    Column("forgotten_at", UtcDateTime),
    Column("tags", DOCUMENT, nullable=False),
    Column("metadata", DOCUMENT, nullable=False),
    Column("not_before", UtcDateTime),
    Column("max_attempts", Integer),
    # Not a reference: a webhook may be erased before the job.
    Column("webhook_id", JOB_ID),
    # Of the URL, to be searched for.
    Column("host", String(MAX_HOST_CHARS)),
    Column("url", in_code_order(MAX_SEARCHED_CHARS)),
    # Not a reference: a batch goes after the last of its jobs.
    Column("batch_id", JOB_ID),
    Column("batch_index", Integer),
    Column("likeness", String(64)),
    PrimaryKeyConstraint("id"),
)

job_tags = Table(
    "job_tag",
    metadata,
    Column("tenant_id", String(64), nullable=False),
    Column("tag", String(64), nullable=False),
    Column("job_id", JOB_ID, nullable=False),
    PrimaryKeyConstraint("tenant_id", "tag", "job_id"),
    ForeignKeyConstraint(["job_id"], ["job.id"], ondelete="CASCADE"),
)

runs = Table(
    "run",
    metadata,
    Column("job_id", JOB_ID, nullable=False),
    Column("run", Integer, nullable=False),
    Column("tenant_id", String(64), nullable=False),
    Column("state", state_of(JobState), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("deadline_at", UtcDateTime, nullable=False),
    Column("error", DOCUMENT),
    Column("result", DOCUMENT),
    Column("origin", state_of(RunOrigin), nullable=False),
    Column("from_stage", String(64)),
    Column("lane", state_of(Lane), nullable=False),
    Column("options", DOCUMENT, nullable=False),
    PrimaryKeyConstraint("job_id", "run"),
    ForeignKeyConstraint(["job_id"], ["job.id"], ondelete="CASCADE"),
)

stages = Table(
    "stage",
    metadata,
    Column("job_id", JOB_ID, nullable=False),
    Column("run", Integer, nullable=False),
    Column("stage", String(64), nullable=False),
    Column("part", Integer, nullable=False),
    Column("tenant_id", String(64), nullable=False),
    Column("position", Integer, nullable=False),
    Column("state", state_of(StageState), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("launches", Integer, nullable=False),
    Column("relaunches", Integer, nullable=False),
    Column("owner", String(255)),
    Column("message_id", String(64)),
    Column("not_before", Double, nullable=False),
    Column("lease_until", Double),
    Column("launched_at", Double),
    Column("parked_since", Double),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("duration_s", Double),
    Column("claim", DOCUMENT),
    Column("error", DOCUMENT),
    Column("reruns", Integer, nullable=False),
    Column("stale_writes", Integer, nullable=False),
    # Of a part: which splitting it is of; of a whole: the one whose parts count, 0 for none.
    Column("level", Integer, nullable=False),
    # What a part reads.
    Column("input", DOCUMENT),
    PrimaryKeyConstraint("job_id", "run", "stage", "part"),
    ForeignKeyConstraint(["job_id", "run"], ["run.job_id", "run.run"], ondelete="CASCADE"),
)

attempts = Table(
    "attempt",
    metadata,
    Column("job_id", JOB_ID, nullable=False),
    Column("run", Integer, nullable=False),
    Column("stage", String(64), nullable=False),
    Column("part", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("tenant_id", String(64), nullable=False),
    Column("owner", String(255), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("outcome", String(16)),
    Column("duration_s", Double),
    Column("error", DOCUMENT),
    PrimaryKeyConstraint("job_id", "run", "stage", "part", "epoch"),
    ForeignKeyConstraint(
        ["job_id", "run", "stage", "part"],
        ["stage.job_id", "stage.run", "stage.stage", "stage.part"],
        ondelete="CASCADE",
    ),
)


markers = Table(
    "marker",
    metadata,
    Column("name", String(64), nullable=False),
    Column("value", Text, nullable=False),
    Column("until", Double),
    PrimaryKeyConstraint("name"),
)

keys = Table(
    "idempotency_key",
    metadata,
    Column("tenant_id", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    # Not a reference: a key outlives a job that is purged.
    Column("job_id", JOB_ID, nullable=False),
    Column("run", Integer, nullable=False),
    Column("used_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("tenant_id", "name"),
)

bulk_actions = Table(
    "bulk_action",
    metadata,
    Column("id", JOB_ID, nullable=False),
    Column("tenant_id", String(64), nullable=False),
    Column("verb", state_of(BulkVerb), nullable=False),
    Column("from_stage", String(64)),
    Column("options", DOCUMENT),
    Column("created_at", UtcDateTime, nullable=False),
    Column("aborted_at", UtcDateTime),
    PrimaryKeyConstraint("id"),
)

bulk_items = Table(
    "bulk_item",
    metadata,
    Column("action_id", JOB_ID, nullable=False),
    Column("job_id", JOB_ID, nullable=False),
    Column("outcome", state_of(BulkOutcome)),
    Column("acted_at", UtcDateTime),
    Column("code", String(64)),
    Column("message", Text),
    PrimaryKeyConstraint("action_id", "job_id"),
    # Not to the job, which may be erased before its turn.
    ForeignKeyConstraint(["action_id"], ["bulk_action.id"], ondelete="CASCADE"),
)

api_keys = Table(
    "api_key",
    metadata,
    Column("id", JOB_ID, nullable=False),
    Column("tenant_id", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("prefix", String(8), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("scopes", DOCUMENT, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    PrimaryKeyConstraint("id"),
    # Whoever asks has no tenant yet.
    UniqueConstraint("prefix"),
)

batches = Table(
    "batch",
    metadata,
    Column("id", JOB_ID, nullable=False),
    Column("tenant_id", String(64), nullable=False),
    Column("name", String(200)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("received", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("rejections", DOCUMENT, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("heard_at", UtcDateTime),
    Column("sealed_at", UtcDateTime),
    Column("cancelled_at", UtcDateTime),
    Column("is_cancelling", Boolean, nullable=False),
    Column("plan", DOCUMENT),
    Column("digest_order", DOCUMENT),
    # Not a reference: the job may be erased before the batch.
    Column("digest_job_id", JOB_ID),
    Column("digest_problem", DOCUMENT),
    PrimaryKeyConstraint("id"),
)

tenants = Table(
    "tenant",
    metadata,
    Column("id", String(64), nullable=False),
    Column("weight", Integer, nullable=False),
    Column("quotas", DOCUMENT, nullable=False),
    Column("changed_at", UtcDateTime),
    PrimaryKeyConstraint("id"),
)

# Content that was submitted, of tenants for which there is a limit to it.
daily_intake = Table(
    "daily_intake",
    metadata,
    Column("tenant_id", String(64), nullable=False),
    Column("day", Date, nullable=False),
    Column("size", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant_id", "day"),
)

held_jobs = Table(
    "held_job",
    metadata,
    # Not a reference: whoever admits a job looks at its stage.
    Column("job_id", JOB_ID, nullable=False),
    Column("run", Integer, nullable=False),
    Column("tenant_id", String(64), nullable=False),
    Column("lane", state_of(Lane), nullable=False),
    Column("flow", String(128), nullable=False),
    Column("batch_id", JOB_ID),
    Column("stage", String(64), nullable=False),
    Column("not_before", Double, nullable=False),
    PrimaryKeyConstraint("job_id", "run"),
    ForeignKeyConstraint(["batch_id"], ["batch.id"], ondelete="CASCADE"),
)

schedules = Table(
    "schedule",
    metadata,
    Column("id", JOB_ID, nullable=False),
    Column("tenant_id", String(64), nullable=False),
    Column("name", String(200), nullable=False),
    Column("cron", String(200)),
    Column("interval_s", Integer),
    Column("time_zone", String(64), nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("starts_at", UtcDateTime),
    Column("ends_at", UtcDateTime),
    Column("catch_up", state_of(CatchUp), nullable=False),
    Column("submits", DOCUMENT, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("paused_at", UtcDateTime),
    Column("next_at", UtcDateTime),
    Column("last_fired_at", UtcDateTime),
    Column("last_error", DOCUMENT),
    PrimaryKeyConstraint("id"),
)

firings = Table(
    "schedule_firing",
    metadata,
    Column("id", JOB_ID, nullable=False),
    Column("schedule_id", JOB_ID, nullable=False),
    # Of one that was asked for by hand there is none.
    Column("due_at", UtcDateTime),
    Column("fired_at", UtcDateTime, nullable=False),
    # Not references: a firing is kept for its time, whatever becomes of what it submitted.
    Column("job_id", JOB_ID),
    Column("batch_id", JOB_ID),
    Column("error", DOCUMENT),
    PrimaryKeyConstraint("id"),
    # One for each time, whoever fires.
    UniqueConstraint("schedule_id", "due_at"),
    ForeignKeyConstraint(["schedule_id"], ["schedule.id"], ondelete="CASCADE"),
)


Index("ix_job_tenant", jobs.c.tenant_id, jobs.c.id)
Index("ix_job_tenant_state", jobs.c.tenant_id, jobs.c.state, jobs.c.id)
Index("ix_job_tenant_pipeline", jobs.c.tenant_id, jobs.c.pipeline, jobs.c.id)
Index("ix_job_tenant_lane", jobs.c.tenant_id, jobs.c.lane, jobs.c.id)
Index("ix_job_tag_job", job_tags.c.job_id)
Index("ix_idempotency_key_used", keys.c.used_at, keys.c.tenant_id)
partial_index("ix_job_unfinished", jobs, "state IN ('queued', 'running')", "deadline_at", "tenant_id")
partial_index("ix_job_error", jobs, "error_code IS NOT NULL", "tenant_id", "error_code", "id")
partial_index("ix_job_host", jobs, "host IS NOT NULL", "tenant_id", "host", "id")
partial_index("ix_job_url", jobs, "url IS NOT NULL", "tenant_id", "url", "id")
partial_index("ix_job_finished", jobs, "finished_at IS NOT NULL", "state", "finished_at")
# All that is compared, though constant: SQLite takes the index of which it can use most columns.
partial_index(
    "ix_job_unforgotten",
    jobs,
    "state = 'succeeded' AND forgotten_at IS NULL",
    "state",
    "forgotten_at",
    "finished_at",
)
# Where an unfinished job is, or a failed one failed.
partial_index(
    "ix_stage_place", stages, "state IN ('ready', 'running', 'split', 'failed')", "tenant_id", "stage", "job_id"
)
partial_index("ix_stage_ready", stages, "state = 'ready'", "not_before", "tenant_id")
partial_index("ix_stage_launched", stages, "state IN ('ready', 'running')", "tenant_id", "not_before")
partial_index("ix_stage_running", stages, "state = 'running'", "lease_until", "tenant_id")
partial_index("ix_job_batch", jobs, "batch_id IS NOT NULL", "tenant_id", "batch_id", "id")
partial_index("ix_job_batch_state", jobs, "batch_id IS NOT NULL", "tenant_id", "batch_id", "state", "id")
partial_index(
    "ix_job_likeness",
    jobs,
    "state = 'succeeded' AND likeness IS NOT NULL",
    "tenant_id",
    "likeness",
    "finished_at",
)
Index("ix_batch_tenant", batches.c.tenant_id, batches.c.id)
partial_index(
    "ix_batch_digest", batches, "digest_order IS NOT NULL AND digest_job_id IS NULL AND digest_problem IS NULL", "id"
)
Index(
    "ix_held_job_turn",
    held_jobs.c.tenant_id,
    held_jobs.c.lane,
    held_jobs.c.flow,
    held_jobs.c.not_before,
    held_jobs.c.job_id,
)
partial_index("ix_held_job_batch", held_jobs, "batch_id IS NOT NULL", "batch_id", "not_before", "job_id")
partial_index("ix_bulk_item_waiting", bulk_items, "outcome IS NULL", "action_id", "job_id")
Index("ix_schedule_tenant", schedules.c.tenant_id, schedules.c.id)
partial_index("ix_schedule_due", schedules, "next_at IS NOT NULL", "next_at")
Index("ix_schedule_firing_schedule", firings.c.schedule_id, firings.c.id)
Index("ix_schedule_firing_fired", firings.c.fired_at)
