"""Envelopes as HPKE base mode (RFC 9180 §6.1) with the hybrid KEM MLKEM768-X25519 (draft-ietf-hpke-pq).

The container, all numbers big-endian:

    octets  field
    8       magic 89 4B 4B 45 0D 0A 1A 0A, which shows when a file was sent as text
    1       version, 1
    2       kem_id, 647A
    2       kdf_id, 0001 (HKDF-SHA256)
    2       aead_id, 0002 (AES-256-GCM)
    32      SHA-256 of the recipient's public key (`Recipient.public_octets`)
    4       octets of the plaintext, so that a cut file is told from a damaged one
    1       n, octets of the content type
    n       content type: the content octets of an OBJECT IDENTIFIER
    1120    enc: ciphertext of ML-KEM-768, then the ephemeral X25519 key
    rest    ciphertext of AES-256-GCM with its tag of 16 octets

Everything before `enc` is the `info` of the key schedule and `aad` is empty:
a changed header gives another key.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import mlkem

from kokuin.wire import asn1, encode
from kokuin.wire.der import read_whole
from kokuin.wire.errors import WireError
from pqc.envelope_errors import EnvelopeError, EnvelopeProblem
from pqc.envelope_syntax import MAX_ENVELOPE

if TYPE_CHECKING:
    from pqc.kem import Recipient, RecipientKey

MAGIC = b"\x89KKE\r\n\x1a\n"

_SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_VERSION = b"\x01"
_SUITE_IDS = bytes.fromhex("647a 0001 0002")
_KEY_ID = slice(15, 47)
_LENGTH = slice(47, 51)
_TYPE = 52
_ENC_SIZE = 1120
_TAG_SIZE = 16
_MAX_TYPE = 128


def seal_hpke(recipient: Recipient, plaintext: bytes, content_type_oid: str) -> bytes:
    """Encrypt `plaintext` to a hybrid recipient.

    Raises:
        ValueError: a content type of more than 128 octets.
    """
    if not isinstance(recipient.ml_kem, mlkem.MLKEM768PublicKey) or recipient.x25519 is None:
        raise EnvelopeError(EnvelopeProblem.WRONG_KEY)
    kind = _content_type(content_type_oid)
    length = len(plaintext).to_bytes(4, "big")
    header = b"".join((MAGIC, _VERSION, _SUITE_IDS, _key_id(recipient), length, bytes((len(kind),)), kind))
    public = hpke.MLKEM768X25519PublicKey(recipient.ml_kem, recipient.x25519)
    return header + _SUITE.encrypt(plaintext, public, header)


def open_hpke(key: RecipientKey, octets: bytes, content_type_oid: str) -> bytes:
    """Decrypt what `seal_hpke` sealed to `key`.

    Raises:
        EnvelopeError: with the reason; see `pqc.envelope.open_envelope`.
    """
    header, kind = _read_header(octets)
    if header[_KEY_ID] != _key_id(key.recipient):
        raise EnvelopeError(EnvelopeProblem.WRONG_KEY)
    if not isinstance(key.ml_kem, mlkem.MLKEM768PrivateKey) or key.x25519 is None:
        raise EnvelopeError(EnvelopeProblem.WRONG_KEY)
    private = hpke.MLKEM768X25519PrivateKey(key.ml_kem, key.x25519)
    try:
        plaintext = _SUITE.decrypt(memoryview(octets)[len(header) :], private, header)
    except InvalidTag:
        raise EnvelopeError(EnvelopeProblem.DAMAGED) from None
    if kind != _content_type(content_type_oid):
        raise EnvelopeError(EnvelopeProblem.WRONG_CONTENT)
    return plaintext


def stated_by_hpke(octets: bytes) -> str:
    """Return the content type of the header, which nothing protects yet.

    Raises:
        EnvelopeError: it cannot be read.
    """
    _, kind = _read_header(octets)
    try:
        return asn1.oid(read_whole(encode.tlv(asn1.OBJECT_IDENTIFIER, kind), asn1.OBJECT_IDENTIFIER))
    except WireError:
        raise EnvelopeError(EnvelopeProblem.MALFORMED) from None


def _read_header(octets: bytes) -> tuple[bytes, bytes]:
    """Return the header, and the content type within it."""
    if len(octets) > MAX_ENVELOPE:
        raise EnvelopeError(EnvelopeProblem.TOO_LARGE)
    if not MAGIC.startswith(octets[: len(MAGIC)]):
        raise EnvelopeError(EnvelopeProblem.NOT_AN_ENVELOPE)
    if not (_VERSION + _SUITE_IDS).startswith(octets[len(MAGIC) : _KEY_ID.start]):
        raise EnvelopeError(EnvelopeProblem.UNKNOWN_ALGORITHM)
    if len(octets) < _TYPE:
        raise EnvelopeError(EnvelopeProblem.TRUNCATED)
    end = _TYPE + octets[_TYPE - 1]
    size = end + _ENC_SIZE + int.from_bytes(octets[_LENGTH], "big") + _TAG_SIZE
    if len(octets) != size:
        cut = len(octets) < size
        raise EnvelopeError(EnvelopeProblem.TRUNCATED if cut else EnvelopeProblem.MALFORMED)
    return octets[:end], octets[_TYPE:end]


def _key_id(recipient: Recipient) -> bytes:
    return hashlib.sha256(recipient.public_octets).digest()


def _content_type(dotted: str) -> bytes:
    element = encode.oid(dotted)
    if len(element) > _MAX_TYPE:
        raise ValueError(dotted)
    return element[2:]
