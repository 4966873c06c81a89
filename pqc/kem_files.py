"""Recipients' keys on disk: private PKCS#8 (mode 0600), public SubjectPublicKeyInfo or certificate, all PEM.

ML-KEM is stored as its seed (RFC 9935 §6), X25519 as RFC 8410. A hybrid key is
two blocks in one file, ML-KEM-768 before X25519, so that every program that
knows the halves reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from kokuin.wire import encode
from kokuin.wire.pem import is_armoured, read_blocks
from pqc import pkcs8
from pqc.envelope_errors import EnvelopeError, EnvelopeProblem
from pqc.kem import key_identifier, recipient_key, recipient_of
from pqc.keyfiles import (
    CLEAR,
    CLOSED,
    KeyFileError,
    KeyFileProblem,
    private_pem,
    read_private,
)
from pqc.newfile import write_new

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

    from pqc.kem import Recipient, RecipientKey

_HALVES = 2
_PUBLIC = "PUBLIC KEY"
_CERTIFICATE = "CERTIFICATE"
_KEY_ENCIPHERMENT_ALONE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=True,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
# WireError is a ValueError; the last three come out of certificates.
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


def write_kem_key(path: Path, key: RecipientKey, passphrase: bytes | None) -> None:
    """Write `key` to a new file with mode 0600 and make it durable.

    Raises:
        FileExistsError: a key is never overwritten.
    """
    halves = (key.ml_kem, key.x25519)
    infos = [
        half.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        for half in halves
        if half is not None
    ]
    write_new(path, b"".join(private_pem(info, passphrase) for info in infos))


def read_kem_key(path: Path, passphrase: bytes | None, certificate: bytes | None = None) -> RecipientKey:
    """Read a recipient's private key.

    Args:
        path: the file.
        passphrase: None when the key lies there in the clear.
        certificate: DER or PEM of the key's certificate; envelopes that other programs have sealed to it
            may name the key by issuer and serial number.

    Raises:
        KeyFileError: with the reason; the passphrase is in no message.
        EnvelopeError: BAD_RECIPIENT when the certificate is for another key.
    """
    key = _join_private(path, read_private(path, passphrase, _load_halves))
    if certificate is None:
        return key
    named = read_recipient(certificate)
    if named.public_octets != key.recipient.public_octets:
        raise EnvelopeError(EnvelopeProblem.BAD_RECIPIENT)
    return recipient_key(key.ml_kem, key.x25519, named.identifiers)


def public_pem(recipient: Recipient) -> bytes:
    """SubjectPublicKeyInfo of each half as PEM: what the owner hands out."""
    halves = (recipient.ml_kem, recipient.x25519)
    return b"".join(
        half.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        for half in halves
        if half is not None
    )


def read_recipient(octets: bytes) -> Recipient:
    """Read whom to seal to: public keys as `public_pem` writes them, or one certificate (PEM or DER).

    Whether a certificate is trusted and valid today is for the caller to judge before.

    Raises:
        EnvelopeError: BAD_RECIPIENT: unreadable, a classical key alone, or a certificate whose key is for
            something else than keyEncipherment (RFC 9935 §5).
    """
    try:
        blocks = read_blocks(octets, _HALVES) if is_armoured(octets) else [(_CERTIFICATE, octets)]
        labels = {label for label, _ in blocks}
        if labels == {_PUBLIC}:
            return _join_public([load_der_public_key(der) for _, der in blocks])
        if labels == {_CERTIFICATE} and len(blocks) == 1:
            return _certified(x509.load_der_x509_certificate(blocks[0][1]))
    except _UNREADABLE:
        raise EnvelopeError(EnvelopeProblem.BAD_RECIPIENT) from None
    raise EnvelopeError(EnvelopeProblem.BAD_RECIPIENT)


def _join_public(halves: list[PublicKeyTypes]) -> Recipient:
    match halves:
        case [mlkem.MLKEM768PublicKey() | mlkem.MLKEM1024PublicKey() as alone]:
            return recipient_of(alone)
        case [mlkem.MLKEM768PublicKey() as first, x25519.X25519PublicKey() as second]:
            return recipient_of(first, second)
        case _:
            raise EnvelopeError(EnvelopeProblem.BAD_RECIPIENT)


def _certified(certificate: x509.Certificate) -> Recipient:
    key = certificate.public_key()
    if not isinstance(key, mlkem.MLKEM768PublicKey | mlkem.MLKEM1024PublicKey):
        raise EnvelopeError(EnvelopeProblem.BAD_RECIPIENT)
    by_issuer = encode.sequence(certificate.issuer.public_bytes(), encode.integer(certificate.serial_number))
    identifiers = [by_issuer]
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.KeyUsage) and extension.value != _KEY_ENCIPHERMENT_ALONE:
            raise EnvelopeError(EnvelopeProblem.BAD_RECIPIENT)
        if isinstance(extension.value, x509.SubjectKeyIdentifier):
            # Before the other: the key alone opens what names it by the usual identifier.
            identifiers.insert(0, key_identifier(extension.value.digest))
    return recipient_of(key, None, tuple(identifiers))


def _join_private(path: Path, halves: list[PrivateKeyTypes]) -> RecipientKey:
    match halves:
        case [mlkem.MLKEM768PrivateKey() | mlkem.MLKEM1024PrivateKey() as alone]:
            return recipient_key(alone)
        case [mlkem.MLKEM768PrivateKey() as first, x25519.X25519PrivateKey() as second]:
            return recipient_key(first, second)
        case _:
            raise KeyFileError(KeyFileProblem.UNREADABLE, path)


def _load_halves(pem: bytes, passphrase: bytes | None) -> list[PrivateKeyTypes]:
    return [_load(label, der, passphrase) for label, der in read_blocks(pem, _HALVES)]


def _load(label: str, der: bytes, passphrase: bytes | None) -> PrivateKeyTypes:
    # A file that mixes both forms is none of ours: each half is as the passphrase says.
    if label != (CLOSED if passphrase else CLEAR):
        raise ValueError(label)
    return load_der_private_key(pkcs8.decrypt(der, passphrase) if passphrase else der, None)
