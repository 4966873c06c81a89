"""Signed notes: text with the signatures of those who stand for it (C2SP signed-note).

A note is read strictly and completely, or refused with a code. What it says
must not be used before a signature of a trusted key over it has been verified:
`kokuin.ledger.checkpoint` and `kokuin.ledger.log_keys` do that.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import TYPE_CHECKING

from kokuin.ledger.note_faults import NoteError, NoteFault
from pqc.keyinfo import encode_public_info
from pqc.suites import suite
from pqc.verifying import SignatureOutcome, key_facts, verify_signature

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pqc.suites import Suite

MAX_NOTE = 128 * 1024
"""Octets of the longest note that is read."""

MAX_SIGNATURES = 64
"""Signature lines of the longest note; everybody must accept 16."""

KEY_ID = 4
"""Octets of a key's id."""

_LINE = "— "
_VKEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
_MAX_VKEY = 4096
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class SignatureType(IntEnum):
    """The kinds of signature that we know (C2SP signed-note, Signature types)."""

    ED25519 = 0x01
    """Ed25519 over the note's text."""
    ED25519_COSIGNATURE = 0x04
    """Ed25519 over a checkpoint and a time (C2SP tlog-cosignature)."""
    ML_DSA_44_COSIGNATURE = 0x06
    """ML-DSA-44 over signer, time, origin, size and root (C2SP tlog-cosignature)."""


