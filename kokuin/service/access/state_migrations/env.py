"""Alembic's entry point: runs on the connection that the caller opened, inside its transaction."""

from __future__ import annotations

from alembic import context

from kokuin.service.access.state_models import StateTable

context.configure(connection=context.config.attributes["connection"], target_metadata=StateTable.metadata)
context.run_migrations()
