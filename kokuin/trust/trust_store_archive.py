"""Certificates out of a zip archive, as the Japanese ministry publishes them for each accredited service.

The archive comes from the network and may be hostile: its size, the number of
its files, what they unfold to and how far each unfolds are bounded, only the
two usual methods are read, and no path of it is ever used: names are shown.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.trust.anchors import SUFFIXES, TrustError, certificates_of
from kokuin.trust.certificate import is_self_signed
from kokuin.trust.trust_store import role_of
from kokuin.trust.trust_store_list import MAX_CERTIFICATES, Archive, Role, StoreCode
from kokuin.wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from kokuin.trust.certificate import Certificate

MAX_ARCHIVE_OCTETS = 16 * 1024 * 1024
MAX_FILES = 2_000
MAX_FILE_OCTETS = 1024 * 1024
MAX_TOTAL_OCTETS = 32 * 1024 * 1024
MAX_RATIO = 100
"""How far a file may unfold; certificates hardly shrink."""
MAX_NAME = 300
"""Characters of a name that are shown."""

_CENTRAL_HEADER = b"PK\x01\x02"
_UTF8_NAME = 0x800
_ENCRYPTED = 0x1
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    OSError,
    EOFError,
)
"""What the standard library raises for archives that are none, or lie."""


class Omission(StrEnum):
    """Why a file, or a certificate in it, was not taken."""

    OTHER_KIND = "OTHER_KIND"
    """By its name it holds no certificates."""
    ARCHIVE_INSIDE = "ARCHIVE_INSIDE"
    """An archive in the archive."""
    ENCRYPTED = "ENCRYPTED"
    METHOD = "METHOD"
    """Packed in another way than the two that every program knows."""
    TOO_LARGE = "TOO_LARGE"
    """Larger than any file of certificates, or packed as nothing but a bomb is."""
    DAMAGED = "DAMAGED"
    UNREADABLE = "UNREADABLE"
    """No certificate, or one that cannot be read."""
    NO_AUTHORITY = "NO_AUTHORITY"
    """Self-signed and no authority: only a pin says that this is meant."""


@dataclass(frozen=True, slots=True)
class Omitted:
    """What was not taken: the name of the file, made fit for a terminal, and why."""

    name: str
    reason: Omission


@dataclass(frozen=True, slots=True)
class Contents:
    """What an archive holds.

    Attributes:
        archive: its name, hash and date.
        certificates: each once, with the name of the first file that has it.
        omitted: what is not among them.
    """

    archive: Archive
    certificates: tuple[tuple[str, Certificate], ...]
    omitted: tuple[Omitted, ...]


def read_archive(path: Path) -> Contents:
    """Read an archive.

    Raises:
        OSError: the file cannot be opened or read.
        TrustError: ARCHIVE_UNREADABLE, ARCHIVE_TOO_LARGE.
    """
    with path.open("rb") as file:
        octets = file.read(MAX_ARCHIVE_OCTETS + 1)
    # Each file has such a header: counted before the library makes an object of each.
    if len(octets) > MAX_ARCHIVE_OCTETS or octets.count(_CENTRAL_HEADER) > MAX_FILES:
        raise TrustError(path, StoreCode.ARCHIVE_TOO_LARGE)
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as opened:
            certificates, omitted = _read_files(opened, path)
            dated = _newest_day(opened.infolist())
    except TrustError:
        raise
    except _DAMAGED as error:
        raise TrustError(path, StoreCode.ARCHIVE_UNREADABLE) from error
    archive = Archive(_fit(path.name), hashlib.sha256(octets).hexdigest(), dated)
    return Contents(archive, certificates, omitted)


def roles_of(certificates: Iterable[Certificate]) -> dict[bytes, Role | None]:
    """Return as what the certificates of one archive are trusted, by their DER.

    As with a file of certificates that an operator names: where none is self-signed, the authorities are
    what is trusted.
    """
    found = tuple(certificates)
    roles = {certificate.der: role_of(certificate) for certificate in found}
    if not any(is_self_signed(certificate) for certificate in found):
        roles |= {certificate.der: Role.PIN for certificate in found if certificate.is_authority}
    return roles


def _read_files(
    opened: zipfile.ZipFile, path: Path
) -> tuple[tuple[tuple[str, Certificate], ...], tuple[Omitted, ...]]:
    found: dict[bytes, tuple[str, Certificate]] = {}
    omitted: list[Omitted] = []
    left = MAX_TOTAL_OCTETS
    for info in opened.infolist():
        # Whose name begins with an octet of zero has none for the library, which then cannot say.
        if info.filename and info.is_dir():
            continue
        name = _name(info)
        octets = _unfold(opened, info, name)
        if isinstance(octets, Omission):
            omitted.append(Omitted(name, octets))
            continue
        left -= len(octets)
        if left < 0:
            raise TrustError(path, StoreCode.ARCHIVE_TOO_LARGE)
        try:
            certificates = certificates_of(octets)
        except WireError:
            certificates = []
        if not certificates:
            omitted.append(Omitted(name, Omission.UNREADABLE))
        for certificate in certificates:
            found.setdefault(certificate.der, (name, certificate))
        if len(found) > MAX_CERTIFICATES:
            raise TrustError(path, StoreCode.ARCHIVE_TOO_LARGE)
    return tuple(found.values()), tuple(omitted)


def _unfold(opened: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> bytes | Omission:
    """Return the octets of one file, or why they are not read."""
    omission = _omission(info, name.rpartition("/")[2].lower())
    if omission is not None:
        return omission
    try:
        with opened.open(info) as file:
            # What the directory of the archive says of the size may be a lie.
            octets = file.read(MAX_FILE_OCTETS + 1)
    except _DAMAGED:
        return Omission.DAMAGED
    return Omission.TOO_LARGE if len(octets) > MAX_FILE_OCTETS else octets


def _omission(info: zipfile.ZipInfo, name: str) -> Omission | None:
    """Return why a file is not even opened."""
    if name.endswith(".zip"):
        return Omission.ARCHIVE_INSIDE
    # macOS adds files of its own, named as ours but for the prefix.
    if name.startswith("._") or not name.endswith(tuple(SUFFIXES)):
        return Omission.OTHER_KIND
    if info.flag_bits & _ENCRYPTED:
        return Omission.ENCRYPTED
    if info.compress_type not in _METHODS:
        return Omission.METHOD
    too_large = info.file_size > min(MAX_FILE_OCTETS, MAX_RATIO * info.compress_size)
    return Omission.TOO_LARGE if too_large else None


def _name(info: zipfile.ZipInfo) -> str:
    """Return a file's name: where it is not said to be UTF-8, Japanese Windows writes code page 932."""
    if info.flag_bits & _UTF8_NAME:
        return _fit(info.filename)
    octets = info.orig_filename.encode("cp437", "replace")
    for encoding in ("utf-8", "cp932"):
        with contextlib.suppress(UnicodeDecodeError):
            return _fit(octets.decode(encoding))
    return _fit(info.filename)


def _fit(name: str) -> str:
    """Return a name that steers no terminal."""
    shown = name.replace("\\", "/")[-MAX_NAME:]
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in shown)


def _newest_day(files: Iterable[zipfile.ZipInfo]) -> str:
    return max((day.isoformat() for day in _days(files)), default="")


def _days(files: Iterable[zipfile.ZipInfo]) -> Iterator[dt.date]:
    for info in files:
        with contextlib.suppress(ValueError):
            yield dt.date(*info.date_time[:3])
