"""What is inside a backup: a tar file (POSIX ustar) in one form only, its manifest first.

Any tar program reads it, so that keys can be had without this product. It is
read here without one: the manifest names every part with size and digest, and
the archive must be, octet for octet, what would be written of these parts.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson

from kokuin.wire import strictjson

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BACKUP = 8 * 1024 * 1024
"""Octets of all parts: keys, certificates and settings are some hundred thousand."""
MAX_PARTS = 4096

_VERSION = 1
_LATEST_US = 2**52
"""Of the time in a manifest: year 2112; ustar's field for times has room for it."""
_MANIFEST = "manifest.json"
_BLOCK = 512
_SIZE = slice(124, 136)
_NAME = "[A-Za-z0-9_][A-Za-z0-9._-]{0,63}"
_SEAL = "seals/(operator|t-[a-z0-9]{16})/[a-z][a-z0-9-]{0,62}"
_PLACES = re.compile(
    rf"({_NAME}\.toml|operator\.sha256|trust/{_NAME}|profiles/{_NAME}\.toml|active/[0-9a-f]{{64}}\.json"
    rf"|keys/{_NAME}\.pem|{_SEAL}\.(toml|pem|image|font)|keys/{_SEAL}/{_NAME}\.pem)"
)
"""Everything that a backup may hold: no path of the sender's choosing is ever opened."""


class BackupProblem(StrEnum):
    """Why a backup was not made or not restored."""

    MALFORMED = "BACKUP_MALFORMED"
    """It is no archive in our form."""
    VERSION = "BACKUP_VERSION"
    """Another release made it, in a form that this one does not read."""
    PATH = "BACKUP_PATH"
    """It names a place where no backup has anything to write."""
    DIGEST = "BACKUP_DIGEST"
    """A part is not what the manifest says."""
    TOO_LARGE = "BACKUP_TOO_LARGE"
    KEY = "BACKUP_KEY"
    """A private key in it cannot be used, or is another than the manifest says."""
    SETTINGS = "BACKUP_SETTINGS"
    """Its `config.toml` cannot be used."""
    SNAPSHOT = "BACKUP_SNAPSHOT"
    """What was in force cannot be read."""
    SEAL = "BACKUP_SEAL"
    """A seal profile cannot be used, or its keys are others than its suites'."""
    RECIPIENT = "BACKUP_RECIPIENT"
    """The recipient's key is of another kind than the envelope suite's."""
    FOLDER_IN_USE = "BACKUP_FOLDER_IN_USE"
    """The folder to restore into is not empty: nothing is ever overwritten."""


class BackupError(Exception):
    """A backup that was refused; nothing was written.

    Attributes:
        problem: the stable code.
        detail: one line that says what, without any secret.
    """

    def __init__(self, problem: BackupProblem, detail: str = "") -> None:
        super().__init__(f"{problem.value}: {detail}" if detail else problem.value)
        self.problem = problem
        self.detail = detail


@dataclass(frozen=True, slots=True)
class BackedUpKey:
    """A software key in a backup: name, profile, suite, and SHA-256 (hex) of its SubjectPublicKeyInfo."""

    key: str
    profile: str
    suite: str
    public: str


@dataclass(frozen=True, slots=True)
class AbsentKey:
    """A key that the backup does not contain, and why: `device`, `retired`."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself.

    Attributes:
        kokuin: the release that made it.
        at: when, microseconds since 1970 UTC.
        active: digest of the snapshot in force, empty when there was none.
        keys: the private keys in it.
        absent: those that are not.
    """

    kokuin: str
    at: int
    active: str
    keys: tuple[BackedUpKey, ...]
    absent: tuple[AbsentKey, ...]


