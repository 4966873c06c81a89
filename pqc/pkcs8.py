"""Private keys under a passphrase: EncryptedPrivateKeyInfo with PBES2 (RFC 5958 §3, RFC 8018 §6.2).

Written with PBKDF2-HMAC-SHA256 and AES-256-CBC, which every OpenSSL reads.
Read with PBKDF2 or scrypt and AES-CBC; what a file may ask of this machine is
bounded.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from kokuin.wire import asn1, encode, oids
from kokuin.wire.algorithms import AlgorithmIdentifier
from kokuin.wire.der import Fields, read_whole
from kokuin.wire.tsp import read_algorithm

if TYPE_CHECKING:
    from kokuin.wire.der import Node

ITERATIONS = 600_000
"""PBKDF2-HMAC-SHA256, as OWASP's password storage advice has it since 2023; a fifth of a second."""
MAX_ITERATIONS = 20_000_000
MAX_SCRYPT_MEMORY = 256 * 1024 * 1024
"""Octets; a file that asks for more is refused, not obeyed."""
MAX_SCRYPT_LANES = 16
"""They are computed one after the other."""

_SALT, _BLOCK = 16, 16
_HMACS = {
    oids.ID_HMAC_WITH_SHA1: "sha1",
    oids.ID_HMAC_WITH_SHA256: "sha256",
    oids.ID_HMAC_WITH_SHA384: "sha384",
    oids.ID_HMAC_WITH_SHA512: "sha512",
}
_KEY_SIZES = {oids.ID_AES128_CBC: 16, oids.ID_AES192_CBC: 24, oids.ID_AES256_CBC: 32}


def encrypt(private_info: bytes, passphrase: bytes) -> bytes:
    """Return EncryptedPrivateKeyInfo (DER) around PrivateKeyInfo (DER)."""
    salt, vector = secrets.token_bytes(_SALT), secrets.token_bytes(_BLOCK)
    key = hashlib.pbkdf2_hmac("sha256", passphrase, salt, ITERATIONS, 32)
    padder = PKCS7(8 * _BLOCK).padder()
    encryptor = Cipher(algorithms.AES256(key), modes.CBC(vector)).encryptor()
    sealed = encryptor.update(padder.update(private_info) + padder.finalize()) + encryptor.finalize()
    derivation = encode.sequence(
        encode.oid(oids.ID_PBKDF2),
        encode.sequence(
            encode.octet_string(salt),
            encode.integer(ITERATIONS),
            encode.algorithm(AlgorithmIdentifier(oids.ID_HMAC_WITH_SHA256, encode.NULL)),
        ),
    )
    cipher = encode.sequence(encode.oid(oids.ID_AES256_CBC), encode.octet_string(vector))
    scheme = encode.sequence(encode.oid(oids.ID_PBES2), encode.sequence(derivation, cipher))
    return encode.sequence(scheme, encode.octet_string(sealed))


def decrypt(encrypted: bytes, passphrase: bytes) -> bytes:
    """Return the PrivateKeyInfo (DER) of EncryptedPrivateKeyInfo (DER).

    Raises:
        UnsupportedAlgorithm: the scheme, or its cost, is none that we take.
        ValueError: the octets cannot be read, or the passphrase is wrong (a few in a thousand wrong ones
            give octets, which are then no PrivateKeyInfo).
    """
    fields = Fields(read_whole(encrypted, asn1.SEQUENCE))
    scheme = read_algorithm(fields.take_any())
    sealed = asn1.octet_string(fields.take_any())
    fields.finish()
    derivation, cipher = _pbes2(scheme)
    size = _KEY_SIZES.get(cipher.oid)
    if size is None:
        raise UnsupportedAlgorithm(cipher.oid)
    vector = asn1.octet_string(read_whole(cipher.parameters or b"", asn1.OCTET_STRING))
    key = _derive(derivation, passphrase, size)
    decryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).decryptor()
    unpadder = PKCS7(8 * _BLOCK).unpadder()
    return unpadder.update(decryptor.update(sealed) + decryptor.finalize()) + unpadder.finalize()


def _pbes2(scheme: AlgorithmIdentifier) -> tuple[AlgorithmIdentifier, AlgorithmIdentifier]:
    """Return keyDerivationFunc and encryptionScheme (RFC 8018 App. A.4)."""
    if scheme.oid != oids.ID_PBES2:
        raise UnsupportedAlgorithm(scheme.oid)
    fields = Fields(read_whole(scheme.parameters or b"", asn1.SEQUENCE))
    found = read_algorithm(fields.take_any()), read_algorithm(fields.take_any())
    fields.finish()
    return found


def _derive(derivation: AlgorithmIdentifier, passphrase: bytes, size: int) -> bytes:
    fields = Fields(read_whole(derivation.parameters or b"", asn1.SEQUENCE))
    salt = asn1.octet_string(fields.take_any())
    if derivation.oid == oids.ID_PBKDF2:
        return _pbkdf2(fields, salt, passphrase, size)
    if derivation.oid == oids.ID_SCRYPT:
        return _scrypt(fields, salt, passphrase, size)
    raise UnsupportedAlgorithm(derivation.oid)


def _pbkdf2(fields: Fields, salt: bytes, passphrase: bytes, size: int) -> bytes:
    """PBKDF2-params after the salt (RFC 8018 App. A.2)."""
    iterations = asn1.integer(fields.take_any())
    _check_size(fields.optional(asn1.INTEGER), size)
    prf = fields.optional(asn1.SEQUENCE)
    fields.finish()
    oid = oids.ID_HMAC_WITH_SHA1 if prf is None else read_algorithm(prf).oid
    if oid not in _HMACS or not 0 < iterations <= MAX_ITERATIONS:
        raise UnsupportedAlgorithm(oid)
    return hashlib.pbkdf2_hmac(_HMACS[oid], passphrase, salt, iterations, size)


def _scrypt(fields: Fields, salt: bytes, passphrase: bytes, size: int) -> bytes:
    """scrypt-params after the salt (RFC 7914 §7.1)."""
    cost, block, parallel = (asn1.integer(fields.take_any()) for _ in range(3))
    _check_size(fields.optional(asn1.INTEGER), size)
    fields.finish()
    memory = 128 * block * (cost + parallel + 2)
    if min(cost, block, parallel) < 1 or parallel > MAX_SCRYPT_LANES or memory > MAX_SCRYPT_MEMORY:
        raise UnsupportedAlgorithm(oids.ID_SCRYPT)
    return hashlib.scrypt(
        passphrase, salt=salt, n=cost, r=block, p=parallel, maxmem=2 * MAX_SCRYPT_MEMORY, dklen=size
    )


def _check_size(found: Node | None, size: int) -> None:
    if found is not None and asn1.integer(found) != size:
        raise ValueError(size)
