from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.ledger.checkpoint import Checkpoint, read_checkpoint
from kokuin.ledger.findings import LedgerFault
from kokuin.ledger.leaf import leaf_hash
from kokuin.ledger.log_folder import LogFolder
from kokuin.ledger.plan import Append
from kokuin.ledger.published import KeptCheckpoint, keep_checkpoint
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store import SqliteStore
from kokuin.ledger.store_check import check_store
from kokuin.ledger.store_faults import StoreFault
from kokuin.ledger.store_findings import MOST_FINDINGS
from kokuin.ledger.tree import grow, root_of
from kokuin.trust.records import LEDGER_PRUNED, REDACT, Record
from tests.ledger.notes import log, verifier
from tests.ledger.samples import issued
from tests.ledger.sound_store import START_US, SoundStore, fill
from tests.ledger.store_hand import Hand
from tests.ledger.store_mutations import MUTATIONS, attempt, check, damaged, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kokuin.ledger.plan import Value
    from kokuin.ledger.port import LedgerStore
    from kokuin.ledger.reader import StoreReader
    from kokuin.ledger.store_check import StoreVerdict
    from tests.ledger.stores import Kit, PostgresKit

SEED = 6962


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> SoundStore:
    """A store of 10,000 records."""
    return fill(tmp_path_factory.mktemp("sound") / "store")


def codes(verdict: StoreVerdict) -> set[str]:
    return {str(finding.code) for finding in verdict.findings}


def test_a_sound_store_passes_and_says_what_it_has(sound: SoundStore) -> None:
    verdict = check(sound)
    assert verdict.findings == ()
    assert verdict.passed
    assert (verdict.size, verdict.records, verdict.gone) == (10_000, 10_000, 0)
    with LedgerReader(sound.path) as reader:
        assert verdict.root == reader.head().root
        assert verdict.tokens == reader.execute("SELECT count(*) FROM token")[0][0]
        assert verdict.checkpoints == reader.execute("SELECT count(*) FROM checkpoint")[0][0]


def test_an_empty_store_passes(path: Path) -> None:
    with LedgerReader(path) as reader:
        verdict = check_store(reader, None, None)
    assert verdict.passed
    assert verdict.size == 0


