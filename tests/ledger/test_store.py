from __future__ import annotations

import shutil
import sqlite3
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger.faults import OpenFault, OpenRefusedError, StoreLostError, WorkRefusedError
from kokuin.ledger.leaf import read_leaf
from kokuin.ledger.plan import MAX_TOKEN, Append
from kokuin.ledger.published import KeptCheckpoint, SecondRootError, keep_checkpoint, newest_checkpoint
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store import SqliteStore
from kokuin.trust.journal import AppendRefusal, Refused
from kokuin.trust.records import CFG_ACTIVATED, CLOCK_FIT, CLOCK_UNFIT, Receipt, Record
from tests.ledger.samples import check_whole, error, fail_at, inject, issued

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.ledger.published import Rows
    from kokuin.trust.journal import AppendOutcome

NOW = 1_763_700_000_000_000


def one(*records: Record) -> Append:
    return Append(records)


def reasons(outcomes: list[AppendOutcome]) -> list[AppendRefusal | None]:
    return [outcome.reason if isinstance(outcome, Refused) else None for outcome in outcomes]


def test_a_batch_gets_its_places_in_order_and_is_found_again(store: SqliteStore, path: Path) -> None:
    record = issued(1)
    outcomes = store.commit([one(record), one(Record("a.b"), issued(2)), one()], NOW)
    assert outcomes == [(Receipt(0, NOW),), (Receipt(1, NOW), Receipt(2, NOW)), ()]
    with LedgerReader(path) as reader:
        stored = reader.by_serial(f"{1:032x}")
        assert stored is not None
        assert (stored.index, stored.token) == (0, record.token)
        assert read_leaf(stored.leaf)["serial"] == record.serial
        assert stored == reader.by_index(0)
        assert reader.by_index(3) is reader.by_serial("00") is None
        assert [each.index for each in reader.walk(1)] == [1, 2]
        assert [each.index for each in reader.walk(0, 2)] == [0, 1]
    check_whole(path)


def test_batches_of_every_size_are_whole(store: SqliteStore, path: Path) -> None:
    number = 0
    for size in (1, 63, 64, 65, 130, 2, 64):
        store.commit([one(issued(number + each)) for each in range(size)], NOW)
        number += size
    assert len(check_whole(path)) == number


def test_at_never_falls_when_the_clock_goes_back(
    store: SqliteStore, open_store: Callable[[], SqliteStore], path: Path
) -> None:
    assert store.commit([one(issued(1))], NOW) == [(Receipt(0, NOW),)]
    assert store.commit([one(issued(2))], NOW - 5_000_000) == [(Receipt(1, NOW),)]
    store.close()
    assert open_store().commit([one(issued(3))], 1) == [(Receipt(2, NOW),)]
    check_whole(path)


def test_a_serial_is_never_given_twice(
    store: SqliteStore, open_store: Callable[[], SqliteStore], path: Path
) -> None:
    duplicate = AppendRefusal.DUPLICATE_SERIAL
    batch = [one(issued(1)), one(issued(1)), one(issued(2)), one(Record("a.b"), issued(3), issued(3))]
    assert reasons(store.commit(batch, NOW)) == [None, duplicate, None, duplicate]
    batch = [one(issued(4)), one(Record("a.b"), issued(2)), one(issued(5))]
    assert reasons(store.commit(batch, NOW)) == [None, duplicate, None]
    store.close()
    assert reasons(open_store().commit([one(issued(1)), one(issued(6))], NOW)) == [duplicate, None]
    assert [read_leaf(each.leaf)["serial"] for each in check_whole(path)] == [
        f"{number:032x}" for number in (1, 2, 4, 5, 6)
    ]


def test_an_append_refused_for_a_serial_frees_its_others_for_who_comes_after(store: SqliteStore) -> None:
    duplicate = AppendRefusal.DUPLICATE_SERIAL
    store.commit([one(issued(2)), one(issued(3))], NOW)
    batch = [one(issued(3), issued(1)), one(issued(1), issued(2)), one(issued(1)), one(issued(1))]
    assert reasons(store.commit(batch, NOW)) == [duplicate, duplicate, None, duplicate]


def test_a_leaf_that_cannot_be_made_takes_nobody_with_it(store: SqliteStore, path: Path) -> None:
    large = Record("a.b", {"text": "x" * 5000})
    heavy = Record("a.b", serial="00", token=b"x" * (MAX_TOKEN + 1))
    batch = [one(issued(1)), one(issued(2), large), one(heavy), one(issued(3))]
    refused = AppendRefusal.LEAF_TOO_LARGE
    assert reasons(store.commit(batch, NOW)) == [None, refused, refused, None]
    assert len(check_whole(path)) == 2
    assert reasons(store.commit([one(issued(2))], NOW)) == [None], "a refused append has taken no serial"


