"""Whom the verifier trusts: the certificates that an operator named (RFC 5280 §6.1.1 d)."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.trust.certificate import Certificate, is_self_signed, read_certificate
from kokuin.trust.trust_store_list import (
    LIST_NAME,
    MAX_CERTIFICATES,
    ListError,
    Role,
    StoreCode,
    read_list,
)
from kokuin.wire.ber import definite
from kokuin.wire.cms import read_signed_data
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.pem import is_armoured, read_blocks
from kokuin.wire.prescan import TOKEN_LIMITS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kokuin.trust.trust_store_list import Entry

MAX_FILE_OCTETS = 16 * 1024 * 1024
SUFFIXES = frozenset({".pem", ".crt", ".cer", ".der", ".p7b", ".p7c"})
"""What is read in a folder; a file that is named is read whatever its suffix."""

_LABELS = frozenset({"CERTIFICATE", "X509 CERTIFICATE"})
_CMS_LABELS = frozenset({"PKCS7", "CMS"})


class TrustError(ValueError):
    """A trust store that cannot be read.

    Attributes:
        path: the file or folder.
        code: why.
        detail: the place in a list of certificates, for people.
    """

    def __init__(self, path: Path, code: WireCode | StoreCode, detail: str = "") -> None:
        super().__init__(f"{path}: {code} {detail}".rstrip())
        self.path = path
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class TrustPeriod:
    """For which times an anchor counts, which need not be its validity.

    Attributes:
        anchor: its DER.
        begins: microseconds since 1970 UTC; None: from ever.
        ends: likewise, inclusive; None: for ever.
    """

    anchor: bytes
    begins: int | None
    ends: int | None


@dataclass(frozen=True, slots=True)
class TrustStore:
    """Anchors, and further certificates that help to build a path but are trusted for nothing.

    Attributes:
        anchors: trusted with what they issued, and each for itself.
        helpers: trusted for nothing.
        periods: of anchors that do not count at all times.
    """

    anchors: tuple[Certificate, ...] = ()
    helpers: tuple[Certificate, ...] = ()
    periods: tuple[TrustPeriod, ...] = ()

    def period_of(self, anchor: Certificate) -> TrustPeriod:
        """Return for which times an anchor counts."""
        always = TrustPeriod(anchor.der, None, None)
        return next((period for period in self.periods if period.anchor == anchor.der), always)


def load_trust(path: Path) -> TrustStore:
    """Read a trust store from a folder or a file.

    In a folder with a list (`trust.json`), what the list names counts and nothing else. In another folder,
    self-signed certificates of all files with one of `SUFFIXES` are the anchors; files among them that hold
    something else (keys, requests) are passed over. A file that is named alone may be a list with the
    certificates inside, or hold certificates; is none of them self-signed, its authorities are the anchors,
    since the operator named them.

    Raises:
        OSError: a file cannot be opened or read.
        TrustError: the named file is too large or cannot be read, or there is no certificate at all, or
            there are too many; a list cannot be read, or a file is not what the list says.
    """
    listed = read_listed(path)
    if listed is not None:
        return _trusted(listed)
    if not path.is_dir():
        return _split(read_certificates(path), path, named=True)
    found: list[Certificate] = []
    for file in certificate_files(path):
        with contextlib.suppress(TrustError):
            found += read_certificates(file)
    return _split(found, path, named=False)


def certificate_files(folder: Path) -> list[Path]:
    """Return the files of a folder that are read as certificates, in the order of their names.

    Raises:
        OSError: the folder cannot be read.
    """
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())


def unlisted_files(path: Path) -> tuple[str, ...]:
    """Return the names of a folder's certificate files that its list does not name; nobody trusts them.

    Raises:
        OSError: the folder cannot be read.
        TrustError: the list cannot be read.
    """
    listing = path / LIST_NAME
    if not listing.is_file():
        return ()
    named = {entry.file for entry in _entries(listing, _read(listing))}
    return tuple(file.name for file in certificate_files(path) if file.name not in named)


def read_certificates(path: Path) -> list[Certificate]:
    """Read the certificates of one file: PEM, DER, or a SignedData that is made of certificates alone (.p7b).

    PEM blocks of other kinds are passed over.

    Raises:
        OSError: the file cannot be opened or read.
        TrustError: it is too large, or what it holds cannot be read.
    """
    octets = _read(path)
    try:
        return certificates_of(octets)
    except WireError as error:
        raise TrustError(path, error.code) from error


def certificates_of(octets: bytes) -> list[Certificate]:
    """Read the certificates in the octets of a file, as `read_certificates` does.

    Raises:
        WireError: they cannot be read.
    """
    if not is_armoured(octets):
        return _certificates_in(octets)
    found: list[Certificate] = []
    for label, block in read_blocks(octets, MAX_CERTIFICATES):
        if label in _LABELS:
            found.append(read_certificate(block))
        elif label in _CMS_LABELS:
            found += _bag(block)
    return found


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        octets = file.read(MAX_FILE_OCTETS + 1)
    if len(octets) > MAX_FILE_OCTETS:
        raise TrustError(path, WireCode.TOO_LARGE)
    return octets


def _certificates_in(octets: bytes) -> list[Certificate]:
    try:
        return [read_certificate(octets)]
    except WireError:
        with contextlib.suppress(WireError):
            return _bag(octets)
        raise


def _bag(octets: bytes) -> list[Certificate]:
    """Read a SignedData that nobody signed; what a signed document carries is its sender's choice."""
    data = read_signed_data(definite(octets, TOKEN_LIMITS))
    if data.signer_infos or len(data.certificates) > MAX_CERTIFICATES:
        raise WireError(WireCode.UNEXPECTED, 0)
    return [read_certificate(der) for der in data.certificates]


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


