"""What is due in a part of the ledger, cut into pieces of one archive time-stamp each.

A piece is a range of the ledger and the signers whose tokens, or batches, it covers there: the leaf that says
so is small, and who reads it finds the same ones again. No piece covers what another one has covered already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kokuin.ledger.leaf import read_leaf
from kokuin.service.evidence.owed import MAX_BATCH, Batch, Owed, added, batches, owed, without
from kokuin.service.evidence.renewals import newest_signer
from kokuin.service.evidence.standing import GONE
from kokuin.service.pruning import YEAR_US
from kokuin.verify.renewal.planning import Act

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kokuin.ledger.reader import StoreReader
    from kokuin.service.evidence.standing import Standing
    from kokuin.verify.renewal.planning import Plan

MOST_SIGNERS = 8
"""In one piece: the leaf names them one by one."""
_ISSUED = b'"tst.issued"'
EMBEDDED = b'"embedded":'
"""In the leaf of a token that left with its evidence in it, and in no other."""
_OF_OTHERS = (b'"evidence":', EMBEDDED, b'"self":true')

_T = TypeVar("_T", Owed, Batch)


def _nobody(_item: object, _plan: object) -> None:
    """Hear nothing."""


@dataclass(frozen=True, slots=True)
class Piece(Generic[_T]):
    """What one archive time-stamp will cover.

    Attributes:
        items: in order of the ledger.
        signers: of these tokens, or of the newest archive tokens of these batches.
    """

    items: tuple[_T, ...]
    signers: frozenset[str]

    @property
    def start(self) -> int:
        """Index of the first."""
        return self.items[0].index

    @property
    def stop(self) -> int:
        """Index behind the last."""
        return self.items[-1].index + 1


class _Cutter(Generic[_T]):
    """Takes what is there in order, and cuts where a piece is full or would cover something twice."""

    def __init__(self) -> None:
        self._held: list[tuple[_T, str]] = []
        self._due: set[str] = set()
        self._passed: set[str] = set()
        self._tail = self._begun = 0

    def take(self, item: _T, signer: str, at: int, *, due: bool) -> Piece[_T] | None:
        """Take one that is not covered yet; return the piece that ends before it, where one does.

        `at` is when it was recorded, microseconds: a piece spans a year at most, so that retention need not
        keep old leaves for long because of young ones.
        """
        full = len(self._held) >= MAX_BATCH or at - self._begun > YEAR_US
        many = due and signer not in self._due and len(self._due) == MOST_SIGNERS
        twice = due and signer in self._passed
        done = self.end() if full or many or twice else None
        if due or self._held:
            self._begun = self._begun if self._held else at
            self._held.append((item, signer))
        if due:
            self._due.add(signer)
            self._tail = len(self._held)
        return done

    def skip(self, signer: str) -> Piece[_T] | None:
        """Pass over one that is covered already; likewise."""
        if signer in self._due:
            return self.end()
        if self._held:
            self._passed.add(signer)
        return None

    def end(self) -> Piece[_T] | None:
        """Return what was taken, up to the last one that is due."""
        held, due = self._held[: self._tail], frozenset(self._due)
        self._held, self._tail = [], 0
        self._due.clear()
        self._passed.clear()
        return Piece(tuple(item for item, signer in held if signer in due), due) if held else None


def due_batches(
    reader: StoreReader,
    standing: Standing,
    span: range,
    told: Callable[[Batch, Plan], None] = _nobody,
    *,
    after: int = -1,
) -> Iterator[Piece[Batch]]:
    """Yield pieces of batches whose archive time-stamps are to be covered by a further one, in order.

    Args:
        reader: of the ledger.
        standing: says what is due.
        span: indexes of the ledger; a batch belongs to it when its first token does.
        told: hears of every batch whose tokens are kept.
        after: index of the last batch that is not looked at.

    Raises:
        LeafError, OpenRefusedError, sqlite3.Error: the ledger cannot be read.
    """
    standing.renewals.look(reader)
    cutter: _Cutter[Batch] = _Cutter()
    for batch in batches(reader, max(span.start - 1, after)):
        signer = newest_signer(batch, standing.renewals.over(batch))
        if batch.start in span:
            plan = standing.batch(reader, batch)
            if plan != GONE or _is_kept(reader, batch):
                told(batch, plan)
            piece = cutter.take(batch, signer, batch.at, due=plan.act is Act.TIME_STAMP)
        else:
            piece = cutter.skip(signer)
        if piece is not None:
            yield piece
    piece = cutter.end()
    if piece is not None:
        yield piece


def _is_kept(reader: StoreReader, batch: Batch) -> bool:
    """Whether the archive token of a batch is there: it is kept as long as the tokens before it."""
    archive = reader.by_serial(batch.archive)
    return archive is not None and archive.token is not None


def due_tokens(
    reader: StoreReader, standing: Standing, span: range, told: Callable[[Owed, Plan], None] = _nobody
) -> Iterator[Piece[Owed]]:
    """Yield pieces of tokens to which nobody owed evidence and that are to get some, in order; as above."""
    known = list(added(reader))
    cutter: _Cutter[Owed] = _Cutter()
    for index, leaf in _without(reader, span):
        if any(batch.covers(index, leaf) for batch in known):
            piece = cutter.skip(leaf["signer"])
        else:
            token, plan = owed(index, leaf), standing.token(reader, index, leaf)
            told(token, plan)
            piece = cutter.take(token, token.signer, token.at, due=plan.act is Act.NEW_RECORD)
        if piece is not None:
            yield piece
    piece = cutter.end()
    if piece is not None:
        yield piece


def _without(reader: StoreReader, span: range) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for stored in reader.walk(span.start, span.stop, tokens=False):
        # The strict reading of the others is saved.
        if _ISSUED in stored.leaf and not any(word in stored.leaf for word in _OF_OTHERS):
            leaf = read_leaf(stored.leaf)
            if without(leaf):
                yield stored.index, leaf
