from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger import store as store_module
from kokuin.ledger.faults import OpenFault, OpenRefusedError, StoreLostError, WorkRefusedError
from kokuin.ledger.plan import Append
from kokuin.ledger.published import KeptCheckpoint, keep_checkpoint, newest_checkpoint
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store import SqliteStore
from kokuin.trust.journal import AppendRefusal, Refused
from kokuin.trust.records import CFG_ACTIVATED, Receipt, Record
from tests.ledger.samples import NOW, check_whole, fail_at, inject, issued, one, reasons

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WAIT = 60.0
_RECOVERER = """
import fcntl, sys
with open(sys.argv[1], "ab+") as shm:
    # As in the midst of SQLite's walIndexRecover: there is an index, nothing in it, and every lock is held.
    shm.truncate(32768)
    fcntl.lockf(shm, fcntl.LOCK_SH, 1, 128)
    fcntl.lockf(shm, fcntl.LOCK_EX, 8, 120)
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_writers_cannot_fork_the_ledger(open_store: Callable[[], SqliteStore], path: Path) -> None:
    first, second = open_store(), open_store()
    assert reasons(first.commit([one(issued(1)), one(issued(2))], NOW)) == [None, None]
    moved = AppendRefusal.HEAD_MOVED
    assert reasons(second.commit([one(issued(3)), one(issued(4))], NOW)) == [moved, moved]
    assert second.commit([one(issued(5))], NOW) == [(Receipt(2, NOW),)], "it goes on behind the other"
    assert reasons(first.commit([Append((Record(CFG_ACTIVATED),), 1)], NOW)) == [moved]
    assert reasons(first.commit([Append((Record(CFG_ACTIVATED),), 1)], NOW)) == [None]
    assert reasons(second.commit([one()], NOW)) == [moved], "a raised epoch moves the head too"
    assert len(check_whole(path)) == 4


def test_a_lock_held_by_another_program_is_a_refusal_and_not_a_stall(store: SqliteStore, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert reasons(store.commit([one(issued(1))], NOW)) == [AppendRefusal.UNAVAILABLE]
    other.execute("ROLLBACK")
    other.close()
    assert reasons(store.commit([one(issued(1))], NOW)) == [None]


def test_a_full_disk_is_refused_and_recovers_by_itself(store: SqliteStore, path: Path) -> None:
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages + 12}")
    outcomes = [store.commit([one(issued(number, size=4000))], NOW)[0] for number in range(20)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    assert refused
    assert {outcome.reason for outcome in refused} == {AppendRefusal.FULL}
    before = len(outcomes) - len(refused)
    assert len(check_whole(path)) == before
    store._connection.execute("PRAGMA max_page_count = 100000")
    assert store.commit([one(issued(19, size=4000))], NOW) == [(Receipt(before, NOW),)]
    check_whole(path)


@pytest.mark.parametrize(
    "statement",
    ["BEGIN", "UPDATE head", "INSERT OR ROLLBACK INTO entry", "INSERT OR ROLLBACK INTO token", "COMMIT"],
)
@pytest.mark.parametrize(
    ("code", "reason"),
    [(sqlite3.SQLITE_FULL, AppendRefusal.FULL), (sqlite3.SQLITE_BUSY, AppendRefusal.UNAVAILABLE)],
)
def test_an_error_at_any_statement_leaves_nothing_and_the_next_batch_is_taken(
    store: SqliteStore, path: Path, statement: str, code: int, reason: AppendRefusal
) -> None:
    store.commit([one(issued(1))], NOW)
    inject(store, fail_at(statement, code))
    assert reasons(store.commit([one(issued(2)), one(issued(3))], NOW)) == [reason, reason]
    assert store.head.size == len(check_whole(path)) == 1
    store.reopen()
    assert store.commit([one(issued(2))], NOW) == [(Receipt(1, NOW),)]


@pytest.mark.parametrize(
    "code",
    [
        sqlite3.SQLITE_IOERR_FSYNC,
        sqlite3.SQLITE_IOERR_DIR_FSYNC,
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_READ,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    ],
)
def test_an_error_of_the_device_ends_the_store(store: SqliteStore, code: int) -> None:
    inject(store, fail_at("COMMIT", code))
    with pytest.raises(StoreLostError):
        store.commit([one(issued(1))], NOW)


def test_a_failing_checkpoint_of_the_device_ends_the_store_and_a_full_disk_does_not(
    store: SqliteStore,
) -> None:
    store.commit([one(issued(1))], NOW)
    inject(store, fail_at("PRAGMA wal_checkpoint", sqlite3.SQLITE_FULL))
    store.tidy()
    assert store.wal_octets > 0
    store.reopen()
    inject(store, fail_at("PRAGMA wal_checkpoint", sqlite3.SQLITE_IOERR_FSYNC))
    with pytest.raises(StoreLostError):
        store.tidy()


def test_what_is_no_ledger_of_this_release_is_not_opened(path: Path, tmp_path: Path) -> None:
    for opener in (SqliteStore, LedgerReader):
        with pytest.raises(OpenRefusedError) as refused:
            opener(tmp_path / "absent")
        assert refused.value.fault is OpenFault.UNREADABLE
        (tmp_path / "text").write_bytes(b"no database " * 100)
        with pytest.raises(OpenRefusedError) as refused:
            opener(tmp_path / "text")
        assert refused.value.fault is OpenFault.UNREADABLE
        (tmp_path / "void").touch()
        with pytest.raises(OpenRefusedError) as refused:
            opener(tmp_path / "void")
        assert refused.value.fault is OpenFault.SCHEMA
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
    connection.close()
    with pytest.raises(OpenRefusedError) as refused:
        SqliteStore(path)
    assert refused.value.fault is OpenFault.SCHEMA


def test_commits_are_durable_by_setting(store: SqliteStore) -> None:
    settings = {
        name: store._connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "busy_timeout")
    }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 0}


def test_a_log_that_a_reader_puts_in_order_after_a_crash_is_waited_for(
    store: SqliteStore, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opens the ledger first does so; the writer that was started again took it for unreadable."""
    monkeypatch.setattr(store_module, "OPENING_SECONDS", WAIT)
    store.commit([one(issued(1))], NOW)
    crashed = tmp_path / "crashed"
    for suffix in ("", "-wal"):
        shutil.copy(path.with_name(path.name + suffix), crashed.with_name(crashed.name + suffix))
    command = [sys.executable, "-c", _RECOVERER, f"{crashed}-shm"]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader,
        ThreadPoolExecutor(1) as pool,
    ):
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"held\n"
        opening = pool.submit(SqliteStore, crashed)
        with pytest.raises(TimeoutError):
            opening.result(0.3)
        reader.communicate()
        opened = opening.result(WAIT)
    assert opened.head == store.head
    opened.close()


