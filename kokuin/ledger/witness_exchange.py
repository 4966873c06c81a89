"""What a log and a witness say to each other (C2SP tlog-witness, add-checkpoint).

Octets alone: who carries them is another's business. Of an answer only the
verified cosignatures of witnesses that are trusted are taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from kokuin.ledger.checkpoint import Signed, SignedCheckpoint, read_checkpoint, read_size, verify_line
from kokuin.ledger.note import MAX_NOTE, Note, SignatureLine, read_lines
from kokuin.ledger.note_faults import NoteError, NoteFault
from kokuin.ledger.tlog_proof import encode_hashes, read_hashes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kokuin.ledger.note import VerifierKey

MAX_HASHES = 63
"""Consistency proof lines of a request at most."""

MAX_REQUEST = MAX_NOTE - 8192
"""Octets of the longest request that is read: a witness's own lines still fit in the note that it keeps."""

MAX_ANSWER = MAX_NOTE
"""Octets of the longest answer that is read."""

SIZE_TYPE = "text/x.tlog.size"
"""Content-Type of the answer 409."""


class WitnessRefusal(StrEnum):
    """Why a witness gave no cosignature, or why its answer is not taken."""

    BAD_REQUEST = "WITNESS_BAD_REQUEST"
    """400: it could not read the request, or the old size was above the new one."""
    FORBIDDEN = "WITNESS_FORBIDDEN"
    """403: it found no signature of a log key that it trusts, or a wrong one."""
    LOG_UNKNOWN = "WITNESS_LOG_UNKNOWN"
    """404: it does not know the origin."""
    INCONSISTENT = "WITNESS_INCONSISTENT"
    """422: the checkpoint does not follow from the one that it cosigned before."""
    STATUS = "WITNESS_STATUS"
    """Another status, such as a failure of its own."""
    ANSWER_MALFORMED = "WITNESS_ANSWER_MALFORMED"
    """What it answered is not what the protocol has for its status."""
    ANSWER_UNSIGNED = "WITNESS_ANSWER_UNSIGNED"
    """It answered without a cosignature of a trusted witness."""
    ANSWER_WRONG = "WITNESS_ANSWER_WRONG"
    """A cosignature under the name of a trusted witness does not verify, or has no time."""


REFUSALS = {
    400: WitnessRefusal.BAD_REQUEST,
    403: WitnessRefusal.FORBIDDEN,
    404: WitnessRefusal.LOG_UNKNOWN,
    422: WitnessRefusal.INCONSISTENT,
}
"""What each status of HTTP refuses."""


@dataclass(frozen=True, slots=True)
class WitnessRequest:
    """A request that was read: the old size, the consistency proof from it, the checkpoint."""

    old_size: int
    proof: tuple[bytes, ...]
    signed: SignedCheckpoint


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The witness cosigned.

    Attributes:
        lines: of trusted witnesses alone, verified; `Note.with_lines` adds them to the checkpoint.
        signed: what was verified, in the order of the trusted keys.
    """

    lines: tuple[SignatureLine, ...]
    signed: tuple[Signed, ...]


@dataclass(frozen=True, slots=True)
class Conflict:
    """The witness has cosigned another size than the old size of the request.

    Attributes:
        size: that it has cosigned last; ask again with a proof from there.
        ahead: it is above the size that was offered: this log, or the copy of it that asks, was rolled
            back, or somebody else signs with its keys. The answer is not signed; the checkpoint that the
            witness serves shows whether it is true.
    """

    size: int
    ahead: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """No cosignature, and why."""

    code: WitnessRefusal


WitnessAnswer: TypeAlias = Cosigned | Conflict | Refused


def request_body(old_size: int, proof: Sequence[bytes], checkpoint_octets: bytes) -> bytes:
    """Return the body of an `add-checkpoint` request.

    Args:
        old_size: that the witness has cosigned last; 0 when that is unknown.
        proof: consistency proof from there to the checkpoint's size; empty from 0.
        checkpoint_octets: the checkpoint that the log signed.
    """
    return f"old {old_size}\n{encode_hashes(proof)}\n".encode() + checkpoint_octets


def read_request(body: bytes) -> WitnessRequest:
    """Read the body of an `add-checkpoint` request strictly. Nothing is verified.

    Raises:
        NoteError: the octets are no request.
    """
    if len(body) > MAX_REQUEST:
        raise NoteError(NoteFault.TOO_LARGE, str(len(body)))
    head, blank, octets = body.partition(b"\n\n")
    if not blank or not head.isascii() or not head.startswith(b"old "):
        raise NoteError(NoteFault.FORM, "no request")
    first, *lines = head.decode().split("\n")
    old_size = read_size(first.removeprefix("old "))
    return WitnessRequest(old_size, read_hashes(lines, MAX_HASHES), read_checkpoint(octets))


def read_answer(
    status: int, content_type: str, body: bytes, offered: SignedCheckpoint, trusted: Sequence[VerifierKey]
) -> WitnessAnswer:
    """Read a witness's answer.

    Args:
        status: of HTTP.
        content_type: of HTTP.
        body: of HTTP; the caller reads at most `MAX_ANSWER` octets and one more.
        offered: the checkpoint that was sent.
        trusted: the keys of this witness.
    """
    if len(body) > MAX_ANSWER:
        return Refused(WitnessRefusal.ANSWER_MALFORMED)
    if status == 200:
        return _read_cosignatures(body, offered, trusted)
    if status == 409:
        return _read_conflict(content_type, body, offered)
    return Refused(REFUSALS.get(status, WitnessRefusal.STATUS))


def _read_cosignatures(
    body: bytes, offered: SignedCheckpoint, trusted: Sequence[VerifierKey]
) -> Cosigned | Refused:
    try:
        note = Note(offered.note.text, read_lines(body.decode()))
        answer = SignedCheckpoint(offered.checkpoint, note, note.encode())
    except (UnicodeDecodeError, NoteError):
        return Refused(WitnessRefusal.ANSWER_MALFORMED)
    try:
        signed = tuple(found for key in trusted if (found := verify_line(key, answer)) is not None)
    except NoteError:
        return Refused(WitnessRefusal.ANSWER_WRONG)
    if not signed:
        return Refused(WitnessRefusal.ANSWER_UNSIGNED)
    if not all(found.timestamp for found in signed):
        return Refused(WitnessRefusal.ANSWER_WRONG)
    lines = tuple(line for line in note.signatures if any(line.is_of(found.key) for found in signed))
    return Cosigned(lines, signed)


def _read_conflict(content_type: str, body: bytes, offered: SignedCheckpoint) -> Conflict | Refused:
    if content_type.partition(";")[0].strip().lower() != SIZE_TYPE or not body.endswith(b"\n"):
        return Refused(WitnessRefusal.ANSWER_MALFORMED)
    try:
        size = read_size(body[:-1].decode())
    except (UnicodeDecodeError, NoteError):
        return Refused(WitnessRefusal.ANSWER_MALFORMED)
    return Conflict(size, ahead=size > offered.checkpoint.size)