def test_records_of_another_configuration_epoch_are_refused(
    store: SqliteStore, open_store: Callable[[], SqliteStore]
) -> None:
    stale = AppendRefusal.STALE_EPOCH
    raise_to_2 = Append((Record(CFG_ACTIVATED, cfg_epoch=0),), 2)
    batch = [
        one(issued(1, cfg_epoch=0)),
        raise_to_2,
        one(issued(2, cfg_epoch=0)),
        one(issued(3, cfg_epoch=2)),
    ]
    assert reasons(store.commit(batch, NOW)) == [None, None, stale, None]
    assert store.head.cfg_epoch == 2
    assert reasons(store.commit([Append((Record(CFG_ACTIVATED),), 2)], NOW)) == [stale]
    store.close()
    store = open_store()
    batch = [
        one(issued(4, cfg_epoch=0)),
        one(issued(5, cfg_epoch=3)),
        one(issued(6)),
        one(issued(7, cfg_epoch=2)),
    ]
    assert reasons(store.commit(batch, NOW)) == [stale, stale, None, None]


def test_the_highest_gen_of_every_unit_outlives_the_process(
    store: SqliteStore, open_store: Callable[[], SqliteStore]
) -> None:
    store.commit([one(issued(9, unit="a")), one(issued(5, unit="b")), one(issued(3, unit="a"))], NOW)
    store.commit([one(issued(4, unit="a"))], NOW)
    high = {"a": 1_700_000_000_000_009, "b": 1_700_000_000_000_005}
    assert store.highest_gen == high
    store.commit([one(issued(9, unit="c"))], NOW)
    assert store.highest_gen == high, "a refused record raises nothing"
    store.close()
    assert open_store().highest_gen == high


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


def test_a_commit_whose_reply_was_lost_is_answered_from_the_file(store: SqliteStore, path: Path) -> None:
    store.commit([one(issued(1))], NOW)
    driver = store._connection

    def commit_and_lose_the_reply(statement: str) -> None:
        if statement == "COMMIT":
            driver.execute("COMMIT")
            raise error(sqlite3.SQLITE_INTERRUPT)

    inject(store, commit_and_lose_the_reply)
    assert store.commit([one(issued(2)), one(issued(3))], NOW) == [(Receipt(1, NOW),), (Receipt(2, NOW),)]
    inject(store, fail_at("COMMIT", sqlite3.SQLITE_INTERRUPT))
    assert reasons(store.commit([one(issued(4))], NOW)) == [AppendRefusal.UNAVAILABLE]
    assert store.commit([one(issued(4))], NOW) == [(Receipt(3, NOW),)]
    check_whole(path)


def test_an_older_copy_put_in_the_place_of_the_ledger_is_refused(store: SqliteStore, path: Path) -> None:
    store.commit([one(issued(1))], NOW)
    store.close()
    older = shutil.copy(path, path.with_suffix(".copy"))
    store.reopen()
    store.commit([one(issued(2))], NOW)
    store.close()
    shutil.copy(older, path)
    with pytest.raises(OpenRefusedError) as refused:
        store.reopen()
    assert refused.value.fault is OpenFault.BEHIND


def test_a_ledger_that_another_process_rolled_back_ends_the_store(store: SqliteStore, path: Path) -> None:
    store.commit([one(issued(1)), one(issued(2))], NOW)
    with sqlite3.connect(path) as other:
        other.execute("DROP TRIGGER entry_no_delete")
        other.execute("DELETE FROM entry WHERE idx = 1")
        other.execute("UPDATE head SET size = 1")
    other.close()
    with pytest.raises(StoreLostError):
        store.commit([one(issued(3))], NOW)


def test_a_longer_ledger_with_another_history_is_refused(
    store: SqliteStore, path: Path, empty_ledger: Path
) -> None:
    store.commit([one(issued(1))], NOW)
    store.close()
    shutil.copy(empty_ledger, path)
    other = SqliteStore(path)
    other.commit([one(issued(7)), one(issued(8))], NOW)
    other.close()
    with pytest.raises(OpenRefusedError) as refused:
        store.reopen()
    assert refused.value.fault is OpenFault.BEHIND


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


@pytest.mark.parametrize(
    "damage", ["UPDATE head SET size = 1", "UPDATE head SET size = 3", "DELETE FROM head"]
)
def test_a_head_that_does_not_fit_the_leaves_is_not_opened(
    store: SqliteStore, path: Path, damage: str
) -> None:
    store.commit([one(issued(1)), one(issued(2))], NOW)
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute(damage)
    connection.close()
    with pytest.raises(OpenRefusedError) as refused:
        SqliteStore(path)
    assert refused.value.fault is OpenFault.INCONSISTENT


def test_the_reader_cannot_write(path: Path) -> None:
    with LedgerReader(path) as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._connection.execute("UPDATE head SET size = 9")


