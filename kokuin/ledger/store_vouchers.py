"""What was published of a store and who vouches for it, checked: checkpoints, cosignatures, time-stamps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kokuin.ledger.checkpoint import SignedCheckpoint, read_checkpoint, verify_line
from kokuin.ledger.note import Note, VerifierKey, read_lines
from kokuin.ledger.note_faults import NoteError, NoteFault
from kokuin.ledger.store_faults import StoreFault
from kokuin.ledger.store_findings import OF_THE_TREE
from kokuin.trust.anchors import TrustStore
from kokuin.trust.context import Context
from kokuin.trust.judge import judge_token
from kokuin.trust.report import Status
from kokuin.trust.rules import (
    ALGORITHM_PROTECTION,
    IMPRINT,
    MESSAGE_DIGEST,
    SIGNATURE,
    SIGNED_CONTENT_TYPE,
    SIGNER,
    VERSIONS,
)
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.ber import definite
from kokuin.wire.errors import WireError
from kokuin.wire.prescan import TOKEN_LIMITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.ledger.log_keys import LogVerifier
    from kokuin.ledger.store_findings import Findings, Questions
    from kokuin.ledger.store_tree import TreeWatch

_CHECKPOINTS = "SELECT size, root, note, at FROM checkpoint WHERE size > ? AND size <= ? ORDER BY size"
_COSIGNATURES = (
    "SELECT size, signer, line FROM cosignature WHERE size > ? AND size <= ? ORDER BY size, signer"
)
_STAMPS = "SELECT size, signer, der, at FROM stamp WHERE size > ? AND size <= ? ORDER BY size, signer"
_ORPHANS = tuple(
    f"SELECT DISTINCT {table}.size FROM {table} LEFT JOIN checkpoint ON checkpoint.size = {table}.size"  # noqa: S608 - constants
    f" WHERE checkpoint.size IS NULL ORDER BY {table}.size LIMIT 16"
    for table in ("cosignature", "stamp")
)
_KEPT = "SELECT note FROM checkpoint WHERE size = ?"
_IS_KEPT = "SELECT count(*) FROM checkpoint WHERE size = ?"
_LAST_BUT_ONE = "SELECT size FROM checkpoint ORDER BY size DESC LIMIT 1 OFFSET 1"
_SIGNERS = "SELECT signer FROM cosignature WHERE size = ?"
_LINES = "SELECT line FROM cosignature WHERE size = ?"
# One statement, so that a writer beside us cannot move the head between its two halves.
_BEYOND = (
    "SELECT checkpoint.size, head.size FROM checkpoint JOIN head ON head.id = 1"
    " WHERE checkpoint.size > head.size ORDER BY checkpoint.size LIMIT 16"
)
_BINDING = (VERSIONS, SIGNED_CONTENT_TYPE, MESSAGE_DIGEST, ALGORITHM_PROTECTION, IMPRINT, SIGNER, SIGNATURE)
"""What ties a token's octets to the note and to its signer, whoever that is."""
_CHECKPOINT_ROW = (int, bytes, bytes, int)


