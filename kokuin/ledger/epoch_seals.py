"""Holding the leaves that seal epochs against the leaves that they seal (roots as `epoch_roots` makes them).

A seal stands behind its epoch's leaves and says only there how many they are.
So the seals are read first; their trees are grown in another pass, or in the
same one where the seals are known beforehand. Nothing that was gathered
before is believed: what a record says is compared with what was hashed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.ledger.epoch_roots import HASHES, LeafTree
from kokuin.ledger.findings import Finding, LedgerFault
from kokuin.trust.records import EPOCH_OPENED, EPOCH_SEALED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

MOST_SEALS = 10_000
"""Seals that are compared: one a month for eight hundred years."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What a seal says.

    Attributes:
        index: of its record.
        epoch: that it ends.
        first: first leaf that it seals.
        size: leaves up to which everything is sealed.
        roots: by the names of `epoch_roots.HASHES`, hex; None where there is none.
    """

    index: int
    epoch: int
    first: int
    size: int
    roots: Mapping[str, object]


def read_seal(index: int, fields: Mapping[str, Any]) -> Seal | None:
    """Return the seal that a record is; None when a number of it is none."""
    epoch, first, size = (fields.get(name) for name in ("epoch", "first", "size"))
    if type(epoch) is int and type(first) is int and type(size) is int:
        return Seal(index, epoch, first, size, {name: fields.get(name) for name in HASHES})
    return None


class SealChain:
    """Says of each seal whether it goes on where the one before it ended.

    Two nodes that share a ledger may seal one epoch at a time; then both seals begin at one leaf. What is
    demanded leaves at most two epochs that share a leaf: whatever a ledger says, a leaf is hashed twice.
    """

    def __init__(self) -> None:
        self._last: Seal | None = None
        self._hole = False
        # Where the longest seal ends: of all, and of the epochs before the last that was sealed.
        self._longest = self._floor = 0

    def hole(self) -> None:
        """Note that records are missing here: there may be seals among them."""
        self._hole = True

    def fault(self, seal: Seal) -> str | None:
        """Take the next seal; return why it cannot follow, None when it does."""
        last, floor = self._last, self._floor
        twin = last is not None and seal.epoch == last.epoch
        least = floor if twin else self._longest
        if not (floor <= seal.first < seal.size <= seal.index and least <= seal.size):
            return f"leaves {seal.first} to {seal.size}, after {least} were sealed"
        if seal.epoch < (1 if last is None else last.epoch):
            return f"epoch {seal.epoch}"
        first = 0 if last is None else last.first if twin else last.size
        if seal.first != first and (twin or not self._hole):
            return f"from leaf {seal.first}, the one before ends at {first}"
        self._last, self._hole = seal, False
        self._floor, self._longest = least, max(self._longest, seal.size)
        return None


class SealRoots:
    """Grows the trees of seals that follow each other, as leaves come in order.

    Attributes:
        found: roots, hex, by first leaf and size; absent where a leaf did not come.
    """

    def __init__(self, seals: Iterable[Seal]) -> None:
        """Args: the seals, by index; those that cannot follow are passed over."""
        chain = SealChain()
        self._sizes: dict[int, set[int]] = {}
        for seal in seals:
            chain.hole()  # whoever reads the records says whether one is missing
            if chain.fault(seal) is None:
                self._sizes.setdefault(seal.first, set()).add(seal.size)
        self._to_come = sorted(self._sizes, reverse=True)
        self._growing: list[tuple[int, dict[str, LeafTree]]] = []
        self.found: dict[tuple[int, int], dict[str, str]] = {}

    def push(self, index: int, leaf: bytes) -> None:
        """Take a leaf's octets; indexes rise."""
        while self._to_come and self._to_come[-1] <= index:
            first = self._to_come.pop()
            self._growing.append((first, {name: LeafTree(new_hash) for name, new_hash in HASHES.items()}))
        if self._growing:
            self._growing = [each for each in self._growing if self._grow(*each, index, leaf)]

    def _grow(self, first: int, trees: dict[str, LeafTree], index: int, leaf: bytes) -> bool:
        """Append a leaf to an epoch's trees; return whether the epoch goes on."""
        for tree in trees.values():
            if first + tree.size != index:
                return False
            tree.push(leaf)
        sizes, size = self._sizes[first], index + 1
        if size in sizes:
            self.found[first, size] = {name: tree.root().hex() for name, tree in trees.items()}
        return size < max(sizes)


class SealWatch:
    """Reads the seals among the records, and compares them with roots that were grown.

    Attributes:
        seals: the first `MOST_SEALS` that follow each other.
        held: how many were compared, and are right.
        open: how many could not be: leaves of their epochs are not there.
    """

    def __init__(self, tell: Callable[[Finding], None]) -> None:
        """Args: who is told what is wrong."""
        self._tell = tell
        self._chain = SealChain()
        self._next = 0
        # None: not known, an epoch may have been opened where records are missing.
        self._epoch: int | None = 1
        self.seals: list[Seal] = []
        self.held = self.open = 0

    def record(self, index: int, fields: Mapping[str, Any]) -> None:
        """Take a record; indexes rise."""
        if index != self._next:
            self._chain.hole()
            self._epoch = None
        self._next = index + 1
        if fields["kind"] == EPOCH_OPENED:
            epoch = fields.get("epoch")
            self._epoch = epoch if type(epoch) is int else None
        elif fields["kind"] == EPOCH_SEALED:
            self._seal(index, fields)

    def compare(self, found: Mapping[tuple[int, int], Mapping[str, str]]) -> None:
        """Hold every seal against the roots over the leaves that it seals, after the last record."""
        for seal in self.seals:
            roots = found.get((seal.first, seal.size))
            if roots is None:
                self.open += 1
                continue
            wrong = [name for name, root in roots.items() if seal.roots[name] != root]
            self.held += not wrong
            if wrong:
                self._tell(Finding(LedgerFault.SEAL_ROOT, seal.index, ", ".join(wrong)))

    def _seal(self, index: int, fields: Mapping[str, Any]) -> None:
        seal = read_seal(index, fields)
        if seal is None:
            fault: str | None = "its numbers"
        elif self._epoch is not None and seal.epoch > self._epoch:
            fault = f"epoch {seal.epoch} within {self._epoch}"
        else:
            fault = self._chain.fault(seal)
        if fault is not None:
            self._tell(Finding(LedgerFault.SEAL_ORDER, index, fault))
        elif seal is not None and len(self.seals) < MOST_SEALS:
            self.seals.append(seal)
        else:
            self.open += 1
