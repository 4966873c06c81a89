"""Who vouches for a bundle: its checkpoint, earlier ones, witnesses, time-stamps, what the auditor saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kokuin.ledger.bundle_form import MAX_STAMP_OCTETS, BundleFault
from kokuin.ledger.bundle_read import read_history
from kokuin.ledger.bundle_tar import BundleError
from kokuin.ledger.findings import Finding
from kokuin.ledger.note import Note
from kokuin.ledger.note_faults import NoteError, NoteFault
from kokuin.ledger.tree import verify_consistency
from kokuin.wire.algorithms import DIGEST_BY_OID
from kokuin.wire.ber import definite
from kokuin.wire.cms import read_signed_data
from kokuin.wire.errors import WireError
from kokuin.wire.prescan import TOKEN_LIMITS
from kokuin.wire.tsp import read_tst_info

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kokuin.ledger.checkpoint import Checkpoint, SignedCheckpoint
    from kokuin.ledger.log_keys import LogVerifier
    from kokuin.ledger.recoveries import Recovery
    from kokuin.ledger.witness_policy import Cosigner, WitnessPolicy


class WitnessedCheckpoint(NamedTuple):
    """An earlier checkpoint: verified, consistent with the bundle's; the policy's witnesses who signed it."""

    signed: SignedCheckpoint
    cosigners: tuple[Cosigner, ...]


class FoundStamp(NamedTuple):
    """A time-stamp over a checkpoint.

    Attributes:
        size: of the checkpoint.
        token: DER of the ContentInfo.
        note: what its imprint is of: the note with the log's own signatures.
    """

    size: int
    token: bytes
    note: bytes


class Vouching:
    """Verifies whoever vouches, and remembers who did.

    Attributes:
        signed: the checkpoint, verified; None as long as there is none.
        cosigners: witnesses of the policy that signed it.
        earlier: earlier checkpoints that it was proven consistent with, by size.
        stamps: time-stamps over any of these.
        found_history: how many earlier checkpoints there were, good or not; `found_stamps` likewise.
        since_holds: whether the saved checkpoint is proven to be a beginning; None when none was given.
    """

    def __init__(
        self,
        logs: LogVerifier,
        witnesses: WitnessPolicy | None,
        since: SignedCheckpoint | None,
        tell: Callable[[Finding], None],
    ) -> None:
        """Args: whom to believe, what the auditor saved, and who is told what is wrong."""
        self._logs = logs
        self._witnesses = witnesses
        self._since = since
        self._tell = tell
        self._since_proven: bool | None = None
        self._stamp_octets = 0
        self._unknown: set[int] = set()
        self.found_history = 0
        self.found_stamps = 0
        self.signed: SignedCheckpoint | None = None
        self.cosigners: tuple[Cosigner, ...] = ()
        self.earlier: dict[int, WitnessedCheckpoint] = {}
        self.stamps: list[FoundStamp] = []
        self.since_holds = None if since is None else False
        self.lost: Recovery | None = None

    @property
    def size(self) -> int:
        """Leaves that the checkpoint is of; 0 without one."""
        return 0 if self.signed is None else self.signed.checkpoint.size

    def checkpoint_of(self) -> Checkpoint:
        """Return what the verified checkpoint says.

        Raises:
            ValueError: there is none.
        """
        if self.signed is None:
            raise ValueError("no checkpoint was verified")
        return self.signed.checkpoint

    def marks(self) -> set[int]:
        """Return the sizes at which the tree's root is worth knowing."""
        return {*self.earlier, *(() if self._since is None else (self._since.checkpoint.size,))}

    def checkpoint(self, octets: bytes) -> None:
        """Verify the bundle's checkpoint."""
        try:
            signed = self._logs.check(octets)
            self.cosigners = self._cosigners(signed)
        except NoteError as error:
            self._refuse(error, Finding(BundleFault.CHECKPOINT_REFUSED, None, str(error)))
            return
        self.signed = signed
        if self._witnesses is not None:
            keys = {cosigner.witness.key for cosigner in self.cosigners}
            if not self._witnesses.satisfied_by(keys):
                self._tell(Finding(BundleFault.WITNESS_QUORUM, None, f"{len(keys)} signed"))

    def history(self, size: int, octets: bytes) -> None:
        """Verify an earlier checkpoint and that the bundle's tree begins with its tree."""
        now = self.checkpoint_of()
        self.found_history += 1
        try:
            proof, unverified = read_history(octets)
            signed = self._logs.check(unverified.octets)
            cosigners = self._cosigners(signed)
        except NoteError as error:
            if self._refuse(error, Finding(BundleFault.HISTORY_REFUSED, size, str(error))):
                self._unknown.add(size)
            return
        then = signed.checkpoint
        if then.size != size or not 0 < size < now.size:
            self._tell(Finding(BundleFault.HISTORY_REFUSED, size, f"its size is {then.size}"))
            return
        if self._since is not None and self._since.checkpoint.size == size:
            saved = self._since.checkpoint.root
            self._since_proven = verify_consistency(size, now.size, saved, now.root, proof)
        if verify_consistency(size, now.size, then.root, now.root, proof):
            self.earlier[size] = WitnessedCheckpoint(signed, cosigners)
        else:
            self._tell(Finding(BundleFault.HISTORY_INCONSISTENT, size))

    def stamp(self, size: int, octets: bytes) -> None:
        """Keep a time-stamp whose imprint is of a verified checkpoint; its signature is for others to judge.

        Raises:
            BundleError: LIMIT, when the time-stamps are more than a checker keeps.
        """
        self.found_stamps += 1
        self._stamp_octets += len(octets)
        if self._stamp_octets > MAX_STAMP_OCTETS:
            raise BundleError(BundleFault.LIMIT, f"more than {MAX_STAMP_OCTETS} octets of time-stamps")
        now = self.checkpoint_of()
        earlier = self.earlier.get(size)
        signed = self.signed if size == now.size else None if earlier is None else earlier.signed
        if signed is None and size in self._unknown:
            return  # told already: what it stamps is of an origin whose keys are not at hand
        if signed is None:
            self._tell(Finding(BundleFault.STAMP_FOREIGN, size, "its checkpoint is not there"))
            return
        note = own_note(signed, self._logs)
        try:
            # Attack: a DER that reads otherwise; `definite` bounds it before anything is built.
            imprint = read_tst_info(read_signed_data(definite(octets, TOKEN_LIMITS)).content or b"").imprint
        except WireError as error:
            self._tell(Finding(BundleFault.STAMP_UNREADABLE, size, str(error)))
            return
        digest = DIGEST_BY_OID.get(imprint.digest_oid)
        if digest is None or digest.of(note) != imprint.value:
            self._tell(Finding(BundleFault.STAMP_FOREIGN, size, "its imprint is of something else"))
        else:
            self.stamps.append(FoundStamp(size, octets, note))

    def localise(self, roots: Mapping[int, bytes]) -> str:
        """Say between which records something was changed, as far as earlier checkpoints tell.

        Args:
            roots: what the records make, by size.
        """
        good, stop = 0, self.size
        for size in sorted(self.earlier):
            if size not in roots:
                continue
            if roots[size] != self.earlier[size].signed.checkpoint.root:
                stop = size
                break
            good = size
        return f"somewhere between records {good} and {stop - 1}"

    def judge_since(self, roots: Mapping[int, bytes], recoveries: Iterable[Recovery]) -> None:
        """Say whether the log begins with what the auditor saved.

        Args:
            roots: what the records make, by size; empty unless they make the checkpoint's root.
            recoveries: of which the records tell; none unless they make the checkpoint's root.
        """
        if self._since is None:
            return
        now, saved = self.checkpoint_of(), self._since.checkpoint
        root = {**roots, 0: saved.root, now.size: now.root}.get(saved.size)
        self.since_holds = self._since_proven if root is None else root == saved.root
        if not self.since_holds:
            self.lost = next((each for each in recoveries if each.names(saved)), None)
        if self.lost is not None:
            # Also where it is longer than the log: the log will never come to it.
            self.since_holds = False
            self._tell(Finding(BundleFault.SINCE_FORK, None, f"at {saved.size} leaves"))
            return
        if saved.size > now.size:
            self.since_holds = False
            self._tell(
                Finding(BundleFault.SINCE_LATER, None, f"{saved.size} leaves, the bundle has {now.size}")
            )
            return
        if self.since_holds is None:
            self.since_holds = False
            self._tell(Finding(BundleFault.SINCE_UNKNOWN, None, str(saved.size)))
        elif not self.since_holds:
            self._tell(Finding(BundleFault.SINCE_FORK, None, f"at {saved.size} leaves"))

    def _refuse(self, error: NoteError, finding: Finding) -> bool:
        """Tell why a checkpoint is none; say whether it is of an origin whose keys are not at hand."""
        unknown = error.fault is NoteFault.ORIGIN_UNKNOWN
        self._tell(Finding(BundleFault.ORIGIN_UNKNOWN, None, error.detail) if unknown else finding)
        return unknown

    def _cosigners(self, signed: SignedCheckpoint) -> tuple[Cosigner, ...]:
        return () if self._witnesses is None else self._witnesses.cosigners(signed)


def own_note(signed: SignedCheckpoint, logs: LogVerifier) -> bytes:
    """Return a checkpoint's note with the signatures of its log alone: what its time-stamps are of."""
    keys = logs.keys(signed.checkpoint.origin)
    lines = tuple(line for line in signed.note.signatures if any(line.is_of(key) for key in keys))
    return Note(signed.note.text, lines).encode()
