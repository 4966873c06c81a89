"""Searching the ledger: an index of its own proposes leaves, the ledger itself decides.

The index (`search_file`) is derived from the leaves alone. It is built when it
is absent, damaged or another release's, and built anew when the ledger does
not have the leaf any more that it read last. A hit is shown only after its leaf
was read from the ledger and found to fit: a lying index can hide a leaf until
it is built anew, but never show a wrong one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kokuin.ledger.search_file import DamagedError, SearchFault, SearchRefusedError, opened, remove
from kokuin.ledger.search_query import MOST_US, SEARCHABLE, Order, read_fields, time_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kokuin.ledger.reader import Stored
    from kokuin.ledger.search_file import SearchFile, State
    from kokuin.ledger.search_query import Query

STEP = 20_000
"""Leaves that one step of building reads: well below a second."""

_MOST_LOOKS = 50_000
"""Look-ups that one page may cost; a search that needs more goes on with the next page."""

_PATIENCE_S = 5.0


class LeafReader(Protocol):
    """What searching needs of a ledger: see `kokuin.ledger.reader.LedgerReader`."""

    def size(self) -> int:
        """Return how many leaves are committed."""

    def by_index(self, index: int) -> Stored | None:
        """Return the leaf at an index, or None beyond the end."""

    def walk(self, start: int = 0, stop: int | None = None, *, tokens: bool = True) -> Iterator[Stored]:
        """Yield leaves in order."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How many leaves the index has read, and how many the ledger had when it was asked."""

    leaves: int
    size: int

    @property
    def done(self) -> bool:
        """Whether all are read."""
        return self.leaves >= self.size


@dataclass(frozen=True, slots=True)
class Page:
    """What a search found.

    Attributes:
        hits: leaves that satisfy the query, each as the ledger has it, in the query's order.
        next: the cursor of the next page, empty when there is none. A page that has one may be shorter
            than asked for.
        stale: proposals of the index that the ledger did not confirm.
        leaves: how many leaves the index knew; those after them were not looked at.
    """

    hits: tuple[Stored, ...]
    next: str
    stale: int
    leaves: int


class SearchIndex:
    """The search index of one ledger. Any thread may use it, and any process beside others.

    Nothing is kept open between two calls: each holds the file's lock, and lets go of it.
    """

    def __init__(self, path: Path, patience_s: float = _PATIENCE_S) -> None:
        """Args: the index's file, made when it is absent; for how long others may hold it, seconds."""
        self._path = path
        self._patience_s = patience_s

    def catch_up(self, reader: LeafReader, most: int = STEP) -> Progress:
        """Read leaves that the index has not read yet, `most` of them at most.

        Raises:
            SearchRefusedError: another process holds the index for too long, or it cannot be written.
        """
        try:
            return self._catch_up(reader, most)
        except DamagedError:
            self.forget()
        try:
            return self._catch_up(reader, most)
        except DamagedError as error:
            raise SearchRefusedError(SearchFault.UNUSABLE, str(error)) from error

    def search(self, reader: LeafReader, query: Query) -> Page:
        """Find a page of leaves among those that the index has read.

        A damaged index is removed: the page is empty, as of an index that has read nothing.

        Raises:
            SearchRefusedError: another process holds the index for too long, or it cannot be read.
        """
        try:
            with opened(self._path, self._patience_s) as file:
                return _Search(file, file.state(), reader, query).page()
        except DamagedError:
            self.forget()
            return Page((), "", 0, 0)

    def forget(self) -> None:
        """Remove the index, so that it is built anew.

        Raises:
            SearchRefusedError: another process holds the index for too long, or it cannot be removed.
        """
        remove(self._path, self._patience_s)

    def _catch_up(self, reader: LeafReader, most: int) -> Progress:
        # The lock is held all the while: of two processes that build, each does a step of the same work.
        with opened(self._path, self._patience_s) as file:
            state = file.state()
            if state.leaves:
                stored = reader.by_index(state.leaves - 1)
                if stored is None or stored.leaf_hash != state.last:
                    # A ledger that was recovered or replaced.
                    raise DamagedError
            size = reader.size()
            leaves, last = state.leaves, state.last
            postings: list[tuple[int, int]] = []
            moments: list[tuple[int, int]] = []
            for stored in reader.walk(leaves, min(size, leaves + most), tokens=False):
                fields = read_fields(stored.leaf)
                postings += ((term, stored.index) for term in _terms(state, fields))
                if (at := time_of(fields)) is not None:
                    moments.append((stored.index, at))
                leaves, last = stored.index + 1, stored.leaf_hash
            if leaves > state.leaves:
                file.post(postings, moments, leaves, last)
        return Progress(leaves, size)