class VoucherWatch:
    """Checks the rows about checkpoints, in the order of their sizes.

    Attributes:
        checkpoints: how many were looked at.
    """

    def __init__(self, questions: Questions, findings: Findings, logs: LogVerifier | None) -> None:
        """Args: the store; where findings go; the log's keys, None: signatures are not asked."""
        self._questions, self._findings, self._logs = questions, findings, logs
        self._good: dict[int, SignedCheckpoint] = {}
        self._last_good = 0
        self._said = False
        self._due: int | None = None
        self.checkpoints = 0

    def expect_published(self) -> None:
        """Remember what must be published by now; to be called before the published checkpoint is read.

        Only for a store with one keeper: it publishes each checkpoint before it signs the next, but for one
        that a crash left between. Of several nodes each publishes what it finds, at its next turn.
        """
        self._due = self._questions.one(_LAST_BUT_ONE)

    def kept(self, start: int, stop: int) -> dict[int, bytes]:
        """Check the kept checkpoints above `start` and up to `stop` leaves, and return the root of each."""
        self._good = {}
        roots = {}
        for row in self._questions.ask(_CHECKPOINTS, (start, stop), start) or ():
            self.checkpoints += 1
            if tuple(map(type, row)) != _CHECKPOINT_ROW:
                self._findings.add(StoreFault.CHECKPOINT_CHANGED, None, f"size {row[0]}: no checkpoint")
                continue
            signed = self._read(*row)
            if signed is not None:
                self._good[row[0]] = signed
                roots[row[0]] = row[1]
        self._cosignatures(start, stop)
        self._stamps(start, stop)
        return roots

    def compare(self, roots: Mapping[int, bytes], found: Mapping[int, bytes], tree: TreeWatch) -> None:
        """Compare the roots of kept checkpoints with those of the tree, as far as it has them."""
        for size, root in roots.items():
            if found.get(size) == root:
                self._last_good, self._said = size, False
                tree.sound_to = max(tree.sound_to, size)
            elif size in found and not self._said:
                self._differs(size, tree)

    def _differs(self, size: int, tree: TreeWatch) -> None:
        start = self._last_good
        if tree.doubtful or self._findings.first_within(0, size, OF_THE_TREE) is not None:
            return  # explained already, or about to be
        self._said = True  # those after it begin with the same records
        places = tree.differing(start, size)
        if places:
            tree.replaced(start, size, places)
            return
        within = self._findings.first_within(start, size)
        detail = f"size {size}; the last that fits has {start}"
        self._findings.add(StoreFault.CHECKPOINT_ROOT, start if within is None else within, detail)

    def orphans(self) -> None:
        """Note what vouches for a checkpoint that is not kept, and checkpoints beyond the end."""
        for statement in _ORPHANS:
            for row in self._questions.ask(statement) or ():
                self._findings.add(
                    StoreFault.CHECKPOINT_MISSING, None, f"size {row[0]}, which is vouched for"
                )
        for size, end in self._questions.ask(_BEYOND) or ():
            self._findings.add(StoreFault.CHECKPOINT_BEYOND, end, f"size {size}, of {end} records")

    def require_kept(self, size: int, why: str) -> None:
        """Note that the checkpoint of a size should be kept, if it is not."""
        if self._questions.one(_IS_KEPT, (size,)) == 0:
            self._findings.add(StoreFault.CHECKPOINT_MISSING, None, f"size {size}, {why}")

    def require_vouched(self, told: list[tuple[int, list[str]]]) -> None:
        """Note what records say of checkpoints and is not kept: it is kept before they are written.

        Args:
            told: sizes and the names of witnesses' keys, as their lines begin; emptied.
        """
        while told:
            size, names = told.pop()
            self.require_kept(size, "of which a record speaks")
            if names:
                kept = [str(row[0]) for row in self._questions.ask(_SIGNERS, (size,)) or ()]
                for name in names:
                    if not any(signer.startswith(f"{name}+") for signer in kept):
                        self._findings.add(StoreFault.COSIGNATURE_MISSING, None, f"size {size}: {name}")

    def published(self, octets: bytes) -> int:
        """Check the published checkpoint; return its size, 0 when it is none."""
        try:
            signed = read_checkpoint(octets) if self._logs is None else self._logs.check(octets)
        except NoteError as error:
            self._findings.add(StoreFault.PUBLISHED_CHANGED, None, str(error))
            return 0
        size = signed.checkpoint.size
        note = self._questions.one(_KEPT, (size,))
        if note is None:
            self._findings.add(StoreFault.CHECKPOINT_MISSING, None, f"size {size}, which is published")
        elif not octets.startswith(note):
            self._findings.add(StoreFault.PUBLISHED_CHANGED, None, "it is not the note that was kept")
        else:
            kept = {row[0] for row in self._questions.ask(_LINES, (size,)) or ()}
            for line in octets[len(note) :].decode().splitlines():
                if line not in kept:
                    self._findings.add(StoreFault.COSIGNATURE_MISSING, None, f"size {size}: {line[:64]}")
        if self._due is not None and size < self._due:
            self._findings.add(StoreFault.PUBLISHED_BEHIND, None, f"size {size}")
        return size

    def unpublished(self) -> None:
        """Note that nothing is published although more is kept than a first checkpoint on its way."""
        if self._due is not None:
            self._findings.add(StoreFault.PUBLISHED_MISSING)

    def _read(self, size: int, root: bytes, note: bytes, at: int) -> SignedCheckpoint | None:
        try:
            signed = read_checkpoint(note)
            checkpoint = signed.checkpoint
            if (checkpoint.size, checkpoint.root) != (size, root):
                self._findings.add(
                    StoreFault.CHECKPOINT_CHANGED, None, f"size {size}: its note is of {checkpoint.size}"
                )
                return None
            if self._logs is not None:
                self._logs.check(note)
                self._require_time(signed, at)
        except NoteError as error:
            signatures = {NoteFault.SIGNATURE_WRONG, NoteFault.SIGNATURE_MISSING, NoteFault.ORIGIN_UNKNOWN}
            code = (
                StoreFault.CHECKPOINT_SIGNATURE
                if error.fault in signatures
                else StoreFault.CHECKPOINT_CHANGED
            )
            self._findings.add(code, None, f"size {size}: {error}")
            return None
        return signed

    def _require_time(self, signed: SignedCheckpoint, at: int) -> None:
        """The row's time is the second that the ML-DSA-44 line says (C2SP tlog-cosignature)."""
        keys = () if self._logs is None else self._logs.keys(signed.checkpoint.origin)
        times = {line.timestamp for key in keys if (line := verify_line(key, signed)) is not None}
        if at // 1_000_000 not in times:
            self._findings.add(
                StoreFault.CHECKPOINT_CHANGED, None, f"size {signed.checkpoint.size}: signed at another time"
            )

    def _cosignatures(self, start: int, stop: int) -> None:
        for size, signer, line in self._questions.ask(_COSIGNATURES, (start, stop), start) or ():
            signed = self._good.get(size)
            if signed is None:
                continue  # a finding of its own, or an orphan
            fault = _cosignature_fault(signed, signer, line)
            if fault:
                self._findings.add(StoreFault.COSIGNATURE_WRONG, None, f"size {size}: {fault}")

    def _stamps(self, start: int, stop: int) -> None:
        for size, signer, der, at in self._questions.ask(_STAMPS, (start, stop), start) or ():
            signed = self._good.get(size)
            if signed is None:
                continue
            fault = _stamp_fault(signed.octets, der, at)
            if fault:
                self._findings.add(StoreFault.STAMP_WRONG, None, f"size {size}, {str(signer)[:64]}: {fault}")


def _cosignature_fault(signed: SignedCheckpoint, signer: Any, line: Any) -> str:
    """Return why a line is not the signature of a witness over a checkpoint; empty when it is."""
    if type(signer) is not str or type(line) is not str:
        return "no text"
    try:
        key = VerifierKey.parse(signer)
        cosigned = SignedCheckpoint(
            signed.checkpoint, Note(signed.note.text, read_lines(line + "\n")), signed.octets
        )
        return "" if verify_line(key, cosigned) is not None else "of another key"
    except NoteError as error:
        return str(error)


def _stamp_fault(note: bytes, der: Any, at: Any) -> str:
    """Return why a token is no time-stamp over a note; empty when it is. Whom to trust is not asked here."""
    if type(der) is not bytes or type(at) is not int:
        return "no token"
    try:
        octets = definite(der, TOKEN_LIMITS)
    except WireError as error:
        return str(error)
    context = Context(at, TrustStore(), lambda name: DIGEST_BY_NAME[name].of(note))
    checks = {check.id: check.status for check in judge_token(octets, context).checks}
    wrong = (rule.id for rule in _BINDING if checks.get(rule.id) not in {Status.OK, Status.WEAK})
    return next(wrong, "")
