"""Records, stores that break where they are told to, and the check of a whole ledger."""

from __future__ import annotations

import sqlite3
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from kokuin.ledger.leaf import read_leaf
from kokuin.ledger.plan import Append
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.tile_proofs import root_at
from kokuin.ledger.tree import Builder
from kokuin.trust.journal import AppendRefusal, Refused
from kokuin.trust.records import TST_ISSUED, Record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.ledger.reader import Stored, StoreReader
    from kokuin.ledger.store import SqliteStore
    from kokuin.trust.journal import AppendOutcome

NOW = 1_763_700_000_000_000
"""A wall clock, microseconds since 1970 UTC."""


def issued(number: int, *, cfg_epoch: int | None = None, unit: str = "u1", size: int = 700) -> Record:
    """A record as the service writes it for a token; number makes serial, token and genTime."""
    serial = f"{number:032x}"
    token = sha256(serial.encode()).digest() * (size // 32)
    fields = {"id": serial, "tok": sha256(token).hexdigest(), "suites": ["ecdsa-p256"], "acc": 1_000_000}
    return Record(TST_ISSUED, fields, serial, token, unit, 1_700_000_000_000_000 + number, cfg_epoch)  # type: ignore[arg-type]


def one(*records: Record) -> Append:
    """An append of these records."""
    return Append(records)


def reasons(outcomes: list[AppendOutcome]) -> list[AppendRefusal | None]:
    """Why each append was refused, None for one that was not."""
    return [outcome.reason if isinstance(outcome, Refused) else None for outcome in outcomes]


def check_whole(path: Path) -> list[Stored]:
    """Read a ledger file as an auditor would."""
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    with LedgerReader(path) as reader:
        return check_ledger(reader)


def check_ledger(reader: StoreReader) -> list[Stored]:
    """No gap, leaves strict, hashed and in time's order, tokens there, no serial twice, the tree theirs."""
    stored = list(reader.walk())
    assert len(stored) == reader.size()
    check_tree(reader)
    at = 0
    for index, each in enumerate(stored):
        leaf = read_leaf(each.leaf)
        assert each.index == index
        assert each.leaf_hash == sha256(b"\x00" + each.leaf).digest()
        assert isinstance(leaf["at"], int)
        assert leaf["at"] >= at
        at = leaf["at"]
        if leaf["kind"] == TST_ISSUED:
            assert each.token is not None
            assert sha256(each.token).hexdigest() == leaf["tok"]
    serials = [read_leaf(each.leaf).get("serial") for each in stored]
    given = [serial for serial in serials if serial is not None]
    assert len(given) == len(set(given))
    return stored


def check_tree(reader: StoreReader) -> None:
    """Head, nodes and leaves are one tree: every subtree of 256**level leaves is there once, and no other."""
    head = reader.head()
    builder = Builder()
    for each in reader.walk(tokens=False):
        builder.push(each.leaf_hash)
    assert (head.size, head.peaks, head.root) == (builder.size, builder.peaks, builder.root())
    rows = reader.execute("SELECT level, idx, hash FROM node ORDER BY level, idx")
    wanted = [(level, idx) for level in (1, 2) for idx in range(head.size // 256**level)]
    assert [row[:2] for row in rows] == wanted
    assert root_at(reader, head.size) == head.root


class Faulty:
    """A connection that calls `fault` with every statement before it runs; what that raises is the answer."""

    def __init__(self, connection: sqlite3.Connection, fault: Callable[[str], None]) -> None:
        self._connection = connection
        self._fault = fault

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        self._fault(statement)
        return self._connection.execute(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def inject(store: SqliteStore, fault: Callable[[str], None]) -> None:
    """Put a fault between a store and its driver; a connection that the store opens anew is free of it."""
    store._connection = Faulty(store._connection, fault)  # type: ignore[assignment]


def error(code: int) -> sqlite3.OperationalError:
    """An error of the driver with SQLite's (extended) code."""
    made = sqlite3.OperationalError(f"injected {code}")
    made.sqlite_errorcode = code
    return made


def fail_at(statement: str, code: int) -> Callable[[str], None]:
    """Fail whenever a statement begins so."""

    def fault(text: str) -> None:
        if text.startswith(statement):
            raise error(code)

    return fault
