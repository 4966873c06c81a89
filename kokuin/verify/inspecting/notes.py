"""The ledger's texts: signed notes, checkpoints, proofs and verifier keys; nothing is verified here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from kokuin.ledger import log_keys
from kokuin.ledger.checkpoint import read_checkpoint
from kokuin.ledger.leaf import LeafError, read_leaf
from kokuin.ledger.note import SUITE_OF, SignatureType, VerifierKey, read_note
from kokuin.ledger.note_faults import NoteError
from kokuin.ledger.tlog_proof import read_proof
from kokuin.trust.report import iso_time
from kokuin.verify.inspecting.json_forms import show_value
from kokuin.verify.inspecting.kinds import Kind
from kokuin.verify.inspecting.tree import Entry, Fault, hidden_entries, octets_entry, text_entry

if TYPE_CHECKING:
    from kokuin.ledger.checkpoint import Checkpoint
    from kokuin.ledger.note import SignatureLine
    from kokuin.verify.inspecting.walk import Walk
    from kokuin.wire.strictjson import JsonValue

_PROOF = b"c2sp.org/tlog-proof@"
_SIGNATURES = "\n\n— ".encode()
_KEY = re.compile(r"[^+\s]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+")
_MOST_KEYS = 200
_TIMESTAMP = 8
_LAST_SECOND = 253_402_300_799
_COSIGNATURES = {
    _TIMESTAMP + 64: SignatureType.ED25519_COSIGNATURE,
    _TIMESTAMP + 2420: SignatureType.ML_DSA_44_COSIGNATURE,
}
"""Only the key says what a signature is; these two sizes are those of signatures that carry a time."""


def inspect_note(walk: Walk, data: bytes) -> tuple[Kind, tuple[Entry, ...]] | None:
    """Return what a text of the ledger holds; None when the octets are none."""
    if data.startswith(_PROOF):
        return Kind.TLOG_PROOF, _proof(walk, data)
    if _SIGNATURES in data:
        return _note(data)
    keys = _key_lines(data)
    if keys and _KEY.fullmatch(keys[0]):
        shown = tuple(map(_key, keys[:_MOST_KEYS]))
        return Kind.LOG_KEYS, (*shown, *hidden_entries(len(keys) - len(shown)))
    return None


def _key_lines(data: bytes) -> list[str]:
    """Return the lines of a file of verifier keys, without blank lines and comments."""
    if len(data) > log_keys.MAX_FILE:
        return []
    lines = [line.strip() for line in data.decode("utf-8", "replace").split("\n")]
    return [line for line in lines if line and not line.startswith("#")]


def _proof(walk: Walk, data: bytes) -> tuple[Entry, ...]:
    try:
        proof = read_proof(data)
    except NoteError as error:
        return (Entry("", fault=Fault(error.fault.value)),)
    entries = [
        Entry("index", str(proof.index)),
        Entry("hashes", children=tuple(octets_entry("hash", octets) for octets in proof.hashes)),
        Entry("checkpoint", children=note_entries(proof.checkpoint_octets)),
    ]
    if proof.extra:
        entries.insert(0, _leaf(walk, proof.extra))
    return tuple(entries)


def _leaf(walk: Walk, octets: bytes) -> Entry:
    """Return the application's data: our ledger puts the leaf there."""
    try:
        leaf = read_leaf(octets)
    except LeafError:
        return octets_entry("extra", octets)
    return Entry(
        "extra",
        children=tuple(show_value(walk, name, cast("JsonValue", value)) for name, value in leaf.items()),
    )


def _note(data: bytes) -> tuple[Kind, tuple[Entry, ...]]:
    try:
        read_checkpoint(data)
    except NoteError:
        return Kind.SIGNED_NOTE, note_entries(data)
    return Kind.CHECKPOINT, note_entries(data)


def note_entries(octets: bytes) -> tuple[Entry, ...]:
    """Return the entries of a checkpoint, else of the signed note that it is."""
    try:
        note = read_note(octets)
    except NoteError as error:
        return (Entry("", fault=Fault(error.fault.value)),)
    signatures = Entry("signatures", children=tuple(_signature(line) for line in note.signatures))
    try:
        return (*_checkpoint(read_checkpoint(octets).checkpoint), signatures)
    except NoteError:
        lines = tuple(text_entry("line", line) for line in note.text.splitlines())
        return Entry("text", children=lines), signatures


def _checkpoint(checkpoint: Checkpoint) -> tuple[Entry, ...]:
    extensions = tuple(text_entry("extension", line) for line in checkpoint.extensions)
    return (
        text_entry("origin", checkpoint.origin),
        Entry("size", str(checkpoint.size)),
        octets_entry("root", checkpoint.root),
        *extensions,
    )


def _signature(line: SignatureLine) -> Entry:
    children = [octets_entry("key ID", line.key_id)]
    kind = _COSIGNATURES.get(len(line.signature))
    seconds = int.from_bytes(line.signature[:_TIMESTAMP], "big")
    if kind is not None and seconds <= _LAST_SECOND:
        children.append(Entry("timestamp", iso_time(seconds * 1_000_000)))
    children.append(octets_entry("signature", line.signature))
    return Entry("signature", line.name, children=tuple(children))


def _key(line: str) -> Entry:
    try:
        key = VerifierKey.parse(line)
    except NoteError as error:
        return Entry("key", fault=Fault(error.fault.value))
    suite, kind = SUITE_OF[key.kind], f"{key.kind.value:#04x}"
    children = (
        octets_entry("key ID", key.key_id),
        Entry("type", kind, suite),
        octets_entry("public key", key.public),
    )
    return Entry("key", key.name, children=children)
