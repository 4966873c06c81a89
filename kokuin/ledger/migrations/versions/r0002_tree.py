"""The Merkle tree, its checkpoints and what vouches for them, and the side table that may be erased."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from kokuin.ledger.tree import Grown, grow, root_of

revision = "0002"
down_revision = "0001"

_PAGE = 4096


def upgrade() -> None:
    """Make the tables, grow the tree over the leaves that are there, and let their octets end with age."""
    _tables()
    for table in ("node", "checkpoint", "cosignature", "stamp"):
        _guard(table, "UPDATE")
        _guard(table, "DELETE")
    _guard("side", "UPDATE")
    _let_octets_end()
    _grow_tree()


def _tables() -> None:
    op.create_table(
        "node",
        sa.Column("level", sa.Integer, primary_key=True),
        sa.Column("idx", sa.Integer, primary_key=True),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("length(hash) = 32", name="hash_size"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "checkpoint",
        sa.Column("size", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("note", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "cosignature",
        sa.Column("size", sa.Integer, primary_key=True),
        sa.Column("signer", sa.Text, primary_key=True),
        sa.Column("line", sa.Text, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "stamp",
        sa.Column("size", sa.Integer, primary_key=True),
        sa.Column("signer", sa.Text, primary_key=True),
        sa.Column("der", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "side",
        sa.Column("idx", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sqlite_strict=True,
    )
    op.add_column("head", sa.Column("acted", sa.Integer, nullable=False, server_default="0"))
    op.add_column("head", sa.Column("root", sa.LargeBinary, nullable=False, server_default=sa.text("x''")))
    op.add_column("head", sa.Column("peaks", sa.LargeBinary, nullable=False, server_default=sa.text("x''")))


def _guard(table: str, act: str) -> None:
    """Stop mistakes; that nobody with the file in hand changes a record is for the tree to show."""
    op.execute(
        f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


def _let_octets_end() -> None:
    """Allow the one change that retention makes: a leaf's octets go, its hash and place stay."""
    op.execute("DROP TRIGGER entry_no_update")
    op.execute(
        "CREATE TRIGGER entry_no_update BEFORE UPDATE ON entry "
        "WHEN NEW.idx <> OLD.idx OR NEW.leaf_hash <> OLD.leaf_hash OR length(NEW.leaf) > 0 "
        "BEGIN SELECT RAISE(ABORT, 'entry is append-only'); END"
    )
    op.execute("DROP TRIGGER token_no_delete")
    op.execute(
        "CREATE TRIGGER token_no_delete BEFORE DELETE ON token "
        "WHEN (SELECT length(leaf) FROM entry WHERE entry.idx = OLD.idx) > 0 "
        "BEGIN SELECT RAISE(ABORT, 'token is append-only'); END"
    )


def _grow_tree() -> None:
    connection = op.get_bind()
    tree = Grown(0, (), ())
    while rows := connection.execute(
        sa.text("SELECT leaf_hash FROM entry WHERE idx >= :idx ORDER BY idx LIMIT :most"),
        {"idx": tree.size, "most": _PAGE},
    ).fetchall():
        tree = grow(tree.size, tree.peaks, [row[0] for row in rows])
        for level, idx, octets in tree.nodes:
            connection.execute(
                sa.text("INSERT INTO node (level, idx, hash) VALUES (:level, :idx, :hash)"),
                {"level": level, "idx": idx, "hash": octets},
            )
    connection.execute(
        sa.text("UPDATE head SET acted = size, root = :root, peaks = :peaks"),
        {"root": root_of(tree.peaks), "peaks": b"".join(tree.peaks)},
    )
