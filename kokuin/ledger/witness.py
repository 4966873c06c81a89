"""A witness: it cosigns a log's checkpoint only when it follows from the one before (C2SP tlog-witness).

Whoever asks for a cosignature must show that nothing was lost or changed since
the last one, so two views of a log cannot both be cosigned. Octets alone: the
HTTP around it and the files under it are others' business.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from kokuin.ledger.checkpoint import SignedCheckpoint, read_checkpoint, sign_line, verify_line
from kokuin.ledger.log_keys import KINDS, verifier_key
from kokuin.ledger.note import Note, SignatureType
from kokuin.ledger.note_faults import NoteError, NoteFault
from kokuin.ledger.tree import EMPTY_ROOT, verify_consistency
from kokuin.ledger.witness_exchange import REFUSALS, SIZE_TYPE, WitnessRefusal, read_request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from kokuin.ledger.note import SignatureLine, VerifierKey
    from kokuin.ledger.witness_exchange import WitnessRequest
    from pqc.signing import Signer

_TEXT = "text/plain; charset=utf-8"
_MAX_ORIGIN = 255
_STATUSES = {code: status for status, code in REFUSALS.items()}


class Inconsistency(StrEnum):
    """What is wrong between two checkpoints that a log signed well."""

    SPLIT_VIEW = "WITNESS_SPLIT_VIEW"
    """Two roots for one size: the two notes alone convict the log."""
    UNPROVEN = "WITNESS_UNPROVEN"
    """A larger tree without a proof that it begins with the smaller one. Whoever has a log's checkpoint can
    leave the proof out, so this alone convicts nobody."""
    EMPTY_ROOT = "WITNESS_EMPTY_ROOT"
    """A tree without leaves under a root that is not the empty tree's."""


class WitnessStateError(Exception):
    """What the store holds for a log is not what this witness wrote; it must not go on from there."""


class WitnessStore(Protocol):
    """Where a witness keeps its state. Safe for several threads and processes.

    An origin is named by the SHA-256 of it, 64 lower-case hex digits.
    """

    def exclusive(self, origin_hash: str) -> AbstractContextManager[None]:
        """Hold the log's state: nobody else writes it meanwhile."""
        ...

    def read(self, origin_hash: str) -> bytes | None:
        """Return the checkpoint that was cosigned last, or None."""
        ...

    def write(self, origin_hash: str, octets: bytes) -> None:
        """Replace that checkpoint, and return when it is durable. Called while it is held."""
        ...

    def keep_evidence(self, origin_hash: str, finding: Inconsistency, name: str, octets: bytes) -> None:
        """Keep evidence unless there is some of that name, or enough of its kind. Called while it is held.

        The octets are the request, a blank line, and the checkpoint that was cosigned last, if any.
        """
        ...


@dataclass(frozen=True, slots=True)
class WitnessReply:
    """What is answered.

    Attributes:
        status: of HTTP.
        content_type: of HTTP.
        body: of HTTP.
        finding: what the request shows of the log, for the witness's operator.
    """

    status: int
    content_type: str
    body: bytes
    finding: Inconsistency | None = None


class _RefusalError(Exception):
    def __init__(self, code: WitnessRefusal) -> None:
        super().__init__(code)
        self.code = code


