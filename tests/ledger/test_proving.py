"""Proofs of a published log, held against RFC 6962's own definitions; tiles that are damaged or gone."""

from __future__ import annotations

import shutil
import sqlite3
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger.log_folder import CHECKPOINT, LogFolder
from kokuin.ledger.plan import Append
from kokuin.ledger.proving import ProofFault, ProofRefusedError, Prover, find_record
from kokuin.ledger.published import KeptCheckpoint, keep_checkpoint
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.tile_files import TileFiles
from kokuin.ledger.tiles import TilePath
from kokuin.ledger.tlog_proof import read_proof
from tests.ledger.notes import NOW, log, verifier
from tests.ledger.rfc6962 import mth, path, proof
from tests.ledger.samples import issued

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.ledger.store import SqliteStore

SIZES = (200, 300, 600)
"""Of the published checkpoints; each but the first fills a tile."""


class Log:
    """A ledger of 610 records whose first 600 are published, and the naive tree over its leaves."""

    def __init__(self, store: SqliteStore, database: Path, root: Path) -> None:
        self.store, self.database, self.root = store, database, root
        self.files = LogFolder(root)
        for size in SIZES:
            self.grow(size)
            self.publish()
        self.grow(610)
        with self.open() as reader:
            self.hashes = [sha256(b"\0" + each.leaf).digest() for each in reader.walk()]

    def open(self) -> LedgerReader:
        return LedgerReader(self.database)

    def prover(self) -> Prover:
        return Prover(self.root, self.open)

    def grow(self, size: int) -> None:
        numbers = range(self.store.head.size, size)
        self.store.commit([Append((issued(number),)) for number in numbers], NOW * 1_000_000)

    def publish(self) -> None:
        head = self.store.head
        note = log().sign(head.size, head.root, NOW)
        kept = KeptCheckpoint(head.size, head.root, note, NOW)
        self.store.transact(lambda rows: keep_checkpoint(rows, kept))
        with self.open() as reader:
            self.files.write_tiles(reader, self.files.published_size(), head.size)
        self.files.publish(note)


@pytest.fixture
def made(store: SqliteStore, path: Path, tmp_path: Path) -> Log:
    return Log(store, path, tmp_path / "log")


def refusal(act: Callable[[], object]) -> ProofFault:
    with pytest.raises(ProofRefusedError) as caught:
        act()
    return caught.value.fault


@pytest.mark.parametrize("size", [None, *SIZES])
def test_every_record_has_the_path_of_rfc_6962_and_its_leaf(made: Log, size: int | None) -> None:
    prover, leaves = made.prover(), made.hashes[: size or 600]
    with made.open() as reader:
        for index in range(0, len(leaves), 1 if size is None else 37):
            found = prover.inclusion(find_record(reader, index=index), size)
            assert list(found.hashes) == path(index, leaves)
            assert sha256(b"\0" + found.extra).digest() == leaves[index]
            read = read_proof(found.encode())
            checkpoint = verifier(log()).check(read.checkpoint_octets).checkpoint
            assert (checkpoint.size, checkpoint.root) == (len(leaves), mth(leaves))
            assert read.holds(leaves[index], checkpoint)


@pytest.mark.parametrize("old", [0, 1, 199, 200, 255, 256, 257, 300, 512, 599, 600])
@pytest.mark.parametrize("new", [None, 1, 256, 300, 577, 600])
def test_consistency_between_any_sizes_is_that_of_rfc_6962(made: Log, old: int, new: int | None) -> None:
    size = new or 600
    if old > size:
        assert refusal(lambda: made.prover().consistency(old, new)) is ProofFault.SIZES
        return
    found = made.prover().consistency(old, new)
    leaves = made.hashes[:size]
    assert (found.old_size, found.size) == (old, size)
    assert (found.old_root, found.root) == (mth(leaves[:old]), mth(leaves))
    assert list(found.hashes) == (proof(old, leaves) if old else [])


def test_tiles_suffice_for_what_needs_no_leaf(made: Log) -> None:
    made.store.close()
    made.database.unlink()
    assert made.prover().consistency(300, 577).size == 577


def test_without_tiles_the_store_proves_the_same(made: Log) -> None:
    tiles = made.prover().consistency(256, 577)
    shutil.rmtree(made.root / "tile")
    assert made.prover().consistency(256, 577) == tiles
    with made.open() as reader:
        found = made.prover().inclusion(find_record(reader, index=299))
    assert list(found.hashes) == path(299, made.hashes[:600])


@pytest.mark.parametrize("name", ["tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"])
@pytest.mark.parametrize("damage", ["flip", "cut", "long"])
def test_a_damaged_tile_gives_no_wrong_proof(made: Log, name: str, damage: str) -> None:
    octets = bytearray((made.root / name).read_bytes())
    match damage:
        case "flip":
            octets[40] ^= 1
        case "cut":
            del octets[-1]
        case "long":
            octets += bytes(32)
    (made.root / name).write_bytes(octets)
    prover = made.prover()
    with made.open() as reader:
        for index in (0, 1, 2, 255, 256, 511, 512, 513, 599):
            found = prover.inclusion(find_record(reader, index=index))
            assert list(found.hashes) == path(index, made.hashes[:600])
    for old in (1, 2, 255, 256, 513):
        found_between = prover.consistency(old, 599)
        assert found_between.old_root == mth(made.hashes[:old])
        assert list(found_between.hashes) == proof(old, made.hashes[:599])