def test_the_newest_act_of_a_kind_is_found(store: SqliteStore, path: Path) -> None:
    store.commit([one(Record(CLOCK_FIT)), one(Record(CLOCK_UNFIT)), one(issued(1)), one(Record("a.b"))], NOW)
    with LedgerReader(path) as reader:
        newest = reader.newest(CLOCK_FIT, CLOCK_UNFIT)
        assert newest is not None
        assert newest.index == 1
        assert reader.newest("c.d") is None


def test_commits_are_durable_by_setting(store: SqliteStore) -> None:
    settings = {
        name: store._connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous")
    }
    assert settings == {"journal_mode": "wal", "synchronous": 2}


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


def test_the_tree_grows_in_the_transaction_of_its_leaves(
    store: SqliteStore, open_store: Callable[[], SqliteStore], path: Path
) -> None:
    number = 0
    for size in (1, 254, 1, 1, 511, 4000):
        store.commit([one(*[issued(number + each, size=32) for each in range(size)])], NOW)
        number += size
        check_whole(path)
    store.close()
    assert open_store().head == store.head


def test_only_leaves_that_the_service_did_not_cause_want_a_checkpoint(store: SqliteStore) -> None:
    own = Record("a.b", self_caused=True)
    store.commit([one(issued(1)), one(own)], NOW)
    store.commit([one(own)], NOW)
    assert (store.head.size, store.head.acted) == (3, 1)
    store.commit([one(own), one(issued(2))], NOW)
    assert (store.head.size, store.head.acted) == (5, 5)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE head SET root = zeroblob(32)",
        "UPDATE head SET peaks = zeroblob(64)",
        "UPDATE node SET hash = zeroblob(32)",
        "DELETE FROM node",
        "UPDATE entry SET leaf_hash = zeroblob(32) WHERE idx = 299",
    ],
)
def test_a_tree_that_does_not_fit_its_head_is_not_opened(store: SqliteStore, path: Path, damage: str) -> None:
    store.commit([one(*[issued(number) for number in range(300)])], NOW)
    store.close()
    with sqlite3.connect(path) as connection:
        for trigger in ("node_no_update", "node_no_delete", "entry_no_update"):
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute(damage)
    connection.close()
    with pytest.raises(OpenRefusedError) as refused:
        SqliteStore(path)
    assert refused.value.fault is OpenFault.INCONSISTENT


def test_a_text_that_may_be_erased_is_only_committed_to(store: SqliteStore, path: Path) -> None:
    store.commit([one(Record("a.b", {"id": "1"}, personal="刻印 花子"))], NOW)
    with LedgerReader(path) as reader:
        ((index, salt, text),) = reader.execute("SELECT idx, salt, text FROM side")
        stored = reader.by_index(index)
    assert stored is not None
    assert text == "刻印 花子"
    assert text.encode() not in stored.leaf
    assert read_leaf(stored.leaf)["personal"] == sha256(salt + text.encode()).hexdigest()
    long, surrogate = (Record("a.b", personal=text) for text in ("x" * 5000, "\ud800"))
    assert reasons(store.commit([one(long), one(surrogate)], NOW)) == [AppendRefusal.LEAF_TOO_LARGE] * 2


def test_one_size_has_one_checkpoint_and_one_root(store: SqliteStore) -> None:
    first, again, other = (
        KeptCheckpoint(7, root * 32, note, NOW) for root, note in ((b"a", b"1"), (b"a", b"2"), (b"b", b"3"))
    )
    assert store.transact(lambda rows: keep_checkpoint(rows, first)) == first
    assert store.transact(lambda rows: keep_checkpoint(rows, again)) == first
    with pytest.raises(SecondRootError):
        store.transact(lambda rows: keep_checkpoint(rows, other))
    assert store.transact(newest_checkpoint) == first


def test_work_that_fails_leaves_nothing(store: SqliteStore) -> None:
    kept = KeptCheckpoint(7, b"a" * 32, b"1", NOW)

    def keep_and_fail(rows: Rows) -> None:
        keep_checkpoint(rows, kept)
        raise KeyError

    with pytest.raises(KeyError):
        store.transact(keep_and_fail)
    inject(store, fail_at("COMMIT", sqlite3.SQLITE_FULL))
    with pytest.raises(WorkRefusedError) as refused:
        store.transact(lambda rows: keep_checkpoint(rows, kept))
    assert refused.value.reason is AppendRefusal.FULL
    store.reopen()
    assert store.transact(newest_checkpoint) is None
    inject(store, fail_at("COMMIT", sqlite3.SQLITE_IOERR_FSYNC))
    with pytest.raises(StoreLostError):
        store.transact(lambda rows: keep_checkpoint(rows, kept))


def test_an_epoch_of_the_ledger_is_raised_by_one_with_its_record(store: SqliteStore) -> None:
    record = Record("a.b")
    stale = AppendRefusal.STALE_EPOCH
    batch = [Append((record,), new_epoch=3), Append((record,), new_epoch=2), Append((record,), new_epoch=2)]
    assert reasons(store.commit(batch, NOW)) == [stale, None, stale]
    assert (store.head.epoch, store.head.size) == (2, 1)
