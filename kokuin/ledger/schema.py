"""Tables of the ledger's store, and their making.

`entry` and `token` are the ledger; `node` is its Merkle tree, of which `entry`
holds the lowest level; `head` is where it ends and where writers compare and
swap. `checkpoint`, `cosignature` and `stamp` say what was published of it and
who vouches for that. `ix` and `unit_high` can be derived from the leaves and
are never trusted to prove anything; `side` alone may be erased.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from kokuin.ledger.migrating import create_file, migrate_file, migrations
from kokuin.ledger.statements import REVISION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_STRICT = {"sqlite_strict": True}


class LedgerTable(SQLModel, registry=registry()):
    """Base of the tables, apart from every other database of the service."""


class Entry(LedgerTable, table=True):
    """One leaf, verbatim, and SHA-256(0x00 ‖ leaf); a leaf whose retention is over has no octets left."""

    __table_args__: ClassVar = (CheckConstraint("length(leaf_hash) = 32", name="leaf_hash_size"), _STRICT)

    idx: int = Field(primary_key=True)
    leaf: bytes
    leaf_hash: bytes


class Token(LedgerTable, table=True):
    """DER of the ContentInfo that belongs to the leaf of the same index, written in its transaction."""

    __table_args__: ClassVar = (_STRICT,)

    idx: int = Field(primary_key=True)
    der: bytes


class Head(LedgerTable, table=True):
    """The one row: where the ledger ends, as `kokuin.ledger.plan.Head` says it; `peaks` one after another."""

    __table_args__: ClassVar = (CheckConstraint("id = 1", name="one_head"), _STRICT)

    id: int = Field(primary_key=True)
    epoch: int
    cfg_epoch: int
    size: int
    at: int
    acted: int = Field(sa_column_kwargs={"server_default": "0"})
    root: bytes = Field(sa_column_kwargs={"server_default": text("x''")})
    peaks: bytes = Field(sa_column_kwargs={"server_default": text("x''")})


class Node(LedgerTable, table=True):
    """Hash of a full subtree of 256**level leaves, level >= 1, the idx-th of its level (C2SP tlog-tiles)."""

    __table_args__: ClassVar = (
        CheckConstraint("length(hash) = 32", name="hash_size"),
        {**_STRICT, "sqlite_with_rowid": False},
    )

    level: int = Field(primary_key=True)
    idx: int = Field(primary_key=True)
    hash: bytes


class Checkpoint(LedgerTable, table=True):
    """A checkpoint that was signed: size, root, its signed note, when (µs). One root a size, for ever."""

    __table_args__: ClassVar = (_STRICT,)

    size: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    root: bytes
    note: bytes
    at: int


class Cosignature(LedgerTable, table=True):
    """A witness's signature line under the checkpoint of a size, when it came (µs)."""

    __table_args__: ClassVar = (_STRICT,)

    size: int = Field(primary_key=True)
    signer: str = Field(primary_key=True, sa_type=Text)
    line: str = Field(sa_type=Text)
    at: int


class Stamp(LedgerTable, table=True):
    """A time-stamp token over the signed note of a checkpoint, by whom, when it came (µs)."""

    __table_args__: ClassVar = (_STRICT,)

    size: int = Field(primary_key=True)
    signer: str = Field(primary_key=True, sa_type=Text)
    der: bytes
    at: int


class Side(LedgerTable, table=True):
    """What a leaf only commits to, SHA-256(salt ‖ text); its row may be erased, the leaf stays."""

    __table_args__: ClassVar = (_STRICT,)

    idx: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    salt: bytes
    text: str = Field(sa_type=Text)


class Ix(LedgerTable, table=True):
    """Search index. Its unique serial is what keeps a serial number from being given twice."""

    __table_args__: ClassVar = (
        Index("ix_serial", "serial", unique=True),
        Index("ix_act", "kind", sqlite_where=text("serial IS NULL")),
        _STRICT,
    )

    idx: int = Field(primary_key=True)
    serial: str | None = Field(sa_type=Text)
    kind: str = Field(sa_type=Text)
    at: int
    tok: str | None = Field(sa_type=Text)


class UnitHigh(LedgerTable, table=True):
    """Highest committed genTime of a time-stamp unit, in µs."""

    __tablename__: ClassVar[str | Callable[..., str]] = "unit_high"
    __table_args__: ClassVar = (_STRICT,)

    unit: str = Field(primary_key=True, sa_type=Text)
    gen: int


def create(path: Path) -> None:
    """Make an empty ledger: epoch 1, configuration epoch 0, no leaf.

    Args:
        path: the database file; its folder must exist.

    Raises:
        FileExistsError: there is a ledger already.
        OSError: the folder cannot be written.
    """
    create_file(path, upgrade)


def upgrade(path: Path) -> None:
    """Bring a closed ledger file to `REVISION` in one transaction; leaves are never rewritten.

    Args:
        path: an existing database file that nobody writes.

    Raises:
        sqlalchemy.exc.DatabaseError: the file is no database or cannot be written.
    """
    migrate_file(path, migrations("kokuin.ledger:migrations"), REVISION)