def read_listed(path: Path) -> tuple[tuple[Entry, Certificate], ...] | None:
    """Read what a list names, with the certificates; None when there is no list.

    Args:
        path: a folder that may have a list, or a file that may be one.

    Raises:
        OSError: a file cannot be opened or read.
        TrustError: the list cannot be read, or a file is not what it says.
    """
    listing = path / LIST_NAME if path.is_dir() else path
    if listing != path and not listing.exists():
        return None
    octets = _read(listing)
    if listing == path and octets.lstrip()[:1] != b"{":
        return None
    entries = _entries(listing, octets)
    files: dict[str, list[Certificate]] = {}
    for entry in entries:
        if entry.file and entry.file not in files:
            files[entry.file] = _listed_file(listing.with_name(entry.file))
    return tuple((entry, _named_by(entry, files, listing)) for entry in entries)


def _trusted(listed: Iterable[tuple[Entry, Certificate]]) -> TrustStore:
    trusted = tuple(listed)
    return TrustStore(
        tuple(certificate for entry, certificate in trusted if entry.role is not Role.HELPER),
        tuple(certificate for entry, certificate in trusted if entry.role is Role.HELPER),
        tuple(
            TrustPeriod(certificate.der, entry.begins, entry.ends)
            for entry, certificate in trusted
            if entry.role is not Role.HELPER and (entry.begins, entry.ends) != (None, None)
        ),
    )


def _entries(path: Path, octets: bytes) -> tuple[Entry, ...]:
    try:
        return read_list(octets)
    except ListError as error:
        raise TrustError(path, error.code, error.detail) from error


def _listed_file(path: Path) -> list[Certificate]:
    try:
        return read_certificates(path)
    except FileNotFoundError as error:
        raise TrustError(path, StoreCode.FILE_ABSENT) from error
    except TrustError as error:
        raise TrustError(path, StoreCode.FILE_CHANGED) from error


def _named_by(entry: Entry, files: dict[str, list[Certificate]], path: Path) -> Certificate:
    """Return the certificate that an entry names; its hash decides, whatever else is in the file."""
    if entry.certificate:
        try:
            return read_certificate(entry.certificate)
        except WireError as error:
            raise TrustError(path, error.code, entry.sha256) from error
    for certificate in files[entry.file]:
        if fingerprint(certificate) == entry.sha256:
            return certificate
    raise TrustError(path.with_name(entry.file), StoreCode.FILE_CHANGED)


def fingerprint(certificate: Certificate) -> str:
    """Return the SHA-256 of a certificate's DER, hex."""
    return hashlib.sha256(certificate.der).hexdigest()
