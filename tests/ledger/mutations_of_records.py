"""Damage to records, to what stands beside them, and to what is derived from them: index, tree, head."""

# ruff: noqa: S608  # tables and columns are named in these modules

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.ledger.findings import LedgerFault
from kokuin.ledger.leaf import leaf_hash, read_leaf
from kokuin.ledger.store_faults import StoreFault
from tests.ledger.store_hand import RECORD_TABLES, must

if TYPE_CHECKING:
    from tests.ledger.store_hand import Expected, Hand

# Records


def entry_flip(hand: Hand) -> Expected:
    index = hand.index()
    column = hand.chance.choice(("leaf", "leaf", "leaf_hash"))
    hand.set("entry", column, hand.flip(hand.get("entry", column, "idx", index)), "idx", index)
    return must(LedgerFault.RECORD_CHANGED, at=index)


def entry_replace(hand: Hand) -> Expected:
    """The octets and their hash: the leaf alone shows nothing."""
    index = hand.index("CAST(leaf AS TEXT) LIKE '%classical%' OR CAST(leaf AS TEXT) LIKE '%1000000%'")
    leaf = (
        hand.get("entry", "leaf", "idx", index)
        .replace(b"classical", b"another")
        .replace(b"100000", b"900000")
    )
    hand.set("entry", "leaf", leaf, "idx", index)
    hand.set("entry", "leaf_hash", leaf_hash(leaf), "idx", index)
    return must(StoreFault.RECORD_REPLACED, at=index if index < hand.store.published else None)


def entry_delete(hand: Hand) -> Expected:
    index = hand.index()
    if hand.chance.random() < 0.5:
        hand.rows("DELETE FROM entry WHERE idx = ?", index)
        return must(LedgerFault.RECORD_MISSING, at=index)
    for table in RECORD_TABLES:
        hand.rows(f"DELETE FROM {table} WHERE idx = ?", index)
    hand.shift(index + 1, -1)
    if index < hand.store.published:
        return must(StoreFault.RECORD_REPLACED, at=index)
    return must(LedgerFault.RECORD_MISSING, at=hand.store.size - 1)


def entry_insert(hand: Hand) -> Expected:
    if hand.chance.random() < 0.5:
        index = hand.store.size + hand.chance.choice((0, 0, 5, 1 << 40))
        leaf = hand.get("entry", "leaf", "idx", hand.index())
        hand.rows("INSERT INTO entry VALUES (?, ?, ?)", index, leaf, leaf_hash(leaf))
        return must(LedgerFault.RECORD_INSERTED, at=index)
    index = hand.index("idx > 0")
    before = read_leaf(hand.get("entry", "leaf", "idx", index))
    leaf = f'{{"at":{before["at"]},"kind":"service.started","self":false,"v":1}}'.encode()
    hand.shift(index, 1)
    hand.rows("INSERT INTO entry VALUES (?, ?, ?)", index, leaf, leaf_hash(leaf))
    hand.rows("INSERT INTO ix VALUES (?, NULL, 'service.started', ?, NULL)", index, before["at"])
    if index < hand.store.published:
        return must(StoreFault.RECORD_REPLACED, at=index)
    return must(StoreFault.RECORD_REPLACED, LedgerFault.RECORD_INSERTED)


def entry_swap(hand: Hand) -> Expected:
    one, two = hand.pair()
    if hand.chance.random() < 0.5:
        hand.exchange("entry", "idx", ("leaf",), one, two)
        return must(LedgerFault.RECORD_CHANGED, at=one)
    hand.exchange("entry", "idx", ("leaf", "leaf_hash"), one, two)
    return must(StoreFault.RECORD_REPLACED, at=one)


def entry_truncate(hand: Hand) -> Expected:
    index = hand.index("idx > 0")
    draw = hand.chance.random()
    if draw < 0.2:
        # As if its retention were over.
        hand.set("entry", "leaf", b"", "idx", index)
        hand.rows("DELETE FROM token WHERE idx = ?", index)
        hand.rows("DELETE FROM side WHERE idx = ?", index)
        return must(StoreFault.RECORD_EMPTIED, at=index)
    if draw < 0.6:
        hand.set("entry", "leaf", hand.cut(hand.get("entry", "leaf", "idx", index)), "idx", index)
        return must(LedgerFault.RECORD_CHANGED, at=index)
    for table in RECORD_TABLES:
        hand.rows(f"DELETE FROM {table} WHERE idx >= ?", index)
    return must(LedgerFault.RECORD_MISSING, at=index)


_TOKENS = "idx IN (SELECT idx FROM token)"


