"""Whom the verifier trusts: the certificates that an operator named (RFC 5280 §6.1.1 d)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.trust.certificate import Certificate, is_self_signed, read_certificate
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.pem import is_armoured, read_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MAX_FILE_OCTETS = 16 * 1024 * 1024
MAX_CERTIFICATES = 2_000
SUFFIXES = frozenset({".pem", ".crt", ".cer", ".der"})
"""What is read in a folder; a file that is named is read whatever its suffix."""

_LABELS = frozenset({"CERTIFICATE", "X509 CERTIFICATE"})


class TrustError(ValueError):
    """A trust store that cannot be read.

    Attributes:
        path: the file or folder.
        code: why.
    """

    def __init__(self, path: Path, code: WireCode) -> None:
        super().__init__(f"{path}: {code}")
        self.path = path
        self.code = code


@dataclass(frozen=True, slots=True)
class TrustStore:
    """Anchors, and further certificates that help to build a path but are trusted for nothing."""

    anchors: tuple[Certificate, ...] = ()
    helpers: tuple[Certificate, ...] = ()


def load_trust(path: Path) -> TrustStore:
    """Read a trust store from a folder or a file.

    In a folder, self-signed certificates of all files `*.pem`, `*.crt`, `*.cer`, `*.der` are the anchors;
    files among them that hold something else (keys, requests) are passed over. A file that is named alone
    may hold no self-signed certificate: then its authorities are the anchors, since the operator named them.

    Raises:
        OSError: a file cannot be opened or read.
        TrustError: the named file is too large or cannot be read, or there is no certificate at all, or
            there are too many.
    """
    if not path.is_dir():
        return _split(read_certificates(path), path, named=True)
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    found: list[Certificate] = []
    for file in files:
        with contextlib.suppress(TrustError):
            found += read_certificates(file)
    return _split(found, path, named=False)


def read_certificates(path: Path) -> list[Certificate]:
    """Read the certificates of one file, PEM or DER; PEM blocks of other kinds are passed over.

    Raises:
        OSError: the file cannot be opened or read.
        TrustError: it is too large, or what it holds cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(MAX_FILE_OCTETS + 1)
    if len(data) > MAX_FILE_OCTETS:
        raise TrustError(path, WireCode.TOO_LARGE)
    try:
        if not is_armoured(data):
            return [read_certificate(data)]
        blocks = read_blocks(data, MAX_CERTIFICATES)
        return [read_certificate(octets) for label, octets in blocks if label in _LABELS]
    except WireError as error:
        raise TrustError(path, error.code) from error


def _split(found: Iterable[Certificate], path: Path, *, named: bool) -> TrustStore:
    certificates = list({certificate.der: certificate for certificate in found}.values())
    if not certificates:
        raise TrustError(path, WireCode.UNEXPECTED)
    if len(certificates) > MAX_CERTIFICATES:
        raise TrustError(path, WireCode.TOO_MANY)
    anchors = [certificate for certificate in certificates if is_self_signed(certificate)]
    if named and not anchors:
        anchors = [certificate for certificate in certificates if certificate.is_authority]
    helpers = [certificate for certificate in certificates if certificate not in anchors]
    return TrustStore(tuple(anchors), tuple(helpers))
