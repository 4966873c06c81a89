"""Alembic's revisions of `state.db`."""
