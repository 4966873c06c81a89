"""How many appends a second the ledger takes, beside a plain insert on the same disk at the same moment.

Usage: `PYTHONPATH=. python tests/ledger/throughput.py FOLDER [CALLERS] [APPENDS]`. Every caller appends a
record as large as an issued token's (leaf 1.2 kB, token 1.5 kB) and waits for it before the next.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from threading import Semaphore
from typing import TYPE_CHECKING

from kokuin.ledger import schema
from kokuin.ledger.committer import Committer
from kokuin.ledger.store import SqliteStore
from kokuin.trust.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kokuin.trust.records import LeafValue

_FIELDS: dict[str, LeafValue] = {f"field_{letter}": letter * 64 for letter in "abcdefghijklm"}


def records(count: int) -> Iterator[Record]:
    """Yield distinct records of tokens."""
    for number in range(count):
        # Spread over the index as random serials are.
        serial = f"{number * 0x9E3779B97F4A7C15 % 2**64:032x}"
        yield Record("tst.issued", _FIELDS, serial, b"d" * 1500, "unit", 1_700_000_000_000_000 + number, 0)


def appends(path: Path, callers: int, count: int) -> tuple[float, float]:
    """Return seconds of wall clock and of processor that the appends took."""
    schema.create(path)
    journal = Committer(SqliteStore(path), capacity=callers, clock_ns=time.time_ns, on_fatal=sys.exit)
    waiting, ended = list(records(count)), Semaphore(0)

    def go_on(_done: object = None) -> None:
        try:
            record = waiting.pop()
        except IndexError:
            ended.release()
        else:
            journal.append(record).add_done_callback(go_on)

    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(callers):
        go_on()
    for _ in range(callers):
        ended.acquire()
    taken = time.perf_counter() - wall, time.process_time() - processor
    assert journal.size == count
    journal.close()
    return taken


def plain(path: Path, rows: int, count: int) -> tuple[float, float]:
    """Return the same for rows of 360 octets and a unique serial, so many a transaction, nothing else."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE plain (idx INTEGER PRIMARY KEY,"
        " leaf BLOB, serial TEXT UNIQUE)"
    )
    values = [(number, b"x" * 360, record.serial) for number, record in enumerate(records(count))]
    wall, processor = time.perf_counter(), time.process_time()
    for start in range(0, count, rows):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO plain VALUES (?, ?, ?)", values[start : start + rows])
        connection.execute("COMMIT")
    return time.perf_counter() - wall, time.process_time() - processor


def main(folder: str, callers: str = "64", count: str = "20000") -> None:
    """Print both."""
    number = int(count)
    with tempfile.TemporaryDirectory(dir=folder) as made:
        for name, measure in (("appends", appends), ("plain rows", plain)):
            wall, processor = measure(Path(made) / name, int(callers), number)
            rates = f"{number / wall:,.0f}/s, {processor / number * 1e6:.1f} us of processor each"
            print(f"{name}, {callers} at a time: {rates}")  # noqa: T201 - what the program is for


if __name__ == "__main__":
    main(*sys.argv[1:])
