"""Envelopes as CMS: AuthEnvelopedData (RFC 5083, RFC 5084) with one KEMRecipientInfo (RFC 9629, RFC 9936).

A fresh content key encrypts with AES-256-GCM; AES-256 key wrap carries it under
a key that HKDF-SHA256 derives from the ML-KEM secret. OpenSSL 3.6 and Bouncy
Castle read what is written here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from kokuin.wire import asn1, encode, oids
from kokuin.wire.algorithms import AlgorithmIdentifier
from kokuin.wire.der import Fields, read_whole
from kokuin.wire.errors import WireError
from pqc.envelope_errors import EnvelopeError, EnvelopeProblem
from pqc.envelope_suites import KemKind
from pqc.envelope_syntax import read_auth_enveloped_data

if TYPE_CHECKING:
    from pqc.envelope_syntax import AuthEnvelopedData, KemRecipient
    from pqc.kem import Recipient, RecipientKey


@dataclass(frozen=True, slots=True)
class _Kem:
    """An ML-KEM parameter set in CMS: its identifier, and the octets of a ciphertext (FIPS 203 §8)."""

    algorithm: AlgorithmIdentifier
    ciphertext_size: int


_KEMS = {
    KemKind.ML_KEM_768: _Kem(AlgorithmIdentifier(oids.ID_ML_KEM_768), 1088),
    KemKind.ML_KEM_1024: _Kem(AlgorithmIdentifier(oids.ID_ML_KEM_1024), 1568),
}
_KDF = AlgorithmIdentifier(oids.ID_ALG_HKDF_WITH_SHA256)
_WRAP = AlgorithmIdentifier(oids.ID_AES256_WRAP)
_KEY_SIZE = 32
_WRAPPED_SIZE = _KEY_SIZE + 8
_NONCE_SIZE = 12
_TAG_SIZE = 16


def seal_cms(recipient: Recipient, plaintext: bytes, content_type_oid: str) -> bytes:
    """Encrypt `plaintext` to an ML-KEM recipient; the result is DER.

    The content type is authenticated: as authAttrs when it is not id-data, as RFC 5083 §2.1 wants.
    """
    shared_secret, ciphertext = recipient.ml_kem.encapsulate()
    kek = derive_kek(shared_secret, _WRAP, _KEY_SIZE, None)
    key, nonce = os.urandom(_KEY_SIZE), os.urandom(_NONCE_SIZE)
    attributes = b""
    if content_type_oid != oids.ID_DATA:
        kind = encode.set_of(encode.oid(content_type_oid))
        attributes = encode.sequence(encode.oid(oids.ID_CONTENT_TYPE), kind)
    covered = encode.set_of(attributes) if attributes else b""
    encrypted = AESGCM(key).encrypt(nonce, plaintext, covered)
    information = encode.sequence(
        encode.integer(0),
        recipient.identifiers[0],
        encode.algorithm(_KEMS[recipient.kind].algorithm),
        encode.octet_string(ciphertext),
        encode.algorithm(_KDF),
        encode.integer(_KEY_SIZE),
        encode.algorithm(_WRAP),
        encode.octet_string(aes_key_wrap(kek, key)),
    )
    content = encode.sequence(
        encode.oid(content_type_oid),
        encode.algorithm(_gcm(nonce)),
        encode.implicit(0, encrypted[:-_TAG_SIZE]),
    )
    data = encode.sequence(
        encode.integer(0),
        encode.set_of(encode.explicit(4, encode.oid(oids.ID_ORI_KEM) + information)),
        content,
        encode.explicit(1, attributes) if attributes else b"",
        encode.octet_string(encrypted[-_TAG_SIZE:]),
    )
    return encode.sequence(encode.oid(oids.ID_CT_AUTH_ENVELOPED_DATA), encode.explicit(0, data))


def open_cms(key: RecipientKey, octets: bytes, content_type_oid: str) -> bytes:
    """Decrypt what `seal_cms` or another program sealed to `key`.

    Raises:
        EnvelopeError: with the reason; see `pqc.envelope.open_envelope`.
    """
    data = read_auth_enveloped_data(octets)
    nonce = _read_gcm(data.encryption)
    content_key = _content_key(key, data.recipient)
    if len(data.mac) != _TAG_SIZE:
        raise EnvelopeError(EnvelopeProblem.MALFORMED)
    try:
        plaintext = AESGCM(content_key).decrypt(nonce, data.ciphertext + data.mac, data.attributes)
    except InvalidTag:
        raise EnvelopeError(EnvelopeProblem.DAMAGED) from None
    _check_content_type(data, content_type_oid)
    return plaintext


def stated_by_cms(octets: bytes) -> str:
    """Return the content type outside, which nothing protects yet.

    Raises:
        EnvelopeError: it cannot be read.
    """
    return read_auth_enveloped_data(octets).content_type


def derive_kek(shared_secret: bytes, wrap: AlgorithmIdentifier, size: int, ukm: bytes | None) -> bytes:
    """Derive the key-encryption key of `size` octets (RFC 9629 §5, RFC 9936 §2.2.1).

    CMSORIforKEMOtherInfo binds it to the algorithm and size that it is for.
    """
    material = b"" if ukm is None else encode.explicit(0, encode.octet_string(ukm))
    info = encode.sequence(encode.algorithm(wrap), encode.integer(size), material)
    return HKDF(SHA256(), size, None, info).derive(shared_secret)


def _content_key(key: RecipientKey, recipient: KemRecipient) -> bytes:
    # Compared whole: algorithms with parameters, or a shorter key, are another suite.
    kem = next((kem for kem in _KEMS.values() if kem.algorithm == recipient.kem), None)
    if kem is None or (recipient.kdf, recipient.wrap, recipient.kek_size) != (_KDF, _WRAP, _KEY_SIZE):
        raise EnvelopeError(EnvelopeProblem.UNKNOWN_ALGORITHM)
    if len(recipient.ciphertext) != kem.ciphertext_size or len(recipient.encrypted_key) != _WRAPPED_SIZE:
        raise EnvelopeError(EnvelopeProblem.MALFORMED)
    # Decapsulation never fails, it returns another secret (FIPS 203 §6.3): only the identifier tells a
    # wrong key from damage.
    if _KEMS.get(key.recipient.kind) is not kem or recipient.identifier not in key.recipient.identifiers:
        raise EnvelopeError(EnvelopeProblem.WRONG_KEY)
    shared_secret = key.ml_kem.decapsulate(recipient.ciphertext)
    try:
        return aes_key_unwrap(
            derive_kek(shared_secret, recipient.wrap, recipient.kek_size, recipient.ukm),
            recipient.encrypted_key,
        )
    except InvalidUnwrap:
        raise EnvelopeError(EnvelopeProblem.DAMAGED) from None


def _check_content_type(data: AuthEnvelopedData, wanted: str) -> None:
    """Hold the outer content type, which nothing protects, against the authenticated one."""
    if (data.attributes or data.content_type != oids.ID_DATA) and data.attribute_type != data.content_type:
        raise EnvelopeError(EnvelopeProblem.DAMAGED)
    if data.content_type != wanted:
        raise EnvelopeError(EnvelopeProblem.WRONG_CONTENT)


def _gcm(nonce: bytes) -> AlgorithmIdentifier:
    """AES-256-GCM with GCMParameters (RFC 5084 §3.2); a tag of 16 octets is not their default."""
    parameters = encode.sequence(encode.octet_string(nonce), encode.integer(_TAG_SIZE))
    return AlgorithmIdentifier(oids.ID_AES256_GCM, parameters)


def _read_gcm(algorithm: AlgorithmIdentifier) -> bytes:
    """Return the nonce; shorter tags and other nonces are another algorithm."""
    if algorithm.oid != oids.ID_AES256_GCM or algorithm.parameters is None:
        raise EnvelopeError(EnvelopeProblem.UNKNOWN_ALGORITHM)
    try:
        fields = Fields(read_whole(algorithm.parameters, asn1.SEQUENCE))
        nonce = asn1.octet_string(fields.take_any())
        size = asn1.integer(fields.take_any())
        fields.finish()
    except WireError:
        raise EnvelopeError(EnvelopeProblem.MALFORMED) from None
    if (len(nonce), size) != (_NONCE_SIZE, _TAG_SIZE):
        raise EnvelopeError(EnvelopeProblem.UNKNOWN_ALGORITHM)
    return nonce
