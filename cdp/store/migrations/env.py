"""Alembic's entry point. The connection comes from `cdp.store.migrate`, with its transaction and lock."""

from alembic import context

from cdp.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata(), transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
