"""The check of a whole store: every record, row and published file, from the first to where the ledger ends.

A writer may be at work. The head is read first and what lies below it is
checked, in transactions of a tile's length; what the head counts is asked in
the same statement as the head. Nothing is written.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.ledger.findings import Finding, LedgerFault
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store_ends import LAST, Ends, check_counts, check_ends, check_head, settle_size
from kokuin.ledger.store_faults import StoreFault
from kokuin.ledger.store_findings import OF_THE_TREE, Findings, Questions
from kokuin.ledger.store_folder import TileFiles
from kokuin.ledger.store_memory import MemoryWatch
from kokuin.ledger.store_records import RecordWatch
from kokuin.ledger.store_tree import TreeWatch
from kokuin.ledger.store_vouchers import VoucherWatch
from kokuin.ledger.tiles import WIDTH
from kokuin.ledger.tree import EMPTY_ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.ledger.checkpoint import Checkpoint
    from kokuin.ledger.log_keys import LogVerifier
    from kokuin.ledger.store_findings import Rows

_TABLES = (
    "entry",
    "token",
    "head",
    "node",
    "checkpoint",
    "cosignature",
    "stamp",
    "side",
    "ix",
    "unit_high",
    "alembic_version",
)
_HEIGHT = 8


@dataclass(frozen=True, slots=True)
class StoreVerdict:
    """What a check of a store found.

    Attributes:
        size: how many records the ledger has.
        root: of the tree over them; None when hashes are missing.
        records: how many of them have their octets.
        gone: how many have none left, because their retention is over.
        tokens: how many tokens stand beside them.
        checkpoints: how many are kept.
        seals: how many epochs' seals were held against the leaves that they seal.
        seals_open: how many could not be, because leaves of their epochs are gone.
        findings: by index, of one index the likelier cause first; at most `MOST_FINDINGS` of a name.
        count: how many findings there are.
        signatures: whether those of the log were verified.
        published: whether there was a published folder to compare with.
        remembered: whether the high-water file was there, or nothing was published that it must remember.
        opened: whether the database could be opened; else nothing but this is known.
    """

    size: int
    root: bytes | None
    records: int
    gone: int
    tokens: int
    checkpoints: int
    seals: int
    seals_open: int
    findings: tuple[Finding, ...]
    count: int
    signatures: bool
    published: bool
    remembered: bool = True
    opened: bool = True

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.count


def unreadable(detail: str) -> StoreVerdict:
    """Return the verdict on a store that is no readable ledger."""
    finding = Finding(StoreFault.DATABASE_UNREADABLE, None, detail)
    return StoreVerdict(
        0, None, 0, 0, 0, 0, 0, 0, (finding,), 1, signatures=False, published=False, opened=False
    )


def check_store(  # noqa: PLR0913  # the store, what it is checked with, and who watches
    reader: Rows,
    logs: LogVerifier | None,
    published: Path | None,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    since: Checkpoint | None = None,
    memory: Path | None = None,
    now_us: int | None = None,
) -> StoreVerdict:
    """Check a store, whether or not somebody writes to it.

    Args:
        reader: of the store.
        logs: the log's keys; None: the signatures of its checkpoints are not asked.
        published: the folder with its checkpoint and tiles; None: there is none to compare with.
        on_progress: told after every tile how many records of how many are done.
        since: a checkpoint that was verified before; the store must begin with its records.
        memory: the high-water file; None: there is none to compare with.
        now_us: the time, microseconds since 1970 UTC; None: by the machine's clock.
    """
    check = _StoreCheck(reader, logs, published, since, memory)
    return check.run(on_progress, time.time_ns() // 1_000 if now_us is None else now_us)


class _StoreCheck:
    def __init__(
        self,
        reader: Rows,
        logs: LogVerifier | None,
        published: Path | None,
        since: Checkpoint | None,
        memory: Path | None,
    ) -> None:
        self._logs, self._since = logs, since
        self._findings = Findings()
        self._questions = Questions(reader, self._findings)
        self._memory = MemoryWatch(self._findings, logs)
        self._vouchers = VoucherWatch(self._questions, self._findings, logs)
        self._alone = isinstance(reader, LedgerReader)
        if self._alone:
            self._vouchers.expect_published()
        # Read before the head: what was remembered or published must lie below it.
        if memory is not None:
            self._memory.file(memory)
        self._files = None if published is None else TileFiles(published, self._findings)
        self._tree = TreeWatch(self._questions, self._findings, self._files)
        self._records = RecordWatch(self._questions, self._findings)
        self._roots: dict[int, bytes] = {}

    def run(self, on_progress: Callable[[int, int], None] | None, now_us: int) -> StoreVerdict:
        self._file()
        ends = Ends.read(self._questions, self._findings)
        size = settle_size(self._questions, self._findings, ends)
        self._published()
        stop = min(size, ends.stop)
        self._records.expect_seals(stop)
        self._walk(size, stop, on_progress)
        self._serials(stop)
        self._records.close(stop)
        if ends.size is not None:
            check_head(ends, size, self._roots.get(size), self._tree, self._findings)
            check_counts(ends, self._records.seen, self._findings, now_us)
        # Before the roots that others remember are compared: where records are wrong these differ for it.
        self._tree.close()
        self._since_then(size)
        self._vouchers.orphans()
        # Records that lie beyond an older head are there: then it is the head that was put back.
        self._memory.judge(max(size, ends.stop), self._roots)
        check_ends(self._questions, self._findings, ends, size)
        if self._files is not None:
            self._strange(self._files, size)
        return self._verdict(size)

    def _file(self) -> None:
        """Ask SQLite whether its file is as it wrote it; a table at a time, so that no reading is long."""
        if not self._alone:
            return
        for table in _TABLES:
            for row in self._questions.ask(f"PRAGMA integrity_check({table})") or ():
                if row[0] != "ok":
                    self._findings.add(StoreFault.DATABASE_DAMAGED, None, f"{table}: {row[0]}")
                    break

    def _published(self) -> None:
        if self._files is None:
            return
        if self._files.checkpoint is None:
            self._vouchers.unpublished()
        else:
            self._memory.published(self._files.checkpoint)
            self._files.expected = self._vouchers.published(self._files.checkpoint)

    def _walk(self, size: int, end: int, on_progress: Callable[[int, int], None] | None) -> None:
        start = 0
        watched = {size, 0 if self._since is None else self._since.size, *self._memory.sizes}
        while start < end:
            stop = min(start + WIDTH, end)
            tile = self._records.tile(start, stop)
            if tile is None:
                following = self._records.next_after(start)
                stop = end if following is None or following >= end else following - following % WIDTH
                self._gap(start, stop)
            else:
                hashes = self._tree.filled(start // WIDTH, tile.hashes, tile.own)
                roots = self._vouchers.kept(start, stop)
                self._vouchers.require_vouched(self._records.seen.vouched)
                wanted = {size for size in watched if start < size <= stop}
                found = self._tree.roots(hashes, sorted({*roots, *wanted}))
                self._tree.add(start // WIDTH, hashes, tile.own)
                self._vouchers.compare(roots, found, self._tree)
                self._roots |= {size: found[size] for size in wanted if size in found}
            if on_progress is not None:
                on_progress(stop, end)
            start = stop

    def _gap(self, start: int, stop: int) -> None:
        """Pass over tiles without any record, on the hashes of the tree as far as it has them."""
        self._records.missing(start, stop)
        while start < stop and self._tree.known:
            self._tree.add(start // WIDTH, [None] * min(WIDTH, stop - start), {})
            start += WIDTH

    def _serials(self, end: int) -> None:
        look = self._records.rules.second_look()
        if look is None:
            return
        for start in range(0, end, WIDTH):
            for index, serial in self._records.serials(start, min(start + WIDTH, end)):
                first = look.first_of(serial, index)
                if first is not None:
                    self._findings.add(LedgerFault.SERIAL_TWICE, index, f"first at {first}")

    def _since_then(self, size: int) -> None:
        since = self._since
        if since is None:
            return
        root = EMPTY_ROOT if since.size == 0 else self._roots.get(since.size)
        if since.size > size:
            self._findings.add(StoreFault.SINCE_BEYOND, size, f"it has {since.size}, the store {size}")
        elif root is not None and root != since.root:
            within = self._findings.first_within(0, since.size, OF_THE_TREE)
            self._findings.add(StoreFault.SINCE_ROOT, within or 0, f"one of 0 to {since.size - 1}")

    def _strange(self, files: TileFiles, size: int) -> None:
        tiles = list(files.strange())
        # Asked only now: what the keeper published meanwhile lies below the last record of this moment.
        last = self._questions.one(LAST)
        size = max(size, last + 1 if type(last) is int else 0)
        for tile in tiles:
            if tile.stop << tile.level * _HEIGHT > size:
                index = tile.start << tile.level * _HEIGHT
                self._findings.add(StoreFault.TILE_INSERTED, index, tile.path)
            elif tile.level == 0 and tile.width < WIDTH:
                self._vouchers.require_kept(tile.stop, f"of which there is {tile.path}")

    def _verdict(self, size: int) -> StoreVerdict:
        seen = self._records.seen
        return StoreVerdict(
            size,
            self._roots.get(size, EMPTY_ROOT if size == 0 else None),
            seen.records,
            seen.gone,
            seen.tokens,
            self._vouchers.checkpoints,
            self._records.seals.held,
            self._records.seals.open,
            self._findings.ordered(),
            self._findings.count,
            signatures=self._logs is not None,
            published=self._files is not None,
            remembered=not self._memory.gap,
        )