SUITE_OF = {
    SignatureType.ED25519: "ed25519",
    SignatureType.ED25519_COSIGNATURE: "ed25519",
    SignatureType.ML_DSA_44_COSIGNATURE: "ml-dsa-44",
}
"""Id of the signature suite under each kind."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key, its name, and the one kind of signature that it makes.

    Attributes:
        name: of the key; a log's is its origin.
        kind: of signature.
        public: the raw public key, 32 octets (RFC 8032) or 1,312 (FIPS 204).

    Raises:
        NoteError: name or public key cannot be.
    """

    name: str
    kind: SignatureType
    public: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.kind is SignatureType.ML_DSA_44_COSIGNATURE and len(self.name.encode()) > 0xFF:
            # Its signed message has one octet for the length of the name.
            raise NoteError(NoteFault.NAME, "above 255 octets")
        facts = key_facts(self._info())
        if facts is None or facts.name != self._suite.key:
            raise NoteError(NoteFault.VKEY_PUBLIC, self.name[:64])

    @property
    def key_id(self) -> bytes:
        """Four octets that tell the keys of one name apart; no security rests on them."""
        return _key_id(self.name, bytes([self.kind]) + self.public)

    @property
    def _suite(self) -> Suite:
        return suite(SUITE_OF[self.kind])

    def _info(self) -> bytes:
        return encode_public_info(self._suite.algorithm, self.public)

    def encode(self) -> str:
        """Return the text form: name, id and base64 of kind and public key, joined by `+`."""
        material = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{material}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read the text form.

        Raises:
            NoteError: it is no verifier key, or of a kind that we do not know.
        """
        match = _VKEY.fullmatch(text) if len(text) <= _MAX_VKEY else None
        if match is None:
            raise NoteError(NoteFault.VKEY_FORM)
        name, key_id, material = match.group(1), bytes.fromhex(match.group(2)), decode_base64(match.group(3))
        check_name(name)
        if key_id != _key_id(name, material):
            raise NoteError(NoteFault.VKEY_ID, name[:64])
        try:
            kind = SignatureType(material[0])
        except ValueError:
            raise NoteError(NoteFault.VKEY_KIND, f"{material[0]:#04x}") from None
        return cls(name, kind, material[1:])

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Say whether `signature` is this key's over `message`, which the kind of signature makes."""
        verdict = verify_signature(
            public_key_der=self._info(),
            algorithm=self._suite.algorithm,
            digest=None,
            message=message,
            signature=signature,
        )
        return verdict.outcome is SignatureOutcome.VALID


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature of a note: the key's name and id, and what the key made.

    Raises:
        NoteError: no line can hold it.
    """

    name: str
    key_id: bytes
    signature: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.key_id) != KEY_ID or not self.signature:
            raise NoteError(NoteFault.SIGNATURE_SHORT, self.name[:64])

    def encode(self) -> str:
        """Return the line with its newline."""
        return f"{_LINE}{self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"

    def is_of(self, key: VerifierKey) -> bool:
        """Say whether the line names this key; that the key made it is another question."""
        return self.name == key.name and self.key_id == key.key_id


@dataclass(frozen=True, slots=True)
class Note:
    """A signed note.

    Attributes:
        text: with its last newline.
        signatures: in their order, at least one.

    Raises:
        NoteError: no note can hold these.
    """

    text: str
    signatures: tuple[SignatureLine, ...]

    def __post_init__(self) -> None:
        check_text(self.text)
        if not self.text.endswith("\n") or not self.signatures:
            raise NoteError(NoteFault.FORM)
        if len(self.signatures) > MAX_SIGNATURES:
            raise NoteError(NoteFault.TOO_LARGE, f"{len(self.signatures)} signatures")

    def encode(self) -> bytes:
        """Return the octets of the note.

        Raises:
            NoteError: they are more than anybody here would read again.
        """
        octets = (self.text + "\n" + "".join(line.encode() for line in self.signatures)).encode()
        if len(octets) > MAX_NOTE:
            raise NoteError(NoteFault.TOO_LARGE, str(len(octets)))
        return octets

    def with_lines(self, lines: Iterable[SignatureLine]) -> Note:
        """Return the note with further signatures; a new one of a key takes the place of the old one.

        Raises:
            NoteError: they are too many.
        """
        merged = {(line.name, line.key_id): line for line in (*self.signatures, *lines)}
        return Note(self.text, tuple(merged.values()))


def read_note(octets: bytes) -> Note:
    """Read a note strictly; `Note.encode` of it gives the same octets again.

    Raises:
        NoteError: the octets are no note.
    """
    if len(octets) > MAX_NOTE:
        raise NoteError(NoteFault.TOO_LARGE, str(len(octets)))
    try:
        whole = octets.decode()
    except UnicodeDecodeError as error:
        raise NoteError(NoteFault.ENCODING, str(error.start)) from None
    check_text(whole)
    # The last blank line separates: a text with blank lines of its own cannot pass lines off as signatures.
    text, blank, lines = whole.rpartition("\n\n")
    if not blank:
        raise NoteError(NoteFault.FORM, "without a blank line")
    return Note(text + "\n", read_lines(lines))


def read_lines(text: str) -> tuple[SignatureLine, ...]:
    """Read signature lines, each with its newline.

    Raises:
        NoteError: the text is something else, or has too many lines.
    """
    *lines, rest = text.split("\n")
    if rest or not lines:
        raise NoteError(NoteFault.FORM, "the last line has no end")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError(NoteFault.TOO_LARGE, f"{len(lines)} signatures")
    return tuple(_read_line(line) for line in lines)


def _read_line(line: str) -> SignatureLine:
    if not line.startswith(_LINE):
        raise NoteError(NoteFault.FORM, "a signature line without its dash")
    name, space, encoded = line.removeprefix(_LINE).partition(" ")
    if not space:
        raise NoteError(NoteFault.FORM, "a signature line without a signature")
    octets = decode_base64(encoded)
    return SignatureLine(name, octets[:KEY_ID], octets[KEY_ID:])


def check_text(text: str) -> None:
    """Refuse what no note may hold.

    Raises:
        NoteError: a control character other than newline, or what UTF-8 cannot carry.
    """
    if _CONTROL.search(text):
        raise NoteError(NoteFault.ENCODING, "a control character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NoteError(NoteFault.ENCODING, "a lone surrogate") from None


def check_name(name: str) -> None:
    """Refuse what is no key's name.

    Raises:
        NoteError: it is empty, or holds a space, a plus or a control character.
    """
    if not name or "+" in name or any(character.isspace() for character in name):
        raise NoteError(NoteFault.NAME, name[:64])
    check_text(name)


def decode_base64(text: str) -> bytes:
    """Decode standard base64 with padding (RFC 4648 §4), and only the one form of the octets.

    Raises:
        NoteError: it is something else, such as a form whose unused bits are set.
    """
    try:
        octets = base64.b64decode(text.encode(), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise NoteError(NoteFault.BASE64) from None
    if base64.b64encode(octets).decode() != text:
        raise NoteError(NoteFault.BASE64, "not the one form")
    return octets


def _key_id(name: str, material: bytes) -> bytes:
    """Return SHA-256(name ‖ newline ‖ kind ‖ public key)[:4] (C2SP signed-note)."""
    return sha256(name.encode() + b"\n" + material).digest()[:KEY_ID]
