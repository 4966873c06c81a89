"""The tree of a store, grown once more from its records: where it no longer fits, and which side is wrong.

Every full subtree of 256**level leaves has its hash twice in a sound store: as
it follows from the leaves, and as it was written when it became full. Where the
two differ, what stands above decides: the leaves are right when the hash above
follows from them, and were replaced when it follows from what was written.
Published tiles then tell the very leaf. Memory: 256 hashes a level, twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.ledger.store_faults import StoreFault
from kokuin.ledger.tiles import WIDTH
from kokuin.ledger.tree import HASH_OCTETS, Builder, grow, root_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kokuin.ledger.store_findings import Findings, Questions
    from kokuin.ledger.store_folder import TileFiles

_NODE = "SELECT hash FROM node WHERE level = ? AND idx = ?"
_MOST_DOUBTS = 1_000
_HEIGHT = 8


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A subtree whose hash is not that of its leaves; `places`: leaves whose published hash is another."""

    level: int
    index: int
    places: tuple[int, ...]

    @property
    def start(self) -> int:
        return self.index << self.level * _HEIGHT

    @property
    def stop(self) -> int:
        return (self.index + 1) << self.level * _HEIGHT


class TreeWatch:
    """Grows the tree tile by tile.

    Attributes:
        known: False once hashes are missing that nothing stands in for; then there is no root any more.
        sound_to: size of the largest signed tree that the leaves have.
    """

    def __init__(self, questions: Questions, findings: Findings, files: TileFiles | None) -> None:
        """Args: the store; where findings go; the published tiles."""
        self._questions, self._findings, self._files = questions, findings, files
        self.known = True
        self.sound_to = 0
        self._leaves, self._written = Builder(), Builder()
        self._levels: list[tuple[list[bytes], list[bytes]]] = []
        self._doubts: list[_Doubt] = []
        self._differ: list[int] = []
        self._tiles_differ: list[tuple[int, int]] = []

    @property
    def size(self) -> int:
        """How many leaves were added."""
        return self._leaves.size

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """Of the leaves."""
        return self._leaves.peaks

    @property
    def written_root(self) -> bytes:
        """Root of the tree over the hashes as they were written."""
        return self._written.root()

    def roots(self, hashes: Sequence[bytes | None], sizes: Sequence[int]) -> dict[int, bytes]:
        """Return the roots at sizes within the tile that is added next, as far as they can be known."""
        found: dict[int, bytes] = {}
        if not self.known:
            return found
        size, peaks = self._leaves.size, self._leaves.peaks
        first = size
        for wanted in sizes:
            more = hashes[size - first : wanted - first]
            if None in more:
                break
            size, peaks, _ = grow(size, peaks, more)  # type: ignore[arg-type]  # no None among them
            found[wanted] = root_of(peaks)
        return found

    def filled(
        self, index: int, hashes: Sequence[bytes | None], own: Mapping[int, bytes]
    ) -> list[bytes | None]:
        """Return the hashes of a tile, with those that are missing taken from the published tile.

        Args:
            index: of the tile.
            hashes: of its leaves as they are stored, None where there is none.
            own: by place in the tile, the hash of octets whose stored hash is another.
        """
        self._differ = []
        filed = [] if self._files is None else self._files.hashes(0, index, len(hashes))
        whole = list(hashes)
        for at in range(len(whole)):
            if whole[at] is None:
                whole[at] = filed[at] if at < len(filed) else own.get(at)
        if self._files is not None:
            known = [(octets, own.get(at, octets)) for at, octets in enumerate(whole)]
            self._differ = self._files.compare(0, index, known)
        return whole

    def add(self, index: int, hashes: Sequence[bytes | None], own: Mapping[int, bytes]) -> None:
        """Add a tile: full, or the last one; `hashes` as `filled` returned them."""
        if not self.known:
            return
        if len(hashes) < WIDTH:
            self._end(hashes)
            return
        leaves = None if None in hashes else _hash(hashes)  # type: ignore[arg-type]  # no None among them
        written = self._row(1, index)
        if own and leaves != written:
            instead = [own.get(at, octets) for at, octets in enumerate(hashes)]
            if None not in instead and _hash(instead) == written:  # type: ignore[arg-type]  # likewise
                leaves = written
        if leaves is None and written is None:
            self.known = False
            return
        if leaves is not None and written is not None and leaves != written:
            self._doubt(_Doubt(1, index, tuple(self._differ)))
        else:
            self._set_aside(self._differ)
        self._carry(1, leaves or written or b"", written or leaves or b"")

    def decide(self, *, leaves: bool, written: bool, start: int, stop: int) -> None:
        """Settle the doubts within a range by what stands above it.

        Args:
            leaves: whether that follows from the leaves.
            written: whether it follows from the hashes as they were written.
            start: first leaf of the range.
            stop: behind its last leaf.
        """
        open_still = []
        for doubt in self._doubts:
            if not (start <= doubt.start and doubt.stop <= stop and (leaves or written)):
                open_still.append(doubt)
            elif leaves:
                self._findings.add(StoreFault.NODE_CHANGED, doubt.start, f"level {doubt.level}")
                self._set_aside(doubt.places)
            else:
                self.replaced(doubt.start, doubt.stop, doubt.places)
        self._doubts = open_still

    def close(self) -> None:
        """Settle what nothing above could: by what was signed; else the records are suspected.

        These are what a reader believes.
        """
        self.decide(leaves=True, written=False, start=0, stop=self.sound_to)
        for doubt in self._doubts:
            self.replaced(doubt.start, doubt.stop, doubt.places)
        self._doubts = []
        if self.known and self._files is not None:
            for level, (leaves, written) in enumerate(self._levels, start=1):
                first = (self.size >> level * _HEIGHT) // WIDTH
                self._set_aside(self._files.compare(level, first, _pairs(leaves, written)), level)
        for place, level in self._tiles_differ:
            start, stop = place << level * _HEIGHT, (place + 1) << level * _HEIGHT
            # A tile above a record that was replaced has to differ.
            if self._findings.first_within(start, stop, {StoreFault.RECORD_REPLACED}) is None:
                self._findings.add(StoreFault.TILE_CHANGED, start, f"level {level}")

    def replaced(self, start: int, stop: int, places: Sequence[int]) -> None:
        """Note that records of a range were replaced: at the places that are known, else somewhere within."""
        start = max(start, min(self.sound_to, stop - 1))
        for place in places:
            self._findings.add(StoreFault.RECORD_REPLACED, place, "the published tile has another hash")
        if not places:
            within = self._findings.first_within(start, stop)
            detail = f"one of {start} to {stop - 1}" if within is None else "beside what else is wrong there"
            self._findings.add(StoreFault.RECORD_REPLACED, start if within is None else within, detail)

    @property
    def doubtful(self) -> bool:
        """Whether anything waits for a decision."""
        return bool(self._doubts)

    def differing(self, start: int, stop: int) -> list[int]:
        """Take out the leaves of a range whose published hash is another; the others' tiles are wrong."""
        found = [place for place, level in self._tiles_differ if not level and start <= place < stop]
        self._tiles_differ = [each for each in self._tiles_differ if each[1] or not start <= each[0] < stop]
        return found

    def _end(self, hashes: Sequence[bytes | None]) -> None:
        if None in hashes:
            self.known = False
            return
        self._set_aside(self._differ)
        for octets in hashes:
            if octets is not None:
                self._leaves.push(octets)
                self._written.push(octets)

    def _carry(self, level: int, leaves: bytes, written: bytes) -> None:
        """Take the hash of a full subtree upward, as the leaves and as the rows have it."""
        if level == 1:
            self._leaves.push(leaves, _HEIGHT)
            self._written.push(written, _HEIGHT)
        if len(self._levels) < level:
            self._levels.append(([], []))
        row = self._levels[level - 1]
        row[0].append(leaves)
        row[1].append(written)
        if len(row[0]) < WIDTH:
            return
        self._levels[level - 1] = ([], [])
        index = (self._leaves.size >> (level + 1) * _HEIGHT) - 1
        self._join(level + 1, index, *row)

    def _join(self, level: int, index: int, leaves: list[bytes], written: list[bytes]) -> None:
        if self._files is not None:
            self._set_aside(self._files.compare(level - 1, index, _pairs(leaves, written)), level - 1)
        ours, theirs, above = _hash(leaves), _hash(written), self._row(level, index)
        start = index << level * _HEIGHT
        if above is not None:
            self.decide(
                leaves=above == ours,
                written=above == theirs,
                start=start,
                stop=start + (1 << level * _HEIGHT),
            )
            if above not in {ours, theirs}:
                self._doubt(_Doubt(level, index, ()))
        self._carry(level, ours, theirs if above is None else above)

    def _row(self, level: int, index: int) -> bytes | None:
        rows = self._questions.ask(_NODE, (level, index), index << level * _HEIGHT)
        if rows is None:
            return None
        if not rows:
            self._findings.add(StoreFault.NODE_MISSING, index << level * _HEIGHT, f"level {level}")
            return None
        found = rows[0][0]
        if type(found) is not bytes or len(found) != HASH_OCTETS:
            self._findings.add(StoreFault.NODE_CHANGED, index << level * _HEIGHT, f"level {level}: no hash")
            return None
        return found

    def _set_aside(self, places: Sequence[int], level: int = 0) -> None:
        room = max(0, _MOST_DOUBTS - len(self._tiles_differ))
        self._tiles_differ += [(place, level) for place in places[:room]]

    def _doubt(self, doubt: _Doubt) -> None:
        if len(self._doubts) < _MOST_DOUBTS:
            self._doubts.append(doubt)


def _hash(hashes: Sequence[bytes]) -> bytes:
    return grow(0, (), hashes).peaks[0]


def _pairs(leaves: Sequence[bytes], written: Sequence[bytes]) -> list[tuple[bytes | None, bytes | None]]:
    return list(zip(leaves, written, strict=True))
