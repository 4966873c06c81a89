"""Alembic's entry point: runs on the connection that the caller opened, inside its transaction."""

from __future__ import annotations

from alembic import context

from kokuin.ledger.postgres_schema import SCHEMA

context.configure(connection=context.config.attributes["connection"], version_table_schema=SCHEMA)
context.run_migrations()