def test_a_store_of_either_kind_is_checked(kit: Kit) -> None:
    store = kit.open()
    kept = []
    for start in range(0, 600, 100):
        appends = [
            Append((issued(start + number), Record("note.added", personal="a"))) for number in range(50)
        ]
        store.commit(appends, START_US + start)
        head = store.head
        at = START_US + start
        kept.append(
            KeptCheckpoint(head.size, head.root, log().sign(head.size, head.root, at // 1_000_000), at)
        )
        store.transact(lambda rows: keep_checkpoint(rows, kept[-1]))
    with kit.reader() as reader:
        verdict = check_store(reader, verifier(log()), None)
        assert verdict.findings == ()
        assert (verdict.size, verdict.tokens, verdict.checkpoints) == (600, 300, 6)
        kit.tamper("UPDATE ix SET kind = 'k' WHERE idx = 7")
        kit.tamper("DELETE FROM token WHERE idx = 300")
        kit.tamper("DELETE FROM node WHERE idx = 1")
        kit.tamper("DELETE FROM entry WHERE idx = 590")
        kit.tamper("UPDATE checkpoint SET at = 1 WHERE size = 100")
        found = check_store(reader, verifier(log()), None).findings
    assert [(str(each.code), each.index) for each in found] == [
        ("INDEX_CHANGED", 7),
        ("NODE_MISSING", 256),
        ("TOKEN_MISSING", 300),
        ("RECORD_MISSING", 590),
        ("CHECKPOINT_CHANGED", None),
    ]


def test_ten_of_a_thousand_mutations_are_found_under_their_names(sound: SoundStore, tmp_path: Path) -> None:
    complaints = [found for found in run(sound, tmp_path / "copy", 10, SEED) if found[1]]
    assert complaints == []


@pytest.mark.parametrize("name", MUTATIONS)
def test_every_kind_of_damage_is_found_under_its_name(name: str, small: SoundStore, tmp_path: Path) -> None:
    assert attempt(small, tmp_path / "copy", name, "once") == ""


def replace(hand: Hand, index: int) -> None:
    """Put another leaf, with its hash, in the place of one."""
    leaf = hand.get("entry", "leaf", "idx", index).replace(b'"v":1', b'"uz":"x","v":1')
    hand.set("entry", "leaf", leaf, "idx", index)
    hand.set("entry", "leaf_hash", leaf_hash(leaf), "idx", index)


def grow_anew(hand: Hand) -> None:
    """Make tree and head fit the leaves as they are: who has the file can, and cannot sign it."""
    hashes = [row[0] for row in hand.rows("SELECT leaf_hash FROM entry ORDER BY idx")]
    grown = grow(0, (), hashes)
    for level, index, octets in grown.nodes:
        hand.rows("UPDATE node SET hash = ? WHERE level = ? AND idx = ?", octets, level, index)
    hand.rows("UPDATE head SET root = ?, peaks = ?", root_of(grown.peaks), b"".join(grown.peaks))


def test_a_history_written_anew_contradicts_what_was_signed(small: SoundStore, tmp_path: Path) -> None:
    def act(hand: Hand) -> None:
        replace(hand, 300)
        grow_anew(hand)

    copy = damaged(small, tmp_path / "copy", act)
    with LedgerReader(copy.path) as reader:
        bare = check_store(reader, copy.keys, None)
        beside = check_store(reader, copy.keys, copy.log)
    assert bare.findings[0].code is StoreFault.CHECKPOINT_ROOT
    assert bare.findings[0].index is not None
    assert bare.findings[0].index <= 300
    # With the published tiles at hand the very record is known.
    assert (beside.findings[0].code, beside.findings[0].index) == (StoreFault.RECORD_REPLACED, 300)


def test_without_published_tiles_a_replaced_record_is_known_to_its_tile(
    small: SoundStore, tmp_path: Path
) -> None:
    copy = damaged(small, tmp_path / "copy", lambda hand: replace(hand, 300))
    with LedgerReader(copy.path) as reader:
        (finding,) = check_store(reader, copy.keys, None).findings
    assert finding.code is StoreFault.RECORD_REPLACED
    assert finding.index is not None
    assert 256 <= finding.index <= 300
    assert finding.detail == f"one of {finding.index} to 511"


def test_checkpoints_under_other_keys_do_not_pass_for_the_logs(small: SoundStore) -> None:
    with LedgerReader(small.path) as reader:
        others = verifier(log(label="another"))
        found = codes(check_store(reader, others, small.log))
        assert found == {"CHECKPOINT_SIGNATURE", "PUBLISHED_CHANGED"}
        assert check_store(reader, None, small.log).passed


def test_a_store_is_held_to_a_checkpoint_that_was_seen_before(small: SoundStore) -> None:
    with LedgerReader(small.path) as reader:
        octets = reader.execute("SELECT note FROM checkpoint ORDER BY size LIMIT 1")[0][0]
        seen = read_checkpoint(octets).checkpoint
        assert check_store(reader, None, None, since=seen).passed
        for other, code in (
            (Checkpoint(seen.origin, seen.size, b"r" * 32), StoreFault.SINCE_ROOT),
            (Checkpoint(seen.origin, 0, b"r" * 32), StoreFault.SINCE_ROOT),
            (Checkpoint(seen.origin, 701, seen.root), StoreFault.SINCE_BEYOND),
        ):
            assert codes(check_store(reader, None, None, since=other)) == {code}


def test_a_store_behind_what_is_remembered_is_named_before_all_else(
    small: SoundStore, tmp_path: Path
) -> None:
    """Attack: store and published log are put back together, and fit each other."""
    memory, keys = tmp_path / "high-water", verifier(log())
    with LedgerReader(small.path) as reader:
        own = reader.execute("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1")[0][0]
        for note, wanted in (
            (own, []),
            (log().sign(701, b"r" * 32, 1), ["STORE_BEHIND"]),
            (log().sign(300, b"r" * 32, 1), ["STORE_BEHIND"]),
            (log().sign(0, b"r" * 32, 1), ["STORE_BEHIND"]),
            (log(label="another").sign(701, b"r" * 32, 1), ["MEMORY_UNREADABLE"]),
            (own[:-9], ["MEMORY_UNREADABLE"]),
            (b"", ["MEMORY_UNREADABLE"]),
        ):
            memory.write_bytes(note)
            found = check_store(reader, keys, small.log, memory=memory).findings
            assert [str(each.code) for each in found] == wanted, note
        memory.unlink()
        assert check_store(reader, keys, small.log, memory=memory).passed
        memory.mkdir()
        assert codes(check_store(reader, keys, small.log, memory=memory)) == {"MEMORY_UNREADABLE"}


def test_a_store_behind_what_it_published_is_named_before_all_else(small: SoundStore, tmp_path: Path) -> None:
    copy = small.copy(tmp_path / "copy")
    (copy.log / "checkpoint").write_bytes(log().sign(701, b"r" * 32, 1))
    with LedgerReader(copy.path) as reader:
        assert check_store(reader, copy.keys, copy.log).findings[0].code is StoreFault.STORE_BEHIND


class _Busy(LedgerReader):
    """A reader of a store whose keeper goes on as soon as anything was asked of its records."""

    def __init__(self, store: SoundStore, writer: SqliteStore) -> None:
        super().__init__(store.path)
        self._store, self._writer, self._done = store, writer, False

    def execute(self, statement: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        if not self._done and statement.startswith("PRAGMA integrity_check"):
            self._done = True
            for second in range(3):
                self._writer.commit([Append((issued(90_000 + second),))], START_US + second)
                show(self._store.log, self._writer, self)
        return super().execute(statement, values)


def show(folder: Path, store: LedgerStore, reader: StoreReader) -> None:
    """Keep the head's checkpoint, then publish it."""
    size, at = store.head.size, START_US
    kept = KeptCheckpoint(size, store.head.root, log().sign(size, store.head.root, at // 1_000_000), at)
    store.transact(lambda rows: keep_checkpoint(rows, kept))
    files = LogFolder(folder)
    files.write_tiles(reader, files.published_size(), size)
    files.publish(kept.note)


def test_what_is_published_while_a_store_is_checked_does_not_seem_withheld(
    small: SoundStore, tmp_path: Path
) -> None:
    copy = small.copy(tmp_path / "copy")
    writer = SqliteStore(copy.path)
    try:
        with _Busy(copy, writer) as reader:
            assert check_store(reader, copy.keys, copy.log).findings == ()
    finally:
        writer.close()


@pytest.mark.parametrize("published", [1, 0])
def test_a_node_that_stands_still_does_not_seem_to_withhold_what_others_publish(
    shared: PostgresKit, published: int, tmp_path: Path
) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    store = shared.open()
    with shared.reader() as reader:
        for number in range(5):
            store.commit([Append((issued(number),))], START_US)
            show(own if number < published else other, store, reader)
        assert check_store(reader, verifier(log()), own).findings == ()


def test_a_serial_that_was_given_twice_is_found_though_all_else_fits(path: Path) -> None:
    store = SqliteStore(path)
    store.commit([Append((issued(number),)) for number in range(600)], START_US)
    store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        hand = Hand(SoundStore(path.parent, 600, 0), connection, "by hand")
        hand.rows("DROP INDEX ix_serial")
        leaf = hand.get("entry", "leaf", "idx", 3)
        hand.set("entry", "leaf", leaf, "idx", 500)
        hand.set("entry", "leaf_hash", leaf_hash(leaf), "idx", 500)
        hand.exchange("token", "idx", ("der",), 3, 3)
        hand.set("token", "der", hand.get("token", "der", "idx", 3), "idx", 500)
        serial, tok = hand.rows("SELECT serial, tok FROM ix WHERE idx = 3")[0]
        hand.rows("UPDATE ix SET serial = ?, tok = ? WHERE idx = 500", serial, tok)
        grow_anew(hand)
    with LedgerReader(path) as reader:
        verdict = check_store(reader, None, None)
    assert [(found.code, found.index) for found in verdict.findings] == [(LedgerFault.SERIAL_TWICE, 500)]


@pytest.mark.parametrize(("upto", "count", "good"), [(300, 200, True), (299, 200, False), (300, 199, False)])
def test_octets_may_go_only_where_a_record_says_that_their_retention_was_over(
    path: Path, upto: int, count: int, *, good: bool
) -> None:
    store = SqliteStore(path)
    store.commit([Append((issued(number),)) for number in range(600)], START_US)
    store.commit([Append((Record(LEDGER_PRUNED, {"upto": upto, "count": count}),))], START_US)
    for statement in ("UPDATE entry SET leaf = x''", "DELETE FROM token"):
        store.transact(lambda rows, act=statement: rows.execute(f"{act} WHERE idx BETWEEN 100 AND 299"))  # type: ignore[misc]  # constants
    store.close()
    with LedgerReader(path) as reader:
        verdict = check_store(reader, None, None)
    assert (verdict.records, verdict.gone) == (401, 200)
    assert codes(verdict) == (set() if good else {"RECORD_EMPTIED"})


def test_a_text_may_go_only_where_a_record_says_that_it_was_erased(path: Path) -> None:
    store = SqliteStore(path)
    texts = [Record("note.added", {"about": 0}, personal=f"of {number}") for number in range(3)]
    store.commit([Append((text,)) for text in texts], START_US)
    store.commit([Append((Record(REDACT, {"about": 1}),))], START_US)
    store.transact(lambda rows: rows.execute("DELETE FROM side WHERE idx = 1"))
    with LedgerReader(path) as reader:
        assert check_store(reader, None, None).passed
        store.transact(lambda rows: rows.execute("DELETE FROM side WHERE idx = 2"))
        (finding,) = check_store(reader, None, None).findings
    store.close()
    assert (finding.code, finding.index) == (StoreFault.SIDE_MISSING, 2)


def test_one_cause_with_many_effects_does_not_hide_another_fault(small: SoundStore, tmp_path: Path) -> None:
    def act(hand: Hand) -> None:
        hand.rows("DELETE FROM ix")
        hand.rows("DELETE FROM token WHERE idx = (SELECT max(idx) FROM token)")

    verdict = check(damaged(small, tmp_path / "copy", act))
    assert codes(verdict) == {"INDEX_MISSING", "TOKEN_MISSING"}
    assert verdict.count == 701
    assert len(verdict.findings) == MOST_FINDINGS + 1


def test_a_store_is_checked_while_it_grows(small: SoundStore, tmp_path: Path) -> None:
    copy = small.copy(tmp_path / "copy")
    store, files = SqliteStore(copy.path), LogFolder(copy.log)
    number = 10_000

    def go_on(_done: int, _all: int) -> None:
        nonlocal number
        number += 300
        appends = [
            Append((issued(one, unit="u1"), Record("clock.fit"))) for one in range(number, number + 300)
        ]
        store.commit(appends, START_US + number * 1_000)
        with LedgerReader(copy.path) as reader:
            files.write_tiles(reader, files.published_size(), store.head.size)

    with LedgerReader(copy.path) as reader:
        verdict = check_store(reader, copy.keys, copy.log, on_progress=go_on)
        assert store.head.size > 2_000
    store.close()
    # The tiles are of no kept checkpoint, which the keeper never does; all else is as it should be.
    assert codes(verdict) <= {"CHECKPOINT_MISSING"}
    assert verdict.size == 700


def test_a_folder_that_cannot_be_read_is_named(small: SoundStore, tmp_path: Path) -> None:
    copy = small.copy(tmp_path / "copy")
    shutil.rmtree(copy.log / "tile")
    (copy.log / "tile").write_bytes(b"")
    assert codes(check(copy)) == {"TILE_MISSING", "FILE_STRANGE"}
