"""Further archive time-stamps over batches, as their leaves say it (RFC 4998 §5.2, time-stamp renewal).

One covers a range of batches: in its tree each has one group, whatever the number of its tokens. The group is
the hashes of the batch's archive time-stamps so far, which are those that the ledger held when it was made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kokuin.ledger.leaf import read_leaf
from kokuin.service.evidence.owed import batches
from kokuin.trust.records import EVIDENCE_RENEWED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.ledger.reader import StoreReader
    from kokuin.service.evidence.owed import Batch

_AFTER = "SELECT idx FROM ix WHERE kind = ? AND serial IS NULL AND idx > ? ORDER BY idx LIMIT 64"


@dataclass(frozen=True, slots=True)
class Renewal:
    """A leaf `evidence.renewed`.

    Attributes:
        index: of the leaf.
        start: index from which on the batches are covered whose newest archive token has one of `signers`.
        stop: index of the first leaf behind them.
        seen: how many leaves the ledger had for whoever made it: of two nodes that renew at the same moment,
            the second has not seen the first's.
        signers: SHA-256 (hex) of signers' certificates.
        count: how many batches they are.
        root: of the tree, hex.
        archive: serial number of its own archive token, hex.
        stamp: SHA-512 of that token.
        signer: SHA-256 (hex) of its signer's certificate.
    """

    index: int
    start: int
    stop: int
    seen: int
    signers: frozenset[str]
    count: int
    root: str
    archive: str
    stamp: bytes
    signer: str


def renewal_of(index: int, leaf: Mapping[str, Any]) -> Renewal:
    """Return what an `evidence.renewed` leaf says."""
    return Renewal(
        index,
        leaf["start"],
        leaf["stop"],
        leaf["seen"],
        frozenset(leaf["signers"]),
        leaf["count"],
        leaf["root"],
        leaf["archive"],
        bytes.fromhex(leaf["tok512"]),
        leaf["signer"],
    )


class Renewals:
    """All renewals of a ledger, read as it grows. Used by one thread at a time."""

    def __init__(self) -> None:
        """Know of none yet."""
        self._found: list[Renewal] = []

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._found)

    def look(self, reader: StoreReader) -> None:
        """Read what is new.

        Raises:
            LeafError: a leaf cannot be read.
            OpenRefusedError, sqlite3.Error: the ledger cannot be read.
        """
        after = self._found[-1].index if self._found else -1
        while rows := reader.execute(_AFTER, (EVIDENCE_RENEWED, after)):
            for (index,) in rows:
                stored = reader.by_index(index)
                if stored is not None and stored.leaf:
                    self._found.append(renewal_of(index, read_leaf(stored.leaf)))
            after = rows[-1][0]

    def over(self, batch: Batch, seen: int | None = None) -> tuple[Renewal, ...]:
        """Return the renewals of a batch that go on from each other, in order.

        One whose maker had not seen the one before covers the batch too, and continues nothing: every reader
        leaves it out alike.

        Args:
            batch: whose.
            seen: those whose leaves stand before that index; None: all.
        """
        taken: list[Renewal] = []
        for each in self._found:
            if seen is not None and each.index >= seen:
                break
            if not each.start <= batch.index < each.stop or (taken and taken[-1].index >= each.seen):
                continue
            if newest_signer(batch, taken) in each.signers:
                taken.append(each)
        return tuple(taken)

    def group(self, batch: Batch, renewal: Renewal) -> tuple[bytes, ...] | None:
        """Return the group of a batch in the tree of a renewal; None: it does not cover it."""
        before = self.over(batch, renewal.seen)
        if not renewal.start <= batch.index < renewal.stop:
            return None
        return group_of(batch, before) if newest_signer(batch, before) in renewal.signers else None

    def since(self, seen: int) -> tuple[Renewal, ...]:
        """Return the renewals from an index on."""
        return tuple(each for each in self._found if each.index >= seen)


def newest_signer(batch: Batch, renewals: list[Renewal] | tuple[Renewal, ...]) -> str:
    """Return who signed the newest archive token of a batch."""
    return renewals[-1].signer if renewals else batch.signer


def group_of(batch: Batch, renewals: tuple[Renewal, ...]) -> tuple[bytes, ...]:
    """Return the hashes of all archive tokens of a batch."""
    return tuple(sorted({batch.stamp, *(each.stamp for each in renewals)}))


def covered_by(reader: StoreReader, renewals: Renewals, renewal: Renewal) -> dict[int, tuple[bytes, ...]]:
    """Return the groups in the tree of a renewal, by the index of each batch, in order.

    Raises:
        LeafError: a leaf cannot be read.
        OpenRefusedError, sqlite3.Error: the ledger cannot be read.
    """
    found: dict[int, tuple[bytes, ...]] = {}
    for batch in batches(reader, renewal.start - 1):
        if batch.index >= renewal.stop:
            break
        group = renewals.group(batch, renewal)
        if group is not None:
            found[batch.index] = group
    return found
