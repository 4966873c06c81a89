"""Seeded mutations of a whole store: something flipped, deleted, inserted, swapped or cut by who had it.

Each says under which names it may be found, and at which record where that can
be known. Guards of the database are taken away first, as a thief would.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from kokuin.ledger.faults import OpenRefusedError
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store_check import check_store, unreadable
from tests.ledger import mutations_of_publication, mutations_of_records
from tests.ledger.store_hand import Hand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kokuin.ledger.store_check import StoreVerdict
    from tests.ledger.sound_store import SoundStore
    from tests.ledger.store_hand import Expected

TABLES = ("entry", "token", "ix", "node", "head", "checkpoint", "cosignature", "stamp", "side", "unit_high")
MUTATIONS: dict[str, Callable[[Hand], Expected]] = {
    made.__name__: made for made in (*mutations_of_records.MUTATIONS, *mutations_of_publication.MUTATIONS)
}


def run(sound: SoundStore, place: Path, count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Damage copies of a store, each kind in turn; yield each kind with what is not as expected, or empty.

    Args:
        sound: the store, which stays as it is.
        place: where the copies lie.
        count: how many.
        seed: the damage depends on it alone.
    """
    names = list(MUTATIONS)
    for number in range(count):
        name = names[(seed + number) % len(names)]
        yield name, attempt(sound, place, name, f"{seed} {number}")


def attempt(sound: SoundStore, place: Path, name: str, seed: str) -> str:
    """Damage a copy of a store in one way; return what is not as expected, empty when all is."""
    copy = sound.copy(place)
    expected = mutate(copy, name, seed)
    return complaint(copy, sound, check(copy), expected)


def mutate(store: SoundStore, name: str, seed: str) -> Expected:
    """Damage a copy of a store."""
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.executescript("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF")
        return MUTATIONS[name](Hand(store, connection, f"{name} {seed}"))


def damaged(store: SoundStore, place: Path, act: Callable[[Hand], None]) -> SoundStore:
    """Return a copy of a store that was damaged by hand."""
    copy = store.copy(place)
    with closing(sqlite3.connect(copy.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        act(Hand(copy, connection, "by hand"))
    return copy


def check(store: SoundStore) -> StoreVerdict:
    """Check a store as `tsa ledger check` does."""
    try:
        with LedgerReader(store.path) as reader:
            return check_store(reader, store.keys, store.log)
    except OpenRefusedError as error:
        return unreadable(str(error))


def complaint(store: SoundStore, sound: SoundStore, verdict: StoreVerdict, expected: Expected) -> str:
    """Return what is not as expected; empty when the damage was found under its name, and where it is."""
    if verdict.passed:
        return "" if expected.harmless and dump(store) == dump(sound) else "passed"
    first = verdict.findings[0]
    if first.code not in expected.codes:
        return f"{first}; expected {', '.join(sorted(expected.codes))}"
    if expected.at is not None and first.index != expected.at:
        return f"{first}; expected at {expected.at}"
    return ""


def dump(store: SoundStore) -> dict[str, list[Any]]:
    """Return every row of every table."""
    with closing(sqlite3.connect(store.path)) as connection:
        asked = {name: f"SELECT * FROM {name} ORDER BY 1, 2" for name in TABLES}  # noqa: S608 - constants
        return {name: connection.execute(statement).fetchall() for name, statement in asked.items()}
