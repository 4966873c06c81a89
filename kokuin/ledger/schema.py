"""Tables of the ledger's store, and their making.

`entry` and `token` are the ledger; `head` is its length and the place where
writers compare and swap; `ix` and `unit_high` can be derived from the leaves
and are never trusted to prove anything.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import URL, CheckConstraint, Index, Text, create_engine, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from alembic.config import Config

REVISION = "0001"
"""The schema that this release reads and writes."""

_STRICT = {"sqlite_strict": True}


class LedgerTable(SQLModel, registry=registry()):
    """Base of the tables, apart from every other database of the service."""


class Entry(LedgerTable, table=True):
    """One leaf, verbatim, and SHA-256(0x00 ‖ leaf)."""

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
    """The one row: epoch of the ledger, epoch of the configuration, size, time of the last commit in µs."""

    __table_args__: ClassVar = (CheckConstraint("id = 1", name="one_head"), _STRICT)

    id: int = Field(primary_key=True)
    epoch: int
    cfg_epoch: int
    size: int
    at: int


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
    if path.exists():
        raise FileExistsError(path)
    draft = path.with_name(path.name + ".new")
    for left in ("", "-wal", "-shm"):
        draft.with_name(draft.name + left).unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    upgrade(draft)
    # A crash before this line leaves a draft that the next attempt removes, never half a ledger.
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def upgrade(path: Path) -> None:
    """Bring a closed ledger file to `REVISION` in one transaction; leaves are never rewritten.

    Args:
        path: an existing database file that nobody writes.

    Raises:
        sqlalchemy.exc.DatabaseError: the file is no database or cannot be written.
    """
    from alembic import command  # noqa: PLC0415 - 0.2 s that only making and migrating a ledger pays

    engine = create_engine(URL.create("sqlite", database=str(path)), isolation_level="AUTOCOMMIT")
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            connection.exec_driver_sql("PRAGMA synchronous=FULL")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            config = migration_config()
            config.attributes["connection"] = connection
            command.upgrade(config, REVISION)
    finally:
        engine.dispose()


def migration_config() -> Config:
    """Return Alembic's configuration for the packaged migrations; no file of its own is needed."""
    from alembic.config import Config  # noqa: PLC0415 - see `upgrade`

    config = Config()
    config.set_main_option("script_location", "kokuin.ledger:migrations")
    config.set_main_option("path_separator", "os")
    return config
