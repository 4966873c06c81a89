"""Checking an export bundle with nothing but the log's public keys: whatever its octets, there is a verdict.

Memory is bounded: one chunk, eight octets a record, and what earlier
checkpoints and time-stamps need. Nothing in the bundle is believed before the
checkpoint's signatures were verified, and the records count as the log's only
when they, with the hashes between them, make the checkpoint's root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from kokuin.ledger.bundle_chunk import ChunkRecords, TreeWalk
from kokuin.ledger.bundle_form import CHUNK_RECORDS, FIRST, BundleFault, Part, Place, Rank
from kokuin.ledger.bundle_manifest import Manifest, Scope, epoch_of, read_manifest
from kokuin.ledger.bundle_material import read_certificates, read_revocation
from kokuin.ledger.bundle_read import (
    RECORD_LINE,
    BundleReader,
    read_hash_lines,
    read_record_line,
    read_records_again,
)
from kokuin.ledger.bundle_tar import BLOCK, BundleError
from kokuin.ledger.bundle_verdict import BundleVerdict, Tally
from kokuin.ledger.bundle_vouching import Vouching
from kokuin.ledger.epoch_seals import SealRoots, SealWatch
from kokuin.ledger.findings import Finding, LedgerFault
from kokuin.ledger.leaf import LeafError, read_leaf
from kokuin.ledger.record_rules import RecordRules
from kokuin.ledger.recoveries import MOST_RECOVERIES, read_recovery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from kokuin.ledger.bundle_read import RecordLine
    from kokuin.ledger.checkpoint import SignedCheckpoint
    from kokuin.ledger.log_keys import LogVerifier
    from kokuin.ledger.recoveries import Recovery
    from kokuin.ledger.serials import SecondLook
    from kokuin.ledger.witness_policy import WitnessPolicy

T = TypeVar("T")


class SeekableSource(Protocol):
    """The octets of a bundle; gone through again where serial numbers look alike, or epochs were sealed."""

    def read(self, size: int, /) -> bytes:
        """Return the next octets, fewer than asked for only at the end."""

    def seek(self, offset: int, /) -> object:
        """Go to an offset; only 0 is asked for."""


def check_bundle(  # noqa: PLR0913 - what is checked, against what, and who looks on
    stream: SeekableSource,
    logs: LogVerifier,
    *,
    witnesses: WitnessPolicy | None = None,
    since: SignedCheckpoint | None = None,
    visit: Callable[[int, bytes, Mapping[str, Any], bytes | None], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> BundleVerdict:
    """Check a bundle from front to back.

    Args:
        stream: its octets, from the beginning; `BundleError` that it raises becomes a finding.
        logs: the log's keys, which the auditor has from elsewhere.
        witnesses: which witnesses must have signed the checkpoint; None: none need to.
        since: a checkpoint that the auditor saved (verified with `logs`) and that the log must begin with.
        visit: shown every record (index, leaf, fields, the token where it is the one that the leaf names)
            in order. What it is shown counts only when the verdict says so at the end.
        on_progress: told after every chunk how many leaves are done, and of how many.

    Raises:
        What `stream` raises other than `BundleError`, and what the callbacks raise.
    """
    return _Check(stream, logs, witnesses, since, visit, on_progress).run()


class _Check:
    """One run through a bundle."""

    def __init__(  # noqa: PLR0913, PLR0917 - as `check_bundle`
        self,
        stream: SeekableSource,
        logs: LogVerifier,
        witnesses: WitnessPolicy | None,
        since: SignedCheckpoint | None,
        visit: Callable[[int, bytes, Mapping[str, Any], bytes | None], None] | None,
        on_progress: Callable[[int, int], None] | None,
    ) -> None:
        self._stream = stream
        self._visit = visit
        self._on_progress = on_progress
        self._tally = Tally()
        self._tell = self._tally.tell
        self._reader = BundleReader(stream, self._tell)
        self._vouching = Vouching(logs, witnesses, since, self._tell)
        self._manifest: Manifest | None = None
        self._certificates: tuple[bytes, ...] = ()
        self._revocation = b""
        self._rules = RecordRules()
        self._seals = SealWatch(self._tell)
        self._recoveries: list[Recovery] = []
        self._believed: tuple[Recovery, ...] = ()
        self._walk: TreeWalk | None = None
        self._hashes = b""
        self._chunk = ChunkRecords(self._rules, None, self._tell)
        self._chunks = 0

    def run(self) -> BundleVerdict:
        """Go through the bundle and return the verdict."""
        whole = False
        try:
            for place in self._reader.places():
                if place.rank > Rank.CHECKPOINT and self._vouching.signed is None:
                    # Without a checkpoint there is nothing that anything else could be held against.
                    break
                self._member(place)
            else:
                whole = self._vouching.signed is not None
        except BundleError as error:
            strange = self._reader.at <= BLOCK and self._is_strange()
            self._tell(Finding(BundleFault.STRANGE if strange else error.fault, None, error.detail))
        self._reader.tell_missing()
        if whole:
            self._finish()
        return self._verdict()

    def _is_strange(self) -> bool:
        """Say whether octets whose first header is none begin as no bundle does, not even a cut one."""
        try:
            self._stream.seek(0)
            return not FIRST.startswith(self._stream.read(len(FIRST)))
        except BundleError:
            return False  # the sealed form is wrong: what is within is unknown

    def _member(self, place: Place) -> None:
        match place.rank:
            case Rank.MANIFEST:
                self._manifest = self._told(read_manifest, BundleFault.MANIFEST_FORM)
            case Rank.CHECKPOINT:
                self._vouching.checkpoint(self._reader.whole())
            case Rank.HISTORY:
                self._vouching.history(place.major, self._reader.whole())
            case Rank.STAMP:
                self._vouching.stamp(place.major, self._reader.whole())
            case Rank.CERTIFICATES:
                self._certificates = self._told(read_certificates, BundleFault.CERTIFICATES_UNREADABLE) or ()
            case Rank.REVOCATION:
                self._revocation = self._told(read_revocation, BundleFault.REVOCATION_UNREADABLE) or b""
            case Rank.CHUNK:
                self._part(place)

    def _told(self, read: Callable[[bytes], T | None], fault: BundleFault) -> T | None:
        found = read(self._reader.whole())
        if found is None:
            self._tell(Finding(fault))
        return found

    def _part(self, place: Place) -> None:
        if self._walk is None:
            self._walk = TreeWalk(self._vouching.size, self._promised(), self._vouching.marks(), self._tell)
            self._rules = RecordRules(self._certificates)
        if place.minor == Part.HASHES:
            self._hashes = self._reader.whole()
        elif place.minor == Part.RECORDS:
            self._records(self._walk)
            self._hashes = b""
        else:
            self._tokens()
            if self._on_progress is not None:
                self._on_progress(self._walk.at, self._vouching.size)

    def _records(self, walk: TreeWalk) -> None:
        self._chunks += 1
        self._chunk = chunk = ChunkRecords(self._rules, self._visit, self._tell)
        for line in walk.chunk(read_hash_lines(self._hashes, self._tell), self._record_lines()):
            chunk.add(line)
        scope = self._scope()
        for index, fields in chunk.fields():
            self._seals.record(index, fields)
            recovery = read_recovery(index, fields)
            if recovery is not None and len(self._recoveries) < MOST_RECOVERIES:
                self._recoveries.append(recovery)
            if (scope.kind == "range" and not scope.start <= index < scope.stop) or (
                scope.kind == "selection" and fields.get(scope.by) != scope.value
            ):
                self._tell(Finding(BundleFault.RECORD_OUTSIDE, index))

    def _record_lines(self) -> Iterator[RecordLine]:
        for count, octets in enumerate(self._reader.lines(RECORD_LINE)):
            if count == CHUNK_RECORDS:
                raise BundleError(BundleFault.LIMIT, f"more than {CHUNK_RECORDS} records in a chunk")
            line = read_record_line(octets)
            if line is None:
                self._tell(Finding(BundleFault.LINE_FORM, None, ascii(octets[:40])))
            else:
                yield line

    def _tokens(self) -> None:
        try:
            self._chunk.join(self._reader.tokens())
        except BundleError as error:
            if error.fault is not BundleFault.TOKENS_UNREADABLE:
                raise
            self._tell(Finding(error.fault, None, error.detail))

    def _scope(self) -> Scope:
        return Scope() if self._manifest is None else self._manifest.scope

    def _promised(self) -> range:
        scope = self._scope()
        everything = scope.kind == "all" and self._manifest is not None
        return range(self._vouching.size) if everything else range(scope.start, scope.stop)

    def _finish(self) -> None:
        walk = self._walk
        if walk is None:
            return
        root, wanted = walk.finish(), self._vouching.checkpoint_of().root
        if root is not None and root != wanted:
            self._tell(Finding(BundleFault.ROOT_DIFFERS, None, self._vouching.localise(walk.roots)))
        if walk.hidden:
            self._tell(Finding(BundleFault.RECORDS_HIDDEN, walk.first_hidden, f"{walk.hidden} leaves"))
        self._believed = tuple(self._recoveries) if root == wanted else ()
        self._vouching.judge_since(walk.roots if root == wanted else {}, self._believed)
        look = self._rules.second_look()
        if look is not None:
            for line in self._again():
                self._look_at(look, line)
        self._seals.compare(self._seal_roots() if root == wanted else {})
        if self._manifest is not None:
            self._compare(self._manifest, walk)

    def _compare(self, manifest: Manifest, walk: TreeWalk) -> None:
        checkpoint = self._vouching.checkpoint_of()
        found = {
            "origin": checkpoint.origin,
            "epoch": epoch_of(checkpoint.origin),
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "chunks": self._chunks,
            "records": walk.records,
            "history": self._vouching.found_history,
            "stamps": self._vouching.found_stamps,
        }
        for name, value in found.items():
            if getattr(manifest, name) != value:
                self._tell(Finding(BundleFault.MANIFEST_DIFFERS, None, f"{name}: {value}"))

    def _seal_roots(self) -> Mapping[tuple[int, int], Mapping[str, str]]:
        """Return the roots over the epochs that are there from their first leaf to their last."""
        roots = SealRoots(self._seals.seals)
        if self._seals.seals:
            for line in self._again():
                roots.push(line.index, line.leaf)
        return roots.found

    def _again(self) -> Iterator[RecordLine]:
        """Go through the records once more, with what only their end has told."""
        self._stream.seek(0)
        return read_records_again(self._stream)

    def _look_at(self, look: SecondLook, line: RecordLine) -> None:
        try:
            serial = read_leaf(line.leaf).get("serial")
        except LeafError:
            return
        first = look.first_of(serial, line.index) if isinstance(serial, str) else None
        if first is not None:
            self._tell(Finding(LedgerFault.SERIAL_TWICE, line.index, f"{serial}, also at {first}"))

    def _verdict(self) -> BundleVerdict:
        walk, vouching = self._walk, self._vouching
        return BundleVerdict(
            self._tally.indication,
            self._tally.findings,
            self._tally.more,
            vouching.signed,
            vouching.cosigners,
            self._manifest,
            0 if walk is None else walk.records,
            () if walk is None else tuple(walk.runs),
            0 if walk is None else walk.more_runs,
            0 if walk is None else walk.hidden,
            tuple(vouching.earlier.values()),
            tuple(vouching.stamps),
            self._seals.held,
            self._seals.open,
            vouching.since_holds,
            self._believed,
            vouching.lost,
            self._certificates,
            self._revocation,
        )
