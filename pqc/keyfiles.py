"""Private keys on disk: PKCS#8 PEM, mode 0600, encrypted when a passphrase is given.

ML-DSA keys are stored as their 32-octet seed (RFC 9881 §6), SLH-DSA keys as
RFC 9909 §6 and composite keys as §4.2 of their draft want.
"""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kokuin.wire.pem import read_blocks, write_block
from pqc import pkcs8
from pqc.keyinfo import private_info, read_private_info
from pqc.newfile import write_new
from pqc.registry import scheme_of_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pqc.keyinfo import PrivateKey

Loaded = TypeVar("Loaded")

MAX_KEY_FILE = 64 * 1024

_MAX_BLOCKS = 8
"""OpenSSL writes the curve before the key, or the certificates behind it."""
CLEAR = "PRIVATE KEY"
"""Label of PrivateKeyInfo in PEM (RFC 7468 §10)."""
CLOSED = "ENCRYPTED PRIVATE KEY"
"""Label of EncryptedPrivateKeyInfo (RFC 7468 §11)."""


class KeyFileProblem(StrEnum):
    """Why a key file was refused."""

    MISSING = "KEY_FILE_MISSING"
    TOO_OPEN = "KEY_FILE_TOO_OPEN"
    """Others than its owner may read it."""
    PASSPHRASE_WANTED = "KEY_PASSPHRASE_WANTED"  # noqa: S105  # a code, no secret
    PASSPHRASE_WRONG = "KEY_PASSPHRASE_WRONG"  # noqa: S105  # a code, no secret
    PASSPHRASE_UNUSED = "KEY_PASSPHRASE_UNUSED"  # noqa: S105  # a code, no secret
    """A passphrase is configured, but the key lies there in the clear."""
    UNSUPPORTED = "KEY_FILE_UNSUPPORTED"
    """A key or an encryption of a kind that is not taken, as an ML-DSA key without its seed."""
    UNREADABLE = "KEY_FILE_UNREADABLE"


class KeyFileError(Exception):
    """A key file that cannot be used.

    Attributes:
        problem: the stable code.
        path: the file.
    """

    def __init__(self, problem: KeyFileProblem, path: Path) -> None:
        super().__init__(f"{problem.value}: {path}")
        self.problem = problem
        self.path = path


def write_key(path: Path, key: PrivateKey, passphrase: bytes | None) -> None:
    """Write `key` to a new file with mode 0600 and make it durable.

    Raises:
        FileExistsError: a key is never overwritten.
    """
    write_new(path, private_pem(private_info(key), passphrase))


def read_key(path: Path, passphrase: bytes | None) -> PrivateKey:
    """Read a private key.

    Raises:
        KeyFileError: with the reason; the passphrase is in no message.
    """
    return read_private(path, passphrase, _load)


def private_pem(info: bytes, passphrase: bytes | None) -> bytes:
    """Return a PrivateKeyInfo (DER) as PEM, encrypted when a passphrase is given."""
    if not passphrase:
        return write_block(CLEAR, info)
    return write_block(CLOSED, pkcs8.encrypt(info, passphrase))


def read_private(
    path: Path, passphrase: bytes | None, load: Callable[[bytes, bytes | None], Loaded]
) -> Loaded:
    """Read a file that is its owner's alone, in the clear or not as the passphrase says.

    Args:
        path: the file.
        passphrase: None when the key lies there in the clear.
        load: makes the key of the file's octets and the passphrase; raises ValueError, TypeError or
            UnsupportedAlgorithm where it cannot.

    Raises:
        KeyFileError: with the reason; the passphrase is in no message.
    """
    try:
        with path.open("rb") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o077:
                raise KeyFileError(KeyFileProblem.TOO_OPEN, path)
            pem = file.read(MAX_KEY_FILE)
    except OSError:
        raise KeyFileError(KeyFileProblem.MISSING, path) from None
    encrypted = b"ENCRYPTED" in pem
    if encrypted and not passphrase:
        raise KeyFileError(KeyFileProblem.PASSPHRASE_WANTED, path)
    if passphrase and not encrypted:
        raise KeyFileError(KeyFileProblem.PASSPHRASE_UNUSED, path)
    try:
        return load(pem, passphrase)
    except UnsupportedAlgorithm:
        raise KeyFileError(KeyFileProblem.UNSUPPORTED, path) from None
    except (ValueError, TypeError):
        problem = KeyFileProblem.PASSPHRASE_WRONG if encrypted else KeyFileProblem.UNREADABLE
        raise KeyFileError(problem, path) from None


def clear_pem(key: PrivateKey) -> bytes:
    """Return PKCS#8 PEM, in the clear: only for what goes into an envelope."""
    return write_block(CLEAR, private_info(key))


def read_clear_pem(pem: bytes) -> PrivateKey:
    """Read what `clear_pem` wrote.

    Raises:
        ValueError, TypeError, UnsupportedAlgorithm: it is something else.
    """
    return _load(pem, None)


def _load(pem: bytes, passphrase: bytes | None) -> PrivateKey:
    blocks = read_blocks(pem, _MAX_BLOCKS)
    label, der = next((block for block in blocks if block[0] in {CLEAR, CLOSED}), ("", b""))
    if not label:
        # The older forms of OpenSSL, whose label names the algorithm: RSA, EC, with their own encryption.
        return cast("PrivateKey", load_pem_private_key(pem, passphrase))
    private = read_private_info(pkcs8.decrypt(der, passphrase or b"") if label == CLOSED else der)
    scheme = scheme_of_key(private.algorithm.oid)
    if scheme is None:
        raise UnsupportedAlgorithm(private.algorithm.oid)
    return scheme.load_private(private)