def token_flip(hand: Hand) -> Expected:
    index = hand.index(_TOKENS)
    hand.set("token", "der", hand.flip(hand.get("token", "der", "idx", index)), "idx", index)
    return must(LedgerFault.TOKEN_CHANGED, at=index)


def token_delete(hand: Hand) -> Expected:
    index = hand.index(_TOKENS)
    hand.rows("DELETE FROM token WHERE idx = ?", index)
    return must(LedgerFault.TOKEN_MISSING, at=index)


def token_insert(hand: Hand) -> Expected:
    index = hand.chance.choice((hand.store.size, hand.index(f"NOT {_TOKENS}")))
    hand.rows("INSERT INTO token VALUES (?, ?)", index, b"another token")
    return must(LedgerFault.TOKEN_INSERTED, at=index)


def token_swap(hand: Hand) -> Expected:
    one, two = hand.pair(_TOKENS)
    hand.exchange("token", "idx", ("der",), one, two)
    return must(LedgerFault.TOKEN_CHANGED, at=one)


def token_truncate(hand: Hand) -> Expected:
    index = hand.index(_TOKENS)
    hand.set("token", "der", hand.cut(hand.get("token", "der", "idx", index)), "idx", index)
    return must(LedgerFault.TOKEN_CHANGED, at=index)


def side_flip(hand: Hand) -> Expected:
    index, text = hand.chance.choice(hand.rows("SELECT idx, text FROM side"))
    if hand.chance.random() < 0.5:
        hand.set("side", "text", hand.other_text(text), "idx", index)
    else:
        hand.set("side", "salt", hand.flip(hand.get("side", "salt", "idx", index)), "idx", index)
    return must(StoreFault.SIDE_CHANGED, at=index)


def side_delete(hand: Hand) -> Expected:
    (index,) = hand.chance.choice(hand.rows("SELECT idx FROM side"))
    hand.rows("DELETE FROM side WHERE idx = ?", index)
    return must(StoreFault.SIDE_MISSING, at=index)


def side_insert(hand: Hand) -> Expected:
    index = hand.chance.choice((hand.store.size, hand.index("idx NOT IN (SELECT idx FROM side)")))
    hand.rows("INSERT INTO side VALUES (?, ?, 'somebody')", index, b"s" * 32)
    return must(StoreFault.SIDE_INSERTED, at=index)


def side_swap(hand: Hand) -> Expected:
    one, two = sorted(hand.some("side", "idx"))
    hand.exchange("side", "idx", ("salt", "text"), one, two)
    return must(StoreFault.SIDE_CHANGED, at=one)


def side_truncate(hand: Hand) -> Expected:
    index, text = hand.chance.choice(hand.rows("SELECT idx, text FROM side"))
    hand.set("side", "text", text[:-1], "idx", index)
    return must(StoreFault.SIDE_CHANGED, at=index)


# What is derived from them


def ix_flip(hand: Hand) -> Expected:
    index = hand.index(_TOKENS)
    column = hand.chance.choice(("serial", "kind", "at", "tok"))
    value = hand.get("ix", column, "idx", index)
    hand.set("ix", column, value ^ 1 if column == "at" else hand.other_text(value), "idx", index)
    return must(StoreFault.INDEX_CHANGED, at=index)


def ix_delete(hand: Hand) -> Expected:
    index = hand.index()
    hand.rows("DELETE FROM ix WHERE idx = ?", index)
    return must(StoreFault.INDEX_MISSING, at=index)


def ix_insert(hand: Hand) -> Expected:
    index = hand.store.size + hand.chance.choice((0, 3, 1 << 40))
    hand.rows("INSERT INTO ix VALUES (?, 'ffff', 'tst.issued', 1, NULL)", index)
    return must(StoreFault.INDEX_INSERTED, at=index)


def ix_swap(hand: Hand) -> Expected:
    one, two = hand.pair(_TOKENS)
    hand.rows("DROP INDEX ix_serial")
    hand.exchange("ix", "idx", ("serial", "kind", "at", "tok"), one, two)
    hand.rows("CREATE UNIQUE INDEX ix_serial ON ix (serial)")
    return must(StoreFault.INDEX_CHANGED, at=one)


def ix_truncate(hand: Hand) -> Expected:
    index = hand.index(_TOKENS)
    hand.set("ix", "tok", hand.get("ix", "tok", "idx", index)[:-1], "idx", index)
    return must(StoreFault.INDEX_CHANGED, at=index)


def unit_high_flip(hand: Hand) -> Expected:
    hand.rows("UPDATE unit_high SET gen = gen + ? WHERE unit = 'u1'", hand.chance.choice((-1, 1, 1 << 30)))
    return must(StoreFault.UNIT_HIGH_CHANGED)


