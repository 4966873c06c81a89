"""The records of a bundle against its tree, chunk by chunk, and their tokens against them."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from kokuin.ledger.bundle_form import BundleFault
from kokuin.ledger.findings import Finding, LedgerFault
from kokuin.ledger.leaf import leaf_hash
from kokuin.ledger.tree import MAX_SIZE, Builder
from kokuin.wire.cms import read_signed_data
from kokuin.wire.errors import WireError
from kokuin.wire.token_form import bare_token
from kokuin.wire.tsp import read_tst_info

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from kokuin.ledger.bundle_read import HashLine, RecordLine
    from kokuin.ledger.record_rules import RecordRules

_MOST_GAPS = 1000
"""Missing records that are remembered, to tell a swapped one from an inserted one."""
MOST_RUNS = 1000
"""Runs of records that a verdict lists."""


class Run(NamedTuple):
    """Consecutive records, `start` up to before `stop`, without any hash between them."""

    start: int
    stop: int


class TreeWalk:
    """Puts hashes and records into the tree in the order of their indexes, and names what breaks it.

    Attributes:
        at: index that must come next.
        whole: whether everything before it came.
        records: how many.
        runs: the first `MOST_RUNS` runs of records.
        more_runs: how many runs there are beyond them.
        hidden: leaves of the promised range that were given as hashes.
        first_hidden: index of the first of them, None without any.
        roots: root over the first m leaves, for each m that was asked for and could be computed.
    """

    def __init__(
        self, size: int, promised: range, marks: Iterable[int], tell: Callable[[Finding], None]
    ) -> None:
        """Args: leaves of the tree; which shall be records; where roots are wanted; who is told."""
        self._size = size
        self._promised = promised
        self._marks = frozenset(marks)
        self._tell = tell
        self._builder = Builder()
        self._gaps: dict[int, Finding] = {}
        self._gap_stops: dict[int, int] = {}
        self._last_was_record = False
        self._run_stop = 0
        self.at = 0
        self.whole = True
        self.records = 0
        self.runs: list[Run] = []
        self.more_runs = 0
        self.hidden = 0
        self.first_hidden: int | None = None
        self.roots: dict[int, bytes] = {}

    def chunk(self, hashes: Iterator[HashLine], records: Iterable[RecordLine]) -> Iterator[RecordLine]:
        """Take a chunk and yield its records, those at wrong places left out."""
        pending = next(hashes, None)
        for record in records:
            while pending is not None and pending.start < record.index:
                self._hash(pending)
                pending = next(hashes, None)
            if self._record(record):
                yield record
        while pending is not None:
            self._hash(pending)
            pending = next(hashes, None)

    def finish(self) -> bytes | None:
        """Return the root; None when something is missing or too much, which was told."""
        if self.at < self._size:
            fault = LedgerFault.RECORD_MISSING if self._last_was_record else BundleFault.HASH_MISSING
            self._gap(Finding(fault, self.at, f"nothing up to {self._size}"), self._size)
        for finding in self._gaps.values():
            self._tell(finding)
        return self._builder.root() if self.whole else None

    def _hash(self, line: HashLine) -> None:
        stop = line.start + (1 << line.height)
        if line.start < self.at:
            known = self._gap_stops.get(line.start, 0) >= stop
            if known:
                self._gaps.pop(line.start, None)
            self._wrong(BundleFault.HASH_SWAPPED if known else BundleFault.HASH_INSERTED, line.start)
            return
        if stop > self._size or stop > MAX_SIZE:
            self._wrong(BundleFault.HASH_INSERTED, line.start, "beyond the checkpoint")
            return
        self._reach(line.start, is_record=False)
        if self.whole:
            try:
                self._builder.push(line.octets, line.height)
            except ValueError as error:
                self._wrong(BundleFault.HASH_FORM, line.start, str(error))
        self._advance(stop, is_record=False)
        hidden = range(max(line.start, self._promised.start), min(stop, self._promised.stop))
        if hidden:
            self.hidden += len(hidden)
            self.first_hidden = hidden.start if self.first_hidden is None else self.first_hidden

    def _record(self, line: RecordLine) -> bool:
        if line.index < self.at:
            known = self._gaps.pop(line.index, None) is not None
            self._wrong(LedgerFault.RECORD_SWAPPED if known else LedgerFault.RECORD_INSERTED, line.index)
            return False
        if line.index >= self._size:
            self._wrong(LedgerFault.RECORD_INSERTED, line.index, "beyond the checkpoint")
            return False
        self._reach(line.index, is_record=True)
        if self.whole:
            self._builder.push(leaf_hash(line.leaf))
        self._run(line.index)
        self._advance(line.index + 1, is_record=True)
        return True

    def _run(self, index: int) -> None:
        """Count a record, and let it go on the last run or begin another."""
        goes_on = self._last_was_record and index == self._run_stop
        self._run_stop = index + 1
        self.records += 1
        if goes_on and not self.more_runs:
            self.runs[-1] = Run(self.runs[-1].start, index + 1)
        elif not goes_on and len(self.runs) < MOST_RUNS:
            self.runs.append(Run(index, index + 1))
        elif not goes_on:
            self.more_runs += 1

    def _reach(self, start: int, *, is_record: bool) -> None:
        """Tell of a gap before `start`."""
        if start == self.at:
            return
        # A record is one leaf; what is wider between hashes was one.
        record = start - self.at == 1 or (is_record and self._last_was_record)
        fault = LedgerFault.RECORD_MISSING if record else BundleFault.HASH_MISSING
        detail = "" if start - self.at == 1 else f"and up to {start - 1}"
        self._gap(Finding(fault, self.at, detail), start)

    def _gap(self, finding: Finding, stop: int) -> None:
        self.whole = False
        if len(self._gaps) >= _MOST_GAPS or finding.index is None:
            self._tell(finding)
            return
        self._gaps[finding.index] = finding
        self._gap_stops[finding.index] = stop

    def _wrong(self, fault: LedgerFault | BundleFault, index: int, detail: str = "") -> None:
        self.whole = False
        self._tell(Finding(fault, index, detail))

    def _advance(self, stop: int, *, is_record: bool) -> None:
        self.at = stop
        self._last_was_record = is_record
        if self.whole and stop in self._marks:
            self.roots[stop] = self._builder.root()


@dataclass(frozen=True, slots=True)
class _Kept:
    """A record of the chunk under check, with its fields where it is a leaf."""

    index: int
    leaf: bytes
    fields: Mapping[str, Any] | None


class ChunkRecords:
    """The records of one chunk, each to be joined with its token and shown to the visitor."""

    def __init__(
        self,
        rules: RecordRules,
        visit: Callable[[int, bytes, Mapping[str, Any], bytes | None], None] | None,
        tell: Callable[[Finding], None],
    ) -> None:
        """Args: what judges records; who is shown them, in their order; who is told what is wrong."""
        self._rules = rules
        self._visit = visit
        self._tell = tell
        self._kept: list[_Kept] = []
        self._by_digest: dict[str, int] = {}
        self._by_serial: dict[str, int] = {}
        self._cursor = 0
        self._missing: dict[int, Finding] = {}
        self._strays = 0

    def add(self, line: RecordLine) -> None:
        """Take the next record, and judge its leaf."""
        fields, findings = self._rules.leaf(line.index, line.leaf)
        for finding in findings:
            self._tell(finding)
        if fields is not None and isinstance(fields.get("tok"), str):
            # The first: the record of a stamp by a second unit names a token that is another record's.
            self._by_digest.setdefault(fields["tok"], len(self._kept))
            if isinstance(fields.get("serial"), str):
                self._by_serial[fields["serial"]] = len(self._kept)
        self._kept.append(_Kept(line.index, line.leaf, fields))

    def fields(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield index and fields of each record that is one."""
        return ((kept.index, kept.fields) for kept in self._kept if kept.fields is not None)

    def join(self, tokens: Iterable[bytes]) -> None:
        """Give the tokens, as they come, to the records.

        Raises:
            BundleError: as reading the tokens does; the records that are left were shown without theirs.
        """
        complete = False
        try:
            for token in tokens:
                self._take(token)
            complete = True
        finally:
            self._pass(len(self._kept))
            if complete:
                for finding in self._missing.values():
                    self._tell(finding)
            for _stray in range(self._strays):
                self._tell(Finding(LedgerFault.TOKEN_INSERTED, None, "no record of its chunk names it"))

    def _take(self, token: bytes) -> None:
        at = self._place(token)
        if at is None:
            self._strays += 1
        elif at < self._cursor:
            known = self._missing.pop(at, None) is not None
            fault = LedgerFault.TOKEN_SWAPPED if known else LedgerFault.TOKEN_INSERTED
            self._tell(Finding(fault, self._kept[at].index, "" if known else "once more"))
        else:
            self._pass(at)
            self._show(at, token)

    def _place(self, token: bytes) -> int | None:
        """Return which record a token belongs to: by its hash, or, of a changed one, by its serial number."""
        at = self._by_digest.get(sha256(token).hexdigest())
        if at is not None:
            return at
        try:
            at = self._by_digest.get(sha256(bare_token(token)).hexdigest())
            if at is None:
                serial = f"{read_tst_info(read_signed_data(token).content or b'').serial:x}"
                at = self._by_serial.get(serial)
        except WireError:
            return None
        return at

    def _pass(self, stop: int) -> None:
        """Show the records up to `stop` without a token."""
        while self._cursor < stop:
            self._show(self._cursor, None)

    def _show(self, at: int, token: bytes | None) -> None:
        kept = self._kept[at]
        self._cursor = at + 1
        if kept.fields is None:
            return
        findings = self._rules.token(kept.index, kept.fields, token)
        if token is None and findings and self._strays:
            # What stood here in its place is no token of any record: this one, changed beyond recognition.
            self._strays -= 1
            findings = [Finding(LedgerFault.TOKEN_CHANGED, kept.index, "beyond recognition")]
        elif token is None and findings:
            self._missing[at] = findings.pop()
        for finding in findings:
            self._tell(finding)
        if self._visit is not None:
            changed = any(finding.code is LedgerFault.TOKEN_CHANGED for finding in findings)
            self._visit(kept.index, kept.leaf, kept.fields, None if changed else token)
