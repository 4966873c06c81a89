"""The hand of somebody who has the file of a store: its guards taken away, and every row within reach."""

# ruff: noqa: S608  # tables and columns are named in these modules

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kokuin.ledger.findings import LedgerFault
from kokuin.ledger.store_faults import StoreFault

if TYPE_CHECKING:
    import sqlite3
    from enum import StrEnum

    from tests.ledger.sound_store import SoundStore

ANY = frozenset((*LedgerFault, *StoreFault))
RECORD_TABLES = ("entry", "token", "ix", "side")


@dataclass(frozen=True, slots=True)
class Expected:
    """How a mutation must be found: one of these names stands first; `at`: there, None: wherever.

    `harmless`: it may also pass, when every row of every table is as it was.
    """

    codes: frozenset[StrEnum]
    at: int | None = None
    harmless: bool = False


def must(*codes: StrEnum, at: int | None = None) -> Expected:
    return Expected(frozenset(codes), at)


class Hand:
    """One damaged copy, and what it takes to damage it."""

    def __init__(self, store: SoundStore, connection: sqlite3.Connection, seed: str) -> None:
        self.store = store
        self.chance = random.Random(seed)  # noqa: S311  # damage that can be made again, no secrets
        self._connection = connection
        for (trigger,) in self.rows("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            self.rows(f"DROP TRIGGER {trigger}")
        self.rows("PRAGMA ignore_check_constraints = ON")

    def rows(self, statement: str, *values: Any) -> list[Any]:
        return self._connection.execute(statement, values).fetchall()

    def one(self, statement: str, *values: Any) -> Any:
        return self.rows(statement, *values)[0][0]

    def index(self, condition: str = "1") -> int:
        """Any record of the store."""
        found = self.rows(f"SELECT idx FROM entry WHERE {condition}")
        return int(self.chance.choice(found)[0])

    def pair(self, condition: str = "1") -> tuple[int, int]:
        """Two records, the lower first."""
        one = self.index(condition)
        return tuple(sorted((one, self.index(f"idx <> {one} AND {condition}"))))  # type: ignore[return-value]

    def some(self, table: str, key: str = "size") -> list[Any]:
        """Any two keys of a table."""
        found = [row[0] for row in self.rows(f"SELECT DISTINCT {key} FROM {table}")]
        return self.chance.sample(found, 2)

    def flip(self, octets: bytes) -> bytes:
        at = self.chance.randrange(len(octets))
        return octets[:at] + bytes((octets[at] ^ 1 << self.chance.randrange(8),)) + octets[at + 1 :]

    def cut(self, octets: bytes) -> bytes:
        return octets[: self.chance.randrange(1, len(octets))]

    def other_text(self, text: str) -> str:
        """Another text of the same length."""
        at = self.chance.randrange(len(text))
        return text[:at] + self.chance.choice("0123456789abcdef".replace(text[at], "")) + text[at + 1 :]

    def exchange(self, table: str, key: str, columns: tuple[str, ...], one: Any, two: Any) -> None:
        """Let two rows change places, but for their keys."""
        names = ", ".join(columns)
        first = self.rows(f"SELECT {names} FROM {table} WHERE {key} = ?", one)[0]
        second = self.rows(f"SELECT {names} FROM {table} WHERE {key} = ?", two)[0]
        places = ", ".join(f"{name} = ?" for name in columns)
        for row, where in ((first, two), (second, one)):
            self.rows(f"UPDATE {table} SET {places} WHERE {key} = ?", *row, where)

    def set(self, table: str, column: str, value: Any, key: str, where: Any) -> None:
        self.rows(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", value, where)

    def get(self, table: str, column: str, key: str, where: Any) -> Any:
        return self.one(f"SELECT {column} FROM {table} WHERE {key} = ?", where)

    def shift(self, start: int, by: int) -> None:
        """Move all records from an index on, with what stands beside them."""
        for table in RECORD_TABLES:
            self.rows(f"UPDATE {table} SET idx = -(idx + ?) - 1 WHERE idx >= ?", by, start)
            self.rows(f"UPDATE {table} SET idx = -idx - 1 WHERE idx < 0")