def unit_high_delete(hand: Hand) -> Expected:
    hand.rows("DELETE FROM unit_high WHERE unit = ?", hand.chance.choice(("u1", "u2")))
    return must(StoreFault.UNIT_HIGH_MISSING)


def unit_high_insert(hand: Hand) -> Expected:
    hand.rows("INSERT INTO unit_high VALUES ('u3', 1)")
    return must(StoreFault.UNIT_HIGH_INSERTED)


def unit_high_swap(hand: Hand) -> Expected:
    hand.exchange("unit_high", "unit", ("gen",), "u1", "u2")
    return must(StoreFault.UNIT_HIGH_CHANGED)


# Tree and head


def node_flip(hand: Hand) -> Expected:
    index, octets = hand.chance.choice(hand.rows("SELECT idx, hash FROM node WHERE level = 1"))
    hand.set("node", "hash", hand.flip(octets), "level = 1 AND idx", index)
    return must(StoreFault.NODE_CHANGED, at=index << 8)


def node_delete(hand: Hand) -> Expected:
    (index,) = hand.chance.choice(hand.rows("SELECT idx FROM node WHERE level = 1"))
    hand.rows("DELETE FROM node WHERE level = 1 AND idx = ?", index)
    return must(StoreFault.NODE_MISSING, at=index << 8)


def node_insert(hand: Hand) -> Expected:
    level = hand.chance.choice((1, 2, 3, 9))
    index = hand.store.size // 256**level
    hand.rows("INSERT INTO node VALUES (?, ?, ?)", level, index, b"n" * 32)
    return must(StoreFault.NODE_INSERTED)


def node_swap(hand: Hand) -> Expected:
    one, two = sorted(hand.some("node", "idx"))
    hand.exchange("node", "level = 1 AND idx", ("hash",), one, two)
    return must(StoreFault.NODE_CHANGED, at=one << 8)


def node_truncate(hand: Hand) -> Expected:
    index, octets = hand.chance.choice(hand.rows("SELECT idx, hash FROM node WHERE level = 1"))
    hand.set("node", "hash", hand.cut(octets), "level = 1 AND idx", index)
    return must(StoreFault.NODE_CHANGED, at=index << 8)


def head_flip(hand: Hand) -> Expected:
    column = hand.chance.choice(("size", "root", "peaks", "acted", "at", "epoch"))
    value = hand.one(f"SELECT {column} FROM head")
    if isinstance(value, bytes):
        value = hand.flip(value)
    elif column == "at":
        value += hand.chance.choice((-1, 1 << 56))
    else:
        value ^= 1 << hand.chance.randrange(14)
    hand.rows(f"UPDATE head SET {column} = ?", value)
    codes = {
        "size": StoreFault.HEAD_SIZE,
        "root": StoreFault.HEAD_ROOT,
        "peaks": StoreFault.HEAD_PEAKS,
        "acted": StoreFault.HEAD_ACTED,
        "at": StoreFault.HEAD_TIME,
        "epoch": StoreFault.HEAD_EPOCH,
    }
    return must(codes[column])


def head_delete(hand: Hand) -> Expected:
    hand.rows("DELETE FROM head")
    return must(StoreFault.HEAD_MISSING)


def head_insert(hand: Hand) -> Expected:
    hand.rows("INSERT INTO head SELECT 2, epoch, cfg_epoch, size + 1, at, acted, root, peaks FROM head")
    return must(StoreFault.HEAD_INSERTED)


def head_swap(hand: Hand) -> Expected:
    """An earlier head, whole: the end of the ledger forgotten."""
    size, root = hand.chance.choice(hand.rows("SELECT size, root FROM checkpoint"))
    hand.rows("UPDATE head SET size = ?, root = ?", size, root)
    return must(LedgerFault.RECORD_INSERTED, at=size)


def head_truncate(hand: Hand) -> Expected:
    hand.rows("UPDATE head SET peaks = ?", hand.cut(hand.one("SELECT peaks FROM head")))
    return must(StoreFault.HEAD_PEAKS)


MUTATIONS = (
    *(entry_flip, entry_replace, entry_delete, entry_insert, entry_swap, entry_truncate),
    *(token_flip, token_delete, token_insert, token_swap, token_truncate),
    *(side_flip, side_delete, side_insert, side_swap, side_truncate),
    *(ix_flip, ix_delete, ix_insert, ix_swap, ix_truncate),
    *(unit_high_flip, unit_high_delete, unit_high_insert, unit_high_swap),
    *(node_flip, node_delete, node_insert, node_swap, node_truncate),
    *(head_flip, head_delete, head_insert, head_swap, head_truncate),
)
