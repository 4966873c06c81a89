"""Leaves, tokens, head, search index and the highest genTime of every unit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables, the guards of leaves and tokens, and the head of an empty ledger."""
    op.create_table(
        "entry",
        sa.Column("idx", sa.Integer, primary_key=True),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("length(leaf_hash) = 32", name="leaf_hash_size"),
        sqlite_strict=True,
    )
    op.create_table(
        "token",
        sa.Column("idx", sa.Integer, primary_key=True),
        sa.Column("der", sa.LargeBinary, nullable=False),
        sqlite_strict=True,
    )
    head = op.create_table(
        "head",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("cfg_epoch", sa.Integer, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sa.CheckConstraint("id = 1", name="one_head"),
        sqlite_strict=True,
    )
    op.create_table(
        "ix",
        sa.Column("idx", sa.Integer, primary_key=True),
        sa.Column("serial", sa.Text),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("tok", sa.Text),
        sqlite_strict=True,
    )
    op.create_index("ix_serial", "ix", ["serial"], unique=True)
    op.create_index("ix_act", "ix", ["kind"], sqlite_where=sa.text("serial IS NULL"))
    op.create_table(
        "unit_high",
        sa.Column("unit", sa.Text, primary_key=True),
        sa.Column("gen", sa.Integer, nullable=False),
        sqlite_strict=True,
    )
    for table in ("entry", "token"):
        _guard(table)
    op.bulk_insert(head, [{"id": 1, "epoch": 1, "cfg_epoch": 0, "size": 0, "at": 0}])


def _guard(table: str) -> None:
    """Stop mistakes; that nobody with the file in hand changes a leaf is for the tree to show."""
    for act in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
