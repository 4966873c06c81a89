"""Any octets: recognised, and shown as far as they can be read."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from kokuin.verify.inspecting.ber_forms import MAX_OCTETS, inspect_ber
from kokuin.verify.inspecting.json_forms import inspect_json
from kokuin.verify.inspecting.kinds import Kind
from kokuin.verify.inspecting.notes import inspect_note
from kokuin.verify.inspecting.tree import SECRET, Entry, Fault, document, faults
from kokuin.verify.inspecting.walk import Walk
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.pem import is_armoured, read_blocks

SCHEMA_VERSION = 1
MOST_BLOCKS = 200

_SECRET_WORDS = (b"PRIVATE+KEY+", b"AGE-SECRET-KEY-")
"""What lines begin with that hold the key of a note's signer, or of a program that encrypts files."""
_BEGIN = re.compile(rb"-----BEGIN ([^\r\n-]{1,64})-----")


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is written in a file.

    Attributes:
        kind: what it is.
        encoding: `DER`, `BER`, `PEM`, `JSON`, `text` or `tar`; None when it is nothing known.
        size: octets of the file; None where it is larger than `MAX_OCTETS`, and not read to its end.
        entries: its fields.
    """

    kind: Kind
    encoding: str | None
    size: int | None
    entries: tuple[Entry, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it is something known, and all of it was and can be read."""
        known = self.kind is not Kind.UNKNOWN and self.size is not None
        return known and not any(faults(self.entries))

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": self.kind.value,
            "encoding": self.encoding,
            "size": self.size,
            "larger_than": MAX_OCTETS if self.size is None else None,
            "entries": [document(entry) for entry in self.entries],
        }


def inspect_octets(data: bytes) -> Inspection:
    """Recognise octets and return what is written in them.

    Args:
        data: whatever was found; beyond `kokuin.verify.inspecting.ber_forms.MAX_OCTETS` it is too large.

    Returns:
        An inspection of any octets; no verdict.
    """
    found = _recognised(Walk(), data)
    return replace(found, size=None) if len(data) > MAX_OCTETS else found


def _recognised(walk: Walk, data: bytes) -> Inspection:
    if is_armoured(data):
        return _armoured(walk, data)
    if data.lstrip().startswith(_SECRET_WORDS):
        return Inspection(Kind.PRIVATE_KEY, None, len(data), (Entry("", fault=Fault(SECRET)),))
    note = inspect_note(walk, data)
    if note is not None:
        return Inspection(note[0], "text", len(data), note[1])
    document_found = inspect_json(walk, data)
    if document_found is not None:
        return Inspection(document_found[0], "JSON", len(data), document_found[1])
    kind, encoding, entries = inspect_ber(walk, data)
    return Inspection(kind, encoding, len(data), entries)


def _armoured(walk: Walk, data: bytes) -> Inspection:
    """RFC 7468: a file of one block is what is in the block, one of more shows each."""
    begins = list(islice(_BEGIN.finditer(data), MOST_BLOCKS + 1))
    ends = [*(match.start() for match in begins[1:]), len(data)]
    blocks = [
        _block(walk, match[1].decode("latin-1"), data[match.start() : end])
        for match, end in zip(begins[:MOST_BLOCKS], ends, strict=False)
    ]
    if len(blocks) == 1:
        kind, entries = blocks[0][1:]
        return Inspection(kind, "PEM", len(data), entries)
    shown = [Entry(label, kind.value, children=entries) for label, kind, entries in blocks]
    if len(begins) > MOST_BLOCKS:
        shown.append(Entry("", fault=Fault(WireCode.TOO_MANY.value, begins[-1].start())))
    return Inspection(Kind.PEM, "PEM", len(data), tuple(shown))


def _block(walk: Walk, label: str, text: bytes) -> tuple[str, Kind, tuple[Entry, ...]]:
    if "PRIVATE" in label.upper():
        # Named by its label alone: one under a passphrase may not even be base64.
        return label, Kind.PRIVATE_KEY, (Entry("", fault=Fault(SECRET)),)
    try:
        blocks = read_blocks(text, most=1)
    except WireError as error:
        return label, Kind.PEM, (Entry("", fault=Fault(error.code.value, error.offset)),)
    if not blocks:
        return label, Kind.PEM, (Entry("", fault=Fault(WireCode.BAD_ARMOUR.value, 0)),)
    kind, _encoding, entries = inspect_ber(walk, blocks[0][1])
    return label, kind, entries
