"""Run by alembic: migrates on the connection and in the transaction of `orchestration.storage.migrate`."""

from alembic import context

from orchestration.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
