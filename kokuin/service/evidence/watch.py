"""What evidence the ledger owes, followed leaf by leaf."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

from kokuin.ledger.leaf import read_leaf
from kokuin.service.evidence.owed import MAX_BATCH, batch_of, covered_before, owed, owing
from kokuin.service.installation import evidence_profiles
from kokuin.trust.records import CFG_ACTIVATED, EVIDENCE_STAMPED
from pqc.profiles import ProfileError, available

if TYPE_CHECKING:
    from pathlib import Path

    from kokuin.ledger.reader import Stored, StoreReader
    from kokuin.service.evidence.owed import Owed
    from kokuin.service.snapshot import Snapshot

STEP = 262_144
"""Leaves that one look reads at most: the batcher is not kept waiting by a long past."""

MOST_WAITING = 4 * MAX_BATCH
"""Tokens that are remembered as waiting for one unit; the rest is read when they have their evidence."""
_OWING = re.compile(rb'"evidence":"([a-z0-9-]{1,64})"')
_ACTIVATED = "SELECT idx FROM ix WHERE kind = ? AND serial IS NULL ORDER BY idx"


class EvidenceWatch:
    """Tokens that wait for evidence, by the profile whose unit owes it. Used by one thread at a time.

    What a unit owes that this folder never had belongs to another node that shares the ledger: it stamps.
    """

    def __init__(self, profiles: Path, *, shared: bool) -> None:
        """Args: the folder of the operator's own profiles; whether other nodes write to the ledger."""
        self._profiles, self._shared = profiles, shared
        self._owners: frozenset[str] = frozenset()
        self._units: frozenset[str] = frozenset()
        self._more: dict[str, int] = {}
        self._next: int | None = None
        self._covered: dict[str, int] = {}
        self._epoch: int | None = None
        self.waiting: dict[str, deque[Owed]] = {}
        self.at_end = False
        """Whether the last look has read everything that there was."""

    def look(self, reader: StoreReader, snapshot: Snapshot, epoch: int) -> None:
        """Read what is new in the ledger.

        Args:
            reader: of the ledger.
            snapshot: what is in force.
            epoch: of the configuration; while no profile of it makes evidence, nothing is read.

        Raises:
            LeafError, ProfileError: a leaf, or a profile in force, cannot be read.
            OpenRefusedError, sqlite3.Error: the ledger cannot be read.
        """
        self.at_end = False
        # Before the size: what comes in under a later configuration is of the next look.
        size = reader.size()
        owners = evidence_profiles(snapshot)
        # What another node still owes may lie in what was passed over, and no batch may begin behind it.
        units = frozenset(snapshot.units)
        again = not units <= self._units or (self._shared and not owners <= self._owners)
        if self._next is None or again:
            self._next = self._beginning(reader, snapshot, size)
            self.waiting.clear()
            self._more.clear()
        self._owners, self._units = owners, units
        self._go_back()
        if not owners and self._epoch == epoch and not any(self.waiting.values()):
            self._next, self.at_end = max(self._next, size), True
            return
        stop = min(size, self._next + STEP)
        for stored in reader.walk(self._next, stop, tokens=False):
            # Of all leaves these alone have the word; the strict reading of the others is saved.
            if b'"evidence' in stored.leaf and not self._is_past(stored):
                self._take(reader, stored)
            self._next = stored.index + 1
        if stop == size:
            self._epoch, self.at_end = epoch, True

    def _go_back(self) -> None:
        """Read again from where there was no room, for the units that have stamped all that is remembered."""
        for name in [name for name in self._more if not self.waiting.get(name)]:
            self._next, self._epoch = min(self._next or 0, self._more.pop(name)), None

    def _is_past(self, stored: Stored) -> bool:
        """Whether a token has its evidence, or is another node's to care for."""
        found = _OWING.search(stored.leaf)
        if found is None:
            return False
        name = found[1].decode("ascii")
        return name not in self._units or stored.index < self._covered.get(name, 0)

    def _take(self, reader: StoreReader, stored: Stored) -> None:
        leaf = read_leaf(stored.leaf)
        if leaf["kind"] == EVIDENCE_STAMPED:
            batch = batch_of(stored.index, leaf)
            self._covered[batch.unit_of] = max(batch.stop, self._covered.get(batch.unit_of, 0))
            queue = self.waiting.get(batch.unit_of, deque())
            while queue and queue[0].index < batch.stop:
                queue.popleft()
            return
        name = owing(leaf)
        if name not in self._units:
            return
        if name not in self._covered:
            self._covered[name] = covered_before(reader, name)
        if stored.index < self._covered[name] or name in self._more:
            return
        queue = self.waiting.setdefault(name, deque())
        if queue and queue[-1].index >= stored.index:
            return  # read again for another unit
        if len(queue) < MOST_WAITING:
            queue.append(owed(stored.index, leaf))
        else:
            # One unit that cannot sign must not hold up the others. Nothing behind this is taken for it
            # before this is: its batches are ranges of the ledger.
            self._more[name] = stored.index

    def _beginning(self, reader: StoreReader, snapshot: Snapshot, size: int) -> int:
        """Return the index before which nothing is owed by units that this folder ever used."""
        users: dict[str, set[str]] = {}
        for name in {*available(self._profiles), *snapshot.profiles}:
            owner = self._evidence_of(snapshot, name)
            if owner in snapshot.units:
                users.setdefault(owner, set()).add(name)
        found, owners = [size], evidence_profiles(snapshot)
        for owner, names in users.items():
            self._covered[owner] = covered_before(reader, owner)
            first, off = _on(reader, names, size)
            start = self._covered[owner] or first
            # Of several nodes nobody knows here which profiles are on. Of this one: what is off owes nothing
            # since then, and years of other leaves need not be read at each start to know it.
            if self._shared or owner in owners or _owes(reader, owner, range(start, off)):
                found.append(start)
        return min(found)

    def _evidence_of(self, snapshot: Snapshot, name: str) -> str:
        try:
            return snapshot.known_profile(name, self._profiles).evidence or ""
        except ProfileError:
            return ""


def _on(reader: StoreReader, names: set[str], size: int) -> tuple[int, int]:
    """Return the indexes of the leaves that first turned one of some profiles on, and the last one off."""
    first, off = size, size
    for (index,) in reader.execute(_ACTIVATED, (CFG_ACTIVATED,)):
        stored = reader.by_index(index)
        if stored is None or not stored.leaf:
            return min(first, index), size  # its retention is over, so it may be any
        enabled = read_leaf(stored.leaf)["enabled"]
        if isinstance(enabled, list) and names & set(enabled):
            first, off = min(first, index), size
        elif first < size:
            off = min(off, index)
    return first, off


def _owes(reader: StoreReader, owner: str, span: range) -> bool:
    word = b'"evidence":"%s"' % owner.encode()
    leaves = (each.leaf for each in reader.walk(span.start, span.stop, tokens=False))
    return any(word in leaf and owing(read_leaf(leaf)) == owner for leaf in leaves)