def test_tiles_and_store_that_are_both_wrong_prove_nothing(made: Log) -> None:
    shutil.rmtree(made.root / "tile")
    made.store.close()
    with sqlite3.connect(made.database) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE entry SET leaf_hash = ? WHERE idx = 513", (bytes(32),))
    connection.close()
    with made.open() as reader:
        stored = find_record(reader, index=514)
        assert refusal(lambda: made.prover().inclusion(stored)) is ProofFault.TREE
        changed = find_record(reader, index=513)
        assert refusal(lambda: made.prover().inclusion(changed)) is ProofFault.TREE
    assert refusal(lambda: made.prover().consistency(3)) is ProofFault.TREE


def test_a_record_whose_retention_is_over_is_still_proven(made: Log) -> None:
    made.store.close()
    with sqlite3.connect(made.database) as connection:
        connection.execute("UPDATE entry SET leaf = x'' WHERE idx = 7")
    connection.close()
    with made.open() as reader:
        found = made.prover().inclusion(find_record(reader, index=7))
    assert found.extra == b""
    assert found.holds(made.hashes[7], verifier(log()).check(found.checkpoint_octets).checkpoint)


def test_what_is_not_published_yet_is_pending_until_it_is(made: Log) -> None:
    with made.open() as reader:
        stored = find_record(reader, index=600)
    assert refusal(lambda: made.prover().inclusion(stored)) is ProofFault.PENDING
    assert refusal(lambda: made.prover().inclusion(stored, 300)) is ProofFault.SIZES
    made.publish()
    assert list(made.prover().inclusion(stored).hashes) == path(600, made.hashes)


def test_a_record_is_found_by_serial_and_only_with_its_own_token(made: Log) -> None:
    with made.open() as reader:
        serial = f"{42:032x}"
        digest = sha256(issued(42).token or b"").hexdigest()
        assert find_record(reader, serial=serial).index == 42
        assert find_record(reader, serial=serial, token=digest).index == 42
        for wrong in (
            lambda: find_record(reader, serial=serial, token=digest[:-1] + "x"),
            lambda: find_record(reader, serial=f"{43:032x}", token=digest),
            lambda: find_record(reader, serial="abc"),
            lambda: find_record(reader, index=610),
            lambda: find_record(reader, index=-1),
            lambda: find_record(reader, index=2**70),
            lambda: find_record(reader),
        ):
            assert refusal(wrong) is ProofFault.RECORD_UNKNOWN


def test_sizes_without_a_checkpoint_and_a_log_without_one_are_named(made: Log) -> None:
    assert made.prover().checkpoint(300).checkpoint.size == 300
    for size in (0, 299, 601, 2**62):
        assert refusal(lambda size=size: made.prover().checkpoint(size)) is ProofFault.CHECKPOINT_UNKNOWN  # type: ignore[misc]
    for sizes in ((-1, 5), (5, 601), (601, 601), (6, 5)):
        assert refusal(lambda sizes=sizes: made.prover().consistency(*sizes)) is ProofFault.SIZES  # type: ignore[misc]
    (made.root / CHECKPOINT).write_bytes(b"no note")
    assert refusal(made.prover().checkpoint) is ProofFault.TREE
    (made.root / CHECKPOINT).unlink()
    assert refusal(made.prover().checkpoint) is ProofFault.CHECKPOINT_UNKNOWN


def test_a_tile_is_read_as_the_beginning_of_any_wider_one(made: Log) -> None:
    tiles = TileFiles(made.root)
    whole = b"".join(made.hashes)
    assert tiles.tile(TilePath(0, 0)) == whole[:8192]
    assert not (made.root / "tile/0/000.p").exists()
    for index, width in ((0, 1), (0, 200), (0, 255), (2, 1), (2, 87), (2, 88)):
        start = index * 8192
        assert tiles.tile(TilePath(0, index, width)) == whole[start : start + width * 32]
    for absent in (
        TilePath(0, 2, 89),
        TilePath(0, 2),
        TilePath(0, 3, 1),
        TilePath(1, 0, 3),
        TilePath(2, 0, 1),
    ):
        assert tiles.tile(absent) is None
        assert tiles.hashes(absent.level, absent.start, absent.stop) == []


def test_many_tiles_are_remembered_within_bounds(made: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kokuin.ledger.tile_files._KEPT", 1)
    tiles = TileFiles(made.root)
    for index in (0, 1, 0, 1):
        assert tiles.tile(TilePath(0, index)) == b"".join(made.hashes[index * 256 : index * 256 + 256])
    assert len(tiles._full) == 1