def write_archive(manifest: Manifest, parts: Mapping[str, bytes]) -> bytes:
    """Return the archive of these parts, by path relative to the data folder.

    Raises:
        BackupError: TOO_LARGE, or PATH.
    """
    if len(parts) > MAX_PARTS or sum(map(len, parts.values())) > MAX_BACKUP:
        raise BackupError(BackupProblem.TOO_LARGE, f"a backup has room for {MAX_BACKUP} octets")
    for path in parts:
        _check_path(path)
    listed = [
        {"path": path, "size": len(octets), "sha256": hashlib.sha256(octets).hexdigest()}
        for path, octets in parts.items()
    ]
    document = {"v": _VERSION, **asdict(manifest), "parts": listed}
    seconds = manifest.at // 1_000_000
    entries = {_MANIFEST: orjson.dumps(document, option=orjson.OPT_SORT_KEYS), **parts}
    written = [_entry(path, octets, seconds) for path, octets in entries.items()]
    return b"".join((*written, bytes(2 * _BLOCK)))


def read_archive(octets: bytes) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest and the parts by path, each as its digest says.

    Raises:
        BackupError: with the reason.
    """
    document, at = _document(octets)
    if document.get("v") != _VERSION:
        raise BackupError(BackupProblem.VERSION, "made by another release")
    parts: dict[str, bytes] = {}
    try:
        manifest = _manifest(document)
        for part in document["parts"]:
            path, size = str(part["path"]), int(part["size"])
            _check_path(path)
            if path in parts or not 0 <= size <= MAX_BACKUP:
                raise BackupError(BackupProblem.MALFORMED, path)
            parts[path] = octets[at + _BLOCK : at + _BLOCK + size]
            if hashlib.sha256(parts[path]).hexdigest() != part["sha256"]:
                raise BackupError(BackupProblem.DIGEST, path)
            at += _BLOCK + _padded(size)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BackupError(BackupProblem.MALFORMED, f"manifest: {type(error).__name__}") from None
    if write_archive(manifest, parts) != octets:
        raise BackupError(BackupProblem.MALFORMED, "not as it is written")
    return manifest, parts


def _document(octets: bytes) -> tuple[dict[str, Any], int]:
    """Return the manifest, and where the first part begins."""
    digits = octets[_SIZE].rstrip(b"\0 ")
    if not octets.startswith(_MANIFEST.encode() + b"\0") or not re.fullmatch(rb"[0-7]{1,11}", digits):
        raise BackupError(BackupProblem.MALFORMED, "no archive")
    size = int(digits, 8)
    try:
        document = strictjson.loads(octets[_BLOCK : _BLOCK + size], max_octets=MAX_BACKUP, max_depth=4)
    except strictjson.JsonError as error:
        raise BackupError(BackupProblem.MALFORMED, f"manifest: {error.fault.value}") from None
    if not isinstance(document, dict):
        raise BackupError(BackupProblem.MALFORMED, "manifest")
    return document, _BLOCK + _padded(size)


def _manifest(document: Mapping[str, Any]) -> Manifest:
    if type(document["at"]) is not int or not 0 <= document["at"] <= _LATEST_US:
        raise ValueError("at")
    described = [*document["keys"], *document["absent"]]
    if not all(isinstance(value, str) for item in described for value in item.values()):
        raise TypeError("keys")
    return Manifest(
        kokuin=str(document["kokuin"]),
        at=document["at"],
        active=str(document["active"]),
        keys=tuple(BackedUpKey(**item) for item in document["keys"]),
        absent=tuple(AbsentKey(**item) for item in document["absent"]),
    )


def _entry(path: str, octets: bytes, seconds: int) -> bytes:
    header = tarfile.TarInfo(path)
    header.size, header.mtime, header.mode = len(octets), seconds, 0o600
    block = header.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    return block + octets.ljust(_padded(len(octets)), b"\0")


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _check_path(path: str) -> None:
    # Attack: a path that climbs out of the folder, or that names the ledger, a lock or a socket.
    if _PLACES.fullmatch(path) is None:
        raise BackupError(BackupProblem.PATH, ascii(path[:100]))
