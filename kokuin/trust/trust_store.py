"""Trust stores written: certificates are entered under one lock, the list replaced at once."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.trust.anchors import TrustError, certificate_files, fingerprint, read_certificates
from kokuin.trust.certificate import is_self_signed
from kokuin.trust.name import display
from kokuin.trust.trust_store_list import (
    LIST_NAME,
    MAX_CERTIFICATES,
    MAX_LIST_OCTETS,
    Archive,
    Entry,
    ListError,
    Role,
    StoreCode,
    read_list,
    write_list,
)
from kokuin.wire.errors import WireCode
from kokuin.wire.pem import write_block
from pqc.filelock import LockHeldError, lock
from pqc.newfile import write_durably

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from kokuin.trust.certificate import Certificate

LOCK_NAME = ".lock"
PATIENCE_S = 10.0
"""For how long another writer is waited for."""

_MODE = 0o644
"""Certificates are no secrets, and whoever verifies may be another user."""


class Outcome(StrEnum):
    """What became of a certificate that was to be entered."""

    ADDED = "added"
    CHANGED = "changed"
    """It was there; its role rose, its dates or its source are others now, or its file was mended."""
    UNCHANGED = "unchanged"
    """It was there, just so."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an operator says of certificates; None and "" leave what is there as it is.

    Attributes:
        begins: from when on they are trusted, microseconds since 1970 UTC.
        ends: until when, inclusive.
        source: where they are from.
        archive: what they came in; it is kept for those that are new.
    """

    begins: int | None = None
    ends: int | None = None
    source: str = ""
    archive: Archive | None = None


@dataclass(frozen=True, slots=True)
class Entered:
    """A certificate as it stands in the store now."""

    entry: Entry
    outcome: Outcome


def role_of(certificate: Certificate) -> Role | None:
    """Return as what a certificate may be trusted unless somebody pins it; None: as nothing.

    A self-signed authority is an anchor. What another one signed helps. A self-signed certificate that is no
    authority vouches for nobody but itself: only a pin says that this is meant.
    """
    if not is_self_signed(certificate):
        return Role.HELPER
    return Role.ANCHOR if certificate.is_authority else None


def enter(
    folder: Path, wanted: Iterable[tuple[Certificate, Role]], terms: Terms, now: int
) -> tuple[Entered, ...]:
    """Enter certificates into the store in a folder, which is made where there is none.

    A role rises from helper to anchor or pin, and never falls: an import takes no trust away.

    Args:
        folder: of the store.
        wanted: each certificate once, with its role.
        terms: said of all of them.
        now: microseconds since 1970 UTC.

    Raises:
        OSError: a file cannot be read or written.
        TrustError: the list cannot be read (LIST_UNREADABLE, LIST_NEWER), there is none and the folder
            holds certificates (NOT_LISTED), too many certificates, or BUSY. The list is as it was.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        entries = _read_entries(folder)
        entered = [_enter(folder, entries, each, terms, now) for each in wanted]
        if len(entries) > MAX_CERTIFICATES:
            raise TrustError(folder, WireCode.TOO_MANY)
        if any(each.outcome is not Outcome.UNCHANGED for each in entered):
            # The files of new certificates are there: a crash here leaves some that nobody trusts.
            write_durably(folder / LIST_NAME, write_list(entries.values()), _MODE)
    return tuple(entered)


def _read_entries(folder: Path) -> dict[str, Entry]:
    path = folder / LIST_NAME
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_LIST_OCTETS + 1)
    except FileNotFoundError:
        if certificate_files(folder):
            raise TrustError(folder, StoreCode.NOT_LISTED) from None
        return {}
    try:
        return {entry.sha256: entry for entry in read_list(octets)}
    except ListError as error:
        raise TrustError(path, error.code, error.detail) from error


def _enter(
    folder: Path, entries: dict[str, Entry], wanted: tuple[Certificate, Role], terms: Terms, now: int
) -> Entered:
    certificate, role = wanted
    sha256 = fingerprint(certificate)
    before = entries.get(sha256)
    if before is None:
        shown = display(certificate.subject)
        entry = Entry(sha256, shown, role, now, terms.begins, terms.ends, terms.source, terms.archive)
    else:
        entry = replace(
            before,
            role=role if before.role is Role.HELPER else before.role,
            begins=before.begins if terms.begins is None else terms.begins,
            ends=before.ends if terms.ends is None else terms.ends,
            source=terms.source or before.source,
        )
    if not _held(folder, entry):
        entry = replace(entry, file=f"{sha256}.pem", certificate=b"")
        write_durably(folder / entry.file, write_block("CERTIFICATE", certificate.der), _MODE)
        outcome = Outcome.ADDED if before is None else Outcome.CHANGED
    else:
        outcome = Outcome.UNCHANGED if entry == before else Outcome.CHANGED
    entries[sha256] = entry
    return Entered(entry, outcome)


def _held(folder: Path, entry: Entry) -> bool:
    """Whether list or file holds the certificate of an entry, unchanged."""
    if entry.certificate:
        return True
    if not entry.file:
        return False
    with contextlib.suppress(TrustError, FileNotFoundError):
        return any(fingerprint(found) == entry.sha256 for found in read_certificates(folder / entry.file))
    return False


def _locked(folder: Path) -> AbstractContextManager[object]:
    try:
        return lock(folder / LOCK_NAME, PATIENCE_S, _MODE)
    except LockHeldError:
        raise TrustError(folder, StoreCode.BUSY) from None