def test_a_checkpoint_empties_the_log_and_its_file_is_used_again(store: SqliteStore, path: Path) -> None:
    wal = path.with_name(path.name + "-wal")
    sizes = []
    for turn in range(4):
        store.commit([one(issued(turn * 100 + number)) for number in range(100)], NOW)
        assert store.wal_octets > 0
        store.tidy()
        assert store.wal_octets == 0
        sizes.append(wal.stat().st_size)
    assert sizes[-1] < 2 * sizes[0]
    check_whole(path)


@pytest.mark.parametrize("batch", [1, 3, 8, 64])
def test_the_length_of_the_log_is_known_well_enough_to_bound_it(
    store: SqliteStore, path: Path, batch: int
) -> None:
    for first in range(0, 1600, batch):
        # Spread over the index as random serials are.
        numbers = [(first + each) * 0x9E3779B97F4A7C15 % 2**48 for each in range(batch)]
        store.commit([one(issued(number, size=1400)) for number in numbers], NOW)
    wal = path.with_name(path.name + "-wal").stat().st_size
    assert 0.7 < store.wal_octets / wal < 2, "a small index takes several serials a page"


def test_work_that_the_disk_refuses_leaves_nothing(store: SqliteStore) -> None:
    kept = KeptCheckpoint(7, b"a" * 32, b"1", NOW)
    inject(store, fail_at("COMMIT", sqlite3.SQLITE_FULL))
    with pytest.raises(WorkRefusedError) as refused:
        store.transact(lambda rows: keep_checkpoint(rows, kept))
    assert refused.value.reason is AppendRefusal.FULL
    store.reopen()
    assert store.transact(newest_checkpoint) is None
    inject(store, fail_at("COMMIT", sqlite3.SQLITE_IOERR_FSYNC))
    with pytest.raises(StoreLostError):
        store.transact(lambda rows: keep_checkpoint(rows, kept))