class Witness:
    """A witness of the logs whose keys it was given. Safe for several threads, as store and signers are."""

    def __init__(
        self,
        name: str,
        ml_dsa_44: Signer,
        ed25519: Signer,
        logs: Mapping[str, Sequence[VerifierKey]],
        store: WitnessStore,
    ) -> None:
        """Make a witness.

        Args:
            name: of the witness in its signature lines.
            ml_dsa_44: signs cosignatures of kind 0x06.
            ed25519: signs those of kind 0x04, for clients that know no other.
            logs: trusted keys by origin. For every kind that is listed for an origin one key of that
                kind must have signed, so a log that signs with two algorithms cannot be forged by one.
            store: keeps what was cosigned last.

        Raises:
            NoteError: a name cannot be, a signer is of another suite, or a log has no key that signs
                checkpoints.
        """
        self._signers = tuple(
            (verifier_key(name, kind, signer), signer)
            for kind, signer in (
                (SignatureType.ML_DSA_44_COSIGNATURE, ml_dsa_44),
                (SignatureType.ED25519_COSIGNATURE, ed25519),
            )
        )
        self._logs = {origin: tuple(keys) for origin, keys in logs.items()}
        for origin, keys in self._logs.items():
            if not keys or any(key.kind not in KINDS for key in keys) or len(origin.encode()) > _MAX_ORIGIN:
                raise NoteError(NoteFault.LOG_KEYS, origin[:64])
        self._hashes = {_origin_hash(origin) for origin in self._logs}
        self._store = store

    def verifier_keys(self) -> tuple[VerifierKey, ...]:
        """Return the witness's public keys, ML-DSA-44 first."""
        return tuple(key for key, _signer in self._signers)

    def add_checkpoint(self, body: bytes, now_s: int) -> WitnessReply:
        """Answer a request for a cosignature (C2SP tlog-witness, add-checkpoint).

        Args:
            body: of the request, from whomever.
            now_s: the wall clock, POSIX seconds.

        Raises:
            WitnessStateError: the store holds what this witness did not write.
            OSError: the store cannot be read or written; nothing was cosigned.
            SignerError: a signer cannot sign.
        """
        try:
            request, log_lines = self._admit(body)
        except _RefusalError as refusal:
            return _refused(refusal.code)
        origin_hash = _origin_hash(request.signed.checkpoint.origin)
        # The comparison with the state and its replacement are one step: else a slow request for a smaller
        # tree would roll back what a quick one for a larger tree wrote (C2SP tlog-witness).
        with self._store.exclusive(origin_hash):
            kept = self._kept(origin_hash)
            finding = _compare(request, kept)
            if finding is not None:
                self._keep_evidence(origin_hash, finding, request, kept, body)
            latest = kept.checkpoint.size if kept else 0
            if request.old_size != latest:
                return WitnessReply(409, SIZE_TYPE, f"{latest}\n".encode(), finding)
            if finding is not None or not _follows(request, kept):
                return _refused(WitnessRefusal.INCONSISTENT, finding)
            lines = self._cosign(request.signed, kept, now_s)
            # Persisted before anybody learns of it: a crash before this line leaves a cosignature that
            # nobody has, one after it a state that the next request meets.
            self._store.write(origin_hash, Note(request.signed.note.text, (*log_lines, *lines)).encode())
        return WitnessReply(200, _TEXT, "".join(line.encode() for line in lines).encode())

    def checkpoint(self, origin_hash: str) -> bytes | None:
        """Return the checkpoint of a log that was cosigned last, with its signatures and ours.

        Args:
            origin_hash: from a request's path: anything.

        Returns:
            None when the hash names no log that this witness knows, or nothing was cosigned yet.

        Raises:
            OSError: the store cannot be read.
        """
        return self._store.read(origin_hash) if origin_hash in self._hashes else None

    def _admit(self, body: bytes) -> tuple[WitnessRequest, tuple[SignatureLine, ...]]:
        """Return the request and the log's own lines, verified."""
        try:
            request = read_request(body)
        except NoteError as error:
            raise _RefusalError(WitnessRefusal.BAD_REQUEST) from error
        lines = self._log_lines(request.signed)
        # After the signatures, as the specification has it: what is answered here came from the log.
        if request.old_size > request.signed.checkpoint.size:
            raise _RefusalError(WitnessRefusal.BAD_REQUEST)
        return request, lines

    def _log_lines(self, signed: SignedCheckpoint) -> tuple[SignatureLine, ...]:
        """Return the log's own lines, verified; others are not kept."""
        keys = self._logs.get(signed.checkpoint.origin)
        if keys is None:
            raise _RefusalError(WitnessRefusal.LOG_UNKNOWN)
        try:
            found = [key for key in keys if verify_line(key, signed) is not None]
        except NoteError as error:
            raise _RefusalError(WitnessRefusal.FORBIDDEN) from error
        if {key.kind for key in found} != {key.kind for key in keys}:
            raise _RefusalError(WitnessRefusal.FORBIDDEN)
        return tuple(line for line in signed.note.signatures if any(line.is_of(key) for key in found))

    def _kept(self, origin_hash: str) -> SignedCheckpoint | None:
        octets = self._store.read(origin_hash)
        if octets is None:
            return None
        try:
            kept = read_checkpoint(octets)
            ours = all(verify_line(key, kept) for key in self.verifier_keys())
        except NoteError as error:
            raise WitnessStateError(origin_hash) from error
        if not ours or _origin_hash(kept.checkpoint.origin) != origin_hash:
            raise WitnessStateError(origin_hash)
        return kept

    def _cosign(
        self, signed: SignedCheckpoint, kept: SignedCheckpoint | None, now_s: int
    ) -> tuple[SignatureLine, ...]:
        last = [verify_line(key, kept) for key in self.verifier_keys()] if kept else []
        # A clock that was set back must not make an older time name a newer state.
        time = max([now_s, *(line.timestamp for line in last if line and line.timestamp)])
        return tuple(sign_line(key, signer, signed.checkpoint, time) for key, signer in self._signers)

    def _keep_evidence(
        self,
        origin_hash: str,
        finding: Inconsistency,
        request: WitnessRequest,
        kept: SignedCheckpoint | None,
        body: bytes,
    ) -> None:
        # Named by what the log signed, not by the octets: anybody can add lines to a note or break a proof,
        # and would fill the folder.
        offered = request.signed.checkpoint
        name = f"{offered.size}-{sha256(offered.text().encode()).hexdigest()[:32]}"
        before = b"\n" + kept.octets if kept is not None else b""
        self._store.keep_evidence(origin_hash, finding, name, body + before)


def _compare(request: WitnessRequest, kept: SignedCheckpoint | None) -> Inconsistency | None:
    """Say what is wrong between what the log signed now and what it signed before."""
    offered = request.signed.checkpoint
    if offered.size == 0 and offered.root != EMPTY_ROOT:
        return Inconsistency.EMPTY_ROOT
    if kept is None:
        return None
    known = kept.checkpoint
    if offered.size == known.size and offered.root != known.root:
        # Whatever old size was named: the two notes show it.
        return Inconsistency.SPLIT_VIEW
    if request.old_size == known.size < offered.size and not _follows(request, kept):
        return Inconsistency.UNPROVEN
    return None


def _follows(request: WitnessRequest, kept: SignedCheckpoint | None) -> bool:
    offered = request.signed.checkpoint
    old_root = kept.checkpoint.root if kept is not None else EMPTY_ROOT
    return verify_consistency(request.old_size, offered.size, old_root, offered.root, request.proof)


def _origin_hash(origin: str) -> str:
    return sha256(origin.encode()).hexdigest()


def _refused(code: WitnessRefusal, finding: Inconsistency | None = None) -> WitnessReply:
    return WitnessReply(_STATUSES[code], _TEXT, f"{code}\n".encode(), finding)
