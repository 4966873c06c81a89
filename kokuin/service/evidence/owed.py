"""Tokens to which evidence is owed, as their leaves say it, and the batches that cover them."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from kokuin.ledger.leaf import read_leaf
from kokuin.trust.records import EVIDENCE_ADDED, EVIDENCE_STAMPED, TST_ISSUED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kokuin.ledger.reader import StoreReader

MAX_BATCH = 65_536
"""Tokens in one batch: sixteen hashes up to the root."""

_AFTER = "SELECT idx FROM ix WHERE kind = ? AND serial IS NULL AND idx > ? ORDER BY idx LIMIT 64"
_BEFORE = "SELECT idx FROM ix WHERE kind = ? AND serial IS NULL AND idx < ? ORDER BY idx DESC LIMIT 64"


@dataclass(frozen=True, slots=True)
class Owed:
    """A token to which evidence is owed.

    Attributes:
        index: of its leaf.
        at: when it was recorded, microseconds since 1970 UTC.
        signer: SHA-256 (hex) of its signer's certificate.
        token: SHA-512 of it without unsignedAttrs.
        document: SHA-512 of what was stamped, where it is known: as the imprint, or by the client.
    """

    index: int
    at: int
    signer: str
    token: bytes
    document: bytes | None

    def group(self, more: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Return the hashes that stand together in the tree: these, and those of the batch's material."""
        return (self.token, *more, *(() if self.document is None else (self.document,)))


@dataclass(frozen=True, slots=True)
class Batch:
    """A leaf `evidence.stamped`, or `evidence.added`.

    Attributes:
        index: of the leaf.
        at: when it was recorded, microseconds since 1970 UTC.
        added: it covers tokens to which nobody owed evidence, and not those to which its unit did.
        unit_of: the profile whose unit stamped.
        start: index from which on these tokens are covered.
        stop: index of the first leaf behind them.
        count: how many they are.
        root: of the tree, hex.
        certificates: names of the certificates in the group of each, see `material.names`.
        lists: likewise of the revocation lists.
        archive: serial number of the archive token, hex.
        stamp: SHA-512 of that token.
        signer: SHA-256 (hex) of its signer's certificate.
        signers: where it was added, likewise of the tokens that it covers.
    """

    index: int
    at: int
    added: bool
    unit_of: str
    start: int
    stop: int
    count: int
    root: str
    certificates: tuple[str, ...]
    lists: tuple[str, ...]
    archive: str
    stamp: bytes
    signer: str
    signers: frozenset[str] = frozenset()

    def covers(self, index: int, leaf: Mapping[str, Any]) -> bool:
        """Whether it covers the token of a leaf."""
        if not self.start <= index < self.stop:
            return False
        if self.added:
            return without(leaf) and leaf["signer"] in self.signers
        return owing(leaf) == self.unit_of


def owing(leaf: Mapping[str, Any]) -> str | None:
    """Return the profile whose unit owes evidence to a leaf's token; None: nobody does."""
    if leaf["kind"] != TST_ISSUED or leaf.get("self"):
        return None
    name = leaf.get("evidence")
    return name if isinstance(name, str) else None


def without(leaf: Mapping[str, Any]) -> bool:
    """Whether nobody owes evidence to a leaf's token; of those that the service caused itself nobody does."""
    return leaf["kind"] == TST_ISSUED and not leaf.get("self") and not {"evidence", "embedded"} & leaf.keys()


def owed(index: int, leaf: Mapping[str, Any]) -> Owed:
    """Return what a leaf says of a token to which evidence is owed."""
    document = leaf["imp"] if leaf["imp_alg"] == "sha512" else leaf.get("doc512")
    return Owed(
        index,
        leaf["at"],
        leaf["signer"],
        bytes.fromhex(leaf["tok512"]),
        None if document is None else bytes.fromhex(document),
    )


def batch_of(index: int, leaf: Mapping[str, Any]) -> Batch:
    """Return what an `evidence.stamped` or `evidence.added` leaf says."""
    return Batch(
        index,
        leaf["at"],
        leaf["kind"] == EVIDENCE_ADDED,
        leaf["unit_of"],
        leaf["start"],
        leaf["stop"],
        leaf["count"],
        leaf["root"],
        tuple(leaf["certs"]),
        tuple(leaf["revs"]),
        leaf["archive"],
        bytes.fromhex(leaf["tok512"]),
        leaf["signer"],
        frozenset(leaf.get("signers", ())),
    )


def members(reader: StoreReader, batch: Batch) -> Iterator[Owed]:
    """Yield the tokens that a batch covers, in order, but for those whose retention is over.

    Raises:
        LeafError: a leaf cannot be read.
    """
    for stored in reader.walk(batch.start, batch.stop, tokens=False):
        if not stored.leaf:
            continue  # of a token, or of another kind that is kept for a shorter time: the count tells
        leaf = read_leaf(stored.leaf)
        if batch.covers(stored.index, leaf):
            yield owed(stored.index, leaf)


def batch_over(reader: StoreReader, index: int, leaf: Mapping[str, Any]) -> Batch | None:
    """Return the first batch that covers the token of a leaf; None: there is none yet, or will be none.

    Two nodes that stamp at the same moment may both cover it; each of the two is evidence.
    """
    if not without(leaf) and owing(leaf) is None:
        return None
    kind = EVIDENCE_ADDED if without(leaf) else EVIDENCE_STAMPED
    return next((each for each in _batches(reader, _AFTER, kind, index) if each.covers(index, leaf)), None)


def batches(reader: StoreReader, after: int = -1) -> Iterator[Batch]:
    """Yield all batches whose leaves stand behind an index, in order."""
    found = [_batches(reader, _AFTER, kind, after) for kind in (EVIDENCE_STAMPED, EVIDENCE_ADDED)]
    return heapq.merge(*found, key=attrgetter("index"))


def added(reader: StoreReader, after: int = -1) -> Iterator[Batch]:
    """Yield those that cover tokens to which nobody owed evidence, likewise."""
    return _batches(reader, _AFTER, EVIDENCE_ADDED, after)


def covered_before(reader: StoreReader, unit_of: str) -> int:
    """Return the index before which all evidence that a unit owes is there, of whichever node; 0: none is."""
    found = _batches(reader, _BEFORE, EVIDENCE_STAMPED, reader.size())
    return next((batch.stop for batch in found if batch.unit_of == unit_of), 0)


def _batches(reader: StoreReader, query: str, kind: str, index: int) -> Iterator[Batch]:
    while rows := reader.execute(query, (kind, index)):
        for (found,) in rows:
            stored = reader.by_index(found)
            if stored is not None and stored.leaf:
                yield batch_of(found, read_leaf(stored.leaf))
        index = rows[-1][0]
