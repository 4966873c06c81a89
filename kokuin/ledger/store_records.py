"""The records of a store, a tile at a time, and the rows that stand beside them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kokuin.ledger.epoch_seals import MOST_SEALS, SealRoots, SealWatch, read_seal
from kokuin.ledger.findings import LedgerFault
from kokuin.ledger.leaf import LeafError, commitment, leaf_hash, read_leaf
from kokuin.ledger.record_rules import RecordRules
from kokuin.ledger.store_faults import StoreFault
from kokuin.ledger.tree import HASH_OCTETS
from kokuin.trust.records import (
    CHECKPOINT_STAMPED,
    CHECKPOINT_WITNESSED,
    EPOCH_OPENED,
    EPOCH_SEALED,
    LEDGER_PRUNED,
    REDACT,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kokuin.ledger.store_findings import Findings, Questions

_ENTRIES = (
    "SELECT entry.idx, entry.leaf, entry.leaf_hash, token.der FROM entry"
    " LEFT JOIN token ON token.idx = entry.idx"
    " WHERE entry.idx >= ? AND entry.idx < ? ORDER BY entry.idx LIMIT ?"
)
_IX = "SELECT idx, serial, kind, at, tok FROM ix WHERE idx >= ? AND idx < ? ORDER BY idx LIMIT ?"
_SIDE = "SELECT idx, salt, text FROM side WHERE idx >= ? AND idx < ? ORDER BY idx LIMIT ?"
_EMPTY = "SELECT min(idx) FROM entry WHERE idx >= ? AND length(leaf) = 0"
_LATER = "SELECT entry.leaf FROM ix JOIN entry ON entry.idx = ix.idx WHERE ix.kind = ? AND ix.idx >= ?"
_SEALS = (
    "SELECT ix.idx, entry.leaf FROM ix JOIN entry ON entry.idx = ix.idx"
    " WHERE ix.kind = ? AND ix.idx < ? ORDER BY ix.idx LIMIT ?"
)
_NEXT = "SELECT min(idx) FROM entry WHERE idx >= ?"


_HEEDED = frozenset({CHECKPOINT_STAMPED, CHECKPOINT_WITNESSED, EPOCH_OPENED, LEDGER_PRUNED, REDACT})
_NUMBERS = ("about", "size", "upto", "count", "epoch")


@dataclass(slots=True)
class Seen:
    """What the records say of all of them.

    Attributes:
        records: how many have their octets.
        gone: how many have none left, because their retention is over.
        tokens: how many stand beside them.
        at: time of the last.
        acted: index behind the last act that the service did not cause itself.
        acted_at_most: the same, were every record that cannot be read such an act.
        last_gone: index of the last record without octets, -1 when there is none.
        pruned_upto: index behind the last record whose retention was said to be over.
        pruned: how many records were said to be emptied, each once or more.
        erased: records whose text is gone, until a record says that it was erased.
        vouched: sizes of checkpoints that records speak of, with the names of their witnesses' keys.
        epoch: the last that was opened.
        gen: highest genTime by unit.
        exact: False once a record could not be read, so that some of this may be too low.
    """

    records: int = 0
    gone: int = 0
    tokens: int = 0
    at: int = 0
    acted: int = 0
    acted_at_most: int = 0
    last_gone: int = -1
    pruned_upto: int = 0
    pruned: int = 0
    erased: set[int] = field(default_factory=set)
    vouched: list[tuple[int, list[str]]] = field(default_factory=list)
    epoch: int = 1
    gen: dict[str, int] = field(default_factory=dict)
    exact: bool = True

    def heed(self, fields: Mapping[str, Any]) -> None:
        """Take in what a record says of others."""
        kind = fields["kind"]
        about, size, upto, count, epoch = (_number(fields, name) for name in _NUMBERS)
        if kind == REDACT:
            self.erased.discard(about)
        elif kind == LEDGER_PRUNED:
            self.pruned_upto = max(self.pruned_upto, upto)
            self.pruned += count
        elif kind == EPOCH_OPENED:
            self.epoch = epoch
        else:
            names = fields.get("witnesses")
            self.vouched.append((size, names if isinstance(names, list) else []))


@dataclass(frozen=True, slots=True)
class Tile:
    """The hashes of up to 256 records: as stored, None where there is none; and by place of other octets."""

    hashes: list[bytes | None]
    own: dict[int, bytes]


class RecordWatch:
    """Goes through the records in order."""

    def __init__(self, questions: Questions, findings: Findings) -> None:
        """Args: the store; where findings go."""
        self._questions, self._findings = questions, findings
        self.rules = RecordRules()
        self.seen = Seen()
        self.seals = SealWatch(findings.take)
        self._seal_roots = SealRoots(())

    def expect_seals(self, stop: int) -> None:
        """Ask for the seals of all epochs before the first tile; they tell only which roots to grow."""
        seals = []
        for index, leaf in self._questions.ask(_SEALS, (EPOCH_SEALED, stop, MOST_SEALS)) or ():
            with suppress(LeafError, TypeError):
                seals.append(read_seal(index, read_leaf(leaf)))
        self._seal_roots = SealRoots(seal for seal in seals if seal is not None)

    def tile(self, start: int, stop: int) -> Tile | None:
        """Check the records from `start` to before `stop`; return their hashes, None when none is there."""
        entries, unreadable = self._entries(start, stop)
        if not entries and not unreadable:
            return None
        many = stop - start + 1
        ix = self._beside(_IX, (start, stop, many))
        sides = self._beside(_SIDE, (start, stop, many)) or {}
        tile = Tile([None] * (stop - start), {})
        for index in range(start, stop):
            row = entries.get(index)
            if row is None:
                self._absent(index, said=index in unreadable)
                continue
            fields = self._record(index, row, tile, index - start)
            if fields is not None:
                self._note(index, fields)
                if ix is not None:
                    self._search_columns(index, fields, ix.get(index))
                if "personal" in fields or sides:
                    self._side(index, fields, sides.get(index))
        return tile

    def next_after(self, index: int) -> int | None:
        """Return the lowest index of a record from `index` on."""
        found = self._questions.one(_NEXT, (index,))
        return found if type(found) is int else None

    def serials(self, start: int, stop: int) -> Iterator[tuple[int, str]]:
        """Yield the serial numbers of a tile's records."""
        for index, leaf, _, _ in self._entries(start, stop)[0].values():
            with suppress(LeafError):
                serial = read_leaf(leaf).get("serial") if type(leaf) is bytes else None
                if type(serial) is str:
                    yield index, serial

    def close(self, stop: int) -> None:
        """Note what went without a record of it, after the last tile; `stop` is the index behind it."""
        self.seals.compare(self._seal_roots.found)
        seen = self.seen
        if seen.erased or seen.gone > seen.pruned or seen.last_gone >= seen.pruned_upto:
            # A service that erases meanwhile says so in records behind those that were read.
            for kind in (REDACT, LEDGER_PRUNED):
                for (leaf,) in self._questions.ask(_LATER, (kind, stop)) or ():
                    with suppress(LeafError):
                        seen.heed(read_leaf(leaf))
        for index in sorted(seen.erased):
            self._findings.add(StoreFault.SIDE_MISSING, index)
        if seen.last_gone >= seen.pruned_upto:
            first = self._questions.one(_EMPTY, (seen.pruned_upto,))
            self._findings.add(StoreFault.RECORD_EMPTIED, first)
        elif seen.gone > seen.pruned:
            detail = f"{seen.gone} records, {seen.pruned} are accounted for"
            self._findings.add(StoreFault.RECORD_EMPTIED, None, detail)

    def missing(self, start: int, stop: int) -> None:
        """Note that a whole range of records is not there."""
        self.seen.exact = False
        self._findings.add(LedgerFault.RECORD_MISSING, start, f"all from {start} to {stop - 1}")

    def _entries(self, start: int, stop: int) -> tuple[dict[int, tuple[Any, ...]], set[int]]:
        """Return the rows of a tile, and the indexes that the database cannot read."""
        rows = self._questions.ask(_ENTRIES, (start, stop, stop - start + 1), start)
        if rows is not None:
            return {row[0]: row for row in rows}, set()
        found, unreadable = {}, set()
        for index in range(start, stop):
            rows = self._questions.ask(_ENTRIES, (index, index + 1, 2), index)
            if rows is None:
                unreadable.add(index)
            else:
                found.update({row[0]: row for row in rows})
        return found, unreadable

    def _beside(self, statement: str, values: tuple[int, int, int]) -> dict[int, tuple[Any, ...]] | None:
        rows = self._questions.ask(statement, values, values[0])
        return None if rows is None else {row[0]: row[1:] for row in rows}

    def _absent(self, index: int, *, said: bool) -> None:
        self.seen.exact = False
        self.seen.acted_at_most = index + 1
        if not said:
            self._findings.add(LedgerFault.RECORD_MISSING, index)

    def _record(self, index: int, row: tuple[Any, ...], tile: Tile, place: int) -> Mapping[str, Any] | None:
        """Check a leaf and its token; return its fields when other rows can be compared with them."""
        _, leaf, hashed, token = row
        if type(hashed) is bytes and len(hashed) == HASH_OCTETS:
            tile.hashes[place] = hashed
        if leaf == b"":
            self._without_octets(index, token)
            return None
        if type(leaf) is not bytes or not (token is None or type(token) is bytes):
            self._findings.add(LedgerFault.RECORD_FORM, index, "no octets")
            self._unread(index)
            return None
        fields, found = self.rules.leaf(index, leaf, hashed)
        if found or fields is None:
            self._findings.take(*found)
            changed = any(each.code is LedgerFault.RECORD_CHANGED for each in found)
            if changed:
                tile.own[place] = leaf_hash(leaf)
            if changed or fields is None:
                # What stands beside such a record differs from it too; that says nothing more.
                self._unread(index)
                return None
        self.seen.records += 1
        self._seal_roots.push(index, leaf)
        self.seals.record(index, fields)
        if token is not None or "tok" in fields:
            self.seen.tokens += token is not None
            if found := self.rules.token(index, fields, token):
                self._findings.take(*found)
        return fields

    def _without_octets(self, index: int, token: Any) -> None:
        self.seen.gone += 1
        self.seen.last_gone = index
        self._unread(index)
        if token is not None:
            self._findings.add(LedgerFault.TOKEN_INSERTED, index, "its record has no octets left")

    def _unread(self, index: int) -> None:
        self.seen.exact = False
        self.seen.acted_at_most = index + 1

    def _note(self, index: int, fields: Mapping[str, Any]) -> None:
        seen = self.seen
        seen.at = fields["at"]
        if fields.get("self") is not True:
            seen.acted = seen.acted_at_most = index + 1
        if "unit" in fields:
            unit, gen = fields["unit"], fields.get("gen")
            if type(unit) is str and type(gen) is int and gen > seen.gen.get(unit, -1):
                seen.gen[unit] = gen
        if fields["kind"] in _HEEDED:
            seen.heed(fields)

    def _search_columns(self, index: int, fields: Mapping[str, Any], row: tuple[Any, ...] | None) -> None:
        tok = fields.get("tok")
        wanted = (fields.get("serial"), fields["kind"], fields["at"], tok if type(tok) is str else None)
        if row is None:
            self._findings.add(StoreFault.INDEX_MISSING, index)
        elif row != wanted:
            names = ("serial", "kind", "at", "tok")
            other = (name for name, one, two in zip(names, row, wanted, strict=True) if one != two)
            self._findings.add(StoreFault.INDEX_CHANGED, index, ", ".join(other))

    def _side(self, index: int, fields: Mapping[str, Any], row: tuple[Any, ...] | None) -> None:
        if row is None:
            if "personal" in fields:
                self.seen.erased.add(index)
            return
        salt, text = row
        if "personal" not in fields:
            self._findings.add(StoreFault.SIDE_INSERTED, index)
        elif type(salt) is not bytes or type(text) is not str or commitment(salt, text) != fields["personal"]:
            self._findings.add(StoreFault.SIDE_CHANGED, index)


def _number(fields: Mapping[str, Any], name: str) -> int:
    value = fields.get(name)
    return value if type(value) is int else 0
