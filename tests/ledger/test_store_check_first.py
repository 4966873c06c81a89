"""What a check of a store says first: the first wrong record and what is wrong there, not what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kokuin.ledger.checkpoint import read_checkpoint
from kokuin.ledger.findings import LedgerFault
from kokuin.ledger.leaf import leaf_hash
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store_check import check_store
from kokuin.ledger.store_faults import StoreFault
from tests.ledger.store_hand import RECORD_TABLES, Hand
from tests.ledger.store_mutations import damaged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.ledger.checkpoint import Checkpoint
    from kokuin.ledger.findings import Finding
    from tests.ledger.sound_store import SoundStore

_LEAF = b'{"at":%d,"kind":"service.started","self":false,"v":1}'
# Of 700 records, of which 693 are published: in full tiles, at their edges, and in the last, partial tile.
_PLACES = (1, 255, 256, 690)


def take_out(hand: Hand, index: int) -> None:
    """Let the records behind one close up over it."""
    for table in RECORD_TABLES:
        hand.rows(f"DELETE FROM {table} WHERE idx = ?", index)  # noqa: S608 - constants
    hand.shift(index + 1, -1)


def put_in(hand: Hand, index: int) -> None:
    """Make room for a record among the others."""
    at = hand.get("ix", "at", "idx", index)
    hand.shift(index, 1)
    hand.rows("INSERT INTO entry VALUES (?, ?, ?)", index, _LEAF % at, leaf_hash(_LEAF % at))
    hand.rows("INSERT INTO ix VALUES (?, NULL, 'service.started', ?, NULL)", index, at)


def own_memory(store: SoundStore, place: Path) -> Path:
    """Write the high-water file as `serve` does: the newest checkpoint."""
    with LedgerReader(store.path) as reader:
        place.write_bytes(reader.execute("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1")[0][0])
    return place


def newest(store: SoundStore) -> Checkpoint:
    with LedgerReader(store.path) as reader:
        return read_checkpoint(
            reader.execute("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1")[0][0]
        ).checkpoint


def first(store: SoundStore, place: Path, act: Callable[[Hand], None], *, tiles: bool = True) -> Finding:
    """Return what is said first of a copy that was damaged, beside all that an operator may have."""
    copy = damaged(store, place / "copy", act)
    memory = own_memory(store, place / "high-water")
    with LedgerReader(copy.path) as reader:
        log = copy.log if tiles else None
        verdict = check_store(reader, copy.keys, log, memory=memory, since=newest(store))
    return verdict.findings[0]


@pytest.mark.parametrize("act", [take_out, put_in])
@pytest.mark.parametrize("index", _PLACES)
def test_records_that_were_moved_are_named_from_the_first_though_all_roots_above_differ(
    act: Callable[[Hand, int], None], index: int, small: SoundStore, tmp_path: Path
) -> None:
    """Attack: a record is taken out or put in, and those behind it close up or make room."""
    found = first(small, tmp_path, lambda hand: act(hand, index))
    assert (found.code, found.index) == (StoreFault.RECORD_REPLACED, index)


@pytest.mark.parametrize("act", [take_out, put_in])
def test_without_published_tiles_records_that_were_moved_are_known_to_the_first_tile(
    act: Callable[[Hand, int], None], small: SoundStore, tmp_path: Path
) -> None:
    found = first(small, tmp_path, lambda hand: act(hand, 300), tiles=False)
    assert found.code is StoreFault.RECORD_REPLACED
    assert found.index is not None
    assert 256 <= found.index <= 300


@pytest.mark.parametrize("index", [300, 690])
def test_a_record_whose_hash_was_flipped_is_named_before_the_roots_that_differ_for_it(
    index: int, small: SoundStore, tmp_path: Path
) -> None:
    found = first(small, tmp_path, lambda hand: hand.set("entry", "leaf_hash", b"h" * 32, "idx", index))
    assert (found.code, found.index) == (LedgerFault.RECORD_CHANGED, index)


def test_a_node_is_wrong_and_not_the_records_that_were_signed_though_the_end_is_gone(
    small: SoundStore, tmp_path: Path
) -> None:
    """With the last record the head's root can no longer be asked; the checkpoint of 693 can."""

    def act(hand: Hand) -> None:
        hand.rows("UPDATE node SET hash = ? WHERE level = 1 AND idx = 1", b"n" * 32)
        hand.rows("DELETE FROM entry WHERE idx = 699")

    found = first(small, tmp_path, act)
    assert (found.code, found.index) == (StoreFault.NODE_CHANGED, 256)
