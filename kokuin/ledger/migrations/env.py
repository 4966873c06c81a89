"""Alembic's entry point: runs on the connection that the caller opened, inside its transaction."""

from __future__ import annotations

from alembic import context

from kokuin.ledger.schema import LedgerTable

context.configure(connection=context.config.attributes["connection"], target_metadata=LedgerTable.metadata)
context.run_migrations()