def find(index: SearchIndex, reader: LeafReader, query: Query, most: int = STEP) -> Page | Progress:
    """Search an index that knows all leaves; Progress when more than `most` are still to be read.

    Raises:
        SearchRefusedError: another process holds the index for too long, or it cannot be used.
    """
    progress = index.catch_up(reader, most)
    if not progress.done:
        return progress
    page = index.search(reader, query)
    # Damaged, or removed by another process, since it was brought up.
    return page if page.leaves >= progress.leaves else Progress(page.leaves, progress.size)


def _terms(state: State, fields: Mapping[str, object]) -> Iterator[int]:
    for field in SEARCHABLE:
        value = fields.get(field)
        if isinstance(value, str):
            yield state.term(field, value)


class _Search:
    """One page being found."""

    def __init__(self, file: SearchFile, state: State, reader: LeafReader, query: Query) -> None:
        self._file, self._reader, self._query, self._leaves = file, reader, query, state.leaves
        self._terms = [
            tuple(state.term(field, value) for value in values) for field, values in query.wanted().items()
        ]
        self._down = query.order is Order.NEWEST
        self._met: dict[int, int | None] = {}
        self._looks = 0

    def page(self) -> Page:
        """Look at what the index proposes, in order, until the page is full."""
        hits: list[Stored] = []
        stale = 0
        cursor = ""
        for index, agreed in self._proposals():
            if not agreed:
                cursor = self._query.cursor_at(index)
                break
            self._looks += 1
            stored = self._reader.by_index(index)
            if stored is None or not self._query.fits(read_fields(stored.leaf)):
                stale += 1
            elif len(hits) == self._query.limit:
                cursor = self._query.cursor_at(index)
                break
            else:
                hits.append(stored)
        return Page(tuple(hits), cursor, stale, self._leaves)

    def _proposals(self) -> Iterator[tuple[int, bool]]:
        """Yield indices that all conditions propose; with False, the one where looking on was stopped."""
        low, high = self._span()
        at = self._query.position()
        start, stop, step = (high, low, -1) if self._down else (low, high, 1)
        position = start if at is None else min(at, start) if self._down else max(at, start)
        while low <= position <= high:
            met = self._agree(position, stop)
            if met is None:
                return
            yield met, self._looks < _MOST_LOOKS
            position = met + step

    def _agree(self, target: int, stop: int) -> int | None:
        """Return the first index from `target` on that every condition proposes; None: there is none.

        Each condition in turn goes on to where the one before it stands: the rarest sets the pace.
        """
        agreed = turn = 0
        while agreed < len(self._terms) and self._looks < _MOST_LOOKS:
            found = self._first(self._terms[turn], target, stop)
            if found is None:
                return None
            agreed = agreed + 1 if found == target else 1
            target = found
            turn = (turn + 1) % len(self._terms)
        return target

    def _first(self, terms: tuple[int, ...], target: int, stop: int) -> int | None:
        """Return the first index from `target` on that any of the terms has."""
        found = [each for each in (self._seek(term, target, stop) for term in terms) if each is not None]
        return (max if self._down else min)(found, default=None)

    def _seek(self, term: int, target: int, stop: int) -> int | None:
        met = self._met.get(term, -1 if not self._down else target + 1)
        # Still ahead of us, or at its end: a rare term is not looked for again at every step.
        if met is not None and (met > target if self._down else met < target):
            self._looks += 1
            met = self._met[term] = self._file.seek(term, target, stop, down=self._down)
        return met

    def _span(self) -> tuple[int, int]:
        """Return the first and the last index of the query's period; the ledger's times never fall."""
        since, until = self._query.since_us, self._query.until_us
        # A leaf without a time, since it was redacted or damaged, must not hide another: it widens the span.
        low = self._first_at(0 if since is None else since, unknown=MOST_US)
        high = self._leaves if until is None else self._first_at(until, unknown=-1)
        return low, high - 1

    def _first_at(self, moment_us: int, *, unknown: int) -> int:
        low, high = self._file.around(moment_us, self._leaves)
        while low < high:
            middle = (low + high) // 2
            stored = self._reader.by_index(middle)
            at = None if stored is None else time_of(read_fields(stored.leaf))
            if (unknown if at is None else at) < moment_us:
                low = middle + 1
            else:
                high = middle
        return low
