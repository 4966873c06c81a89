"""The data folder: what lies where, its format number, and the lock that makes one process its owner."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pqc.filelock import LockHeldError, lock

FORMAT = 3
"""Written to `format`; a folder of another number is not served."""

_MAX_SOCKET_PATH = 100
"""Octets; the kernel's sockaddr_un holds 108 with the closing zero."""


LOCK_PATIENCE_SECONDS = 5.0
"""A service that was just stopped or killed may need a moment to let the folder go."""


class FolderError(Exception):
    """The data folder cannot be used; the message is one line that says what to do."""


class FolderServedError(FolderError):
    """Another process owns the data folder."""


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Paths inside one data folder."""

    root: Path

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.root / "config.toml"

    @property
    def anchors(self) -> Path:
        """PEM of the roots that vouch for this authority's tokens."""
        return self.root / "trust" / "ca.pem"

    @property
    def units(self) -> Path:
        """PEM of the units' certificates and what lies between them and the roots."""
        return self.root / "trust" / "units.pem"

    def development_lists(self, certificate: bytes) -> Path:
        """Revocation lists of the development authorities above a unit's or a seal's certificate (DER)."""
        return self.root / "trust" / f"development-{hashlib.sha256(certificate).hexdigest()[:16]}.crl"

    @property
    def ledger(self) -> Path:
        """The audit ledger's store."""
        return self.root / "ledger" / "ledger.db"

    @property
    def state(self) -> Path:
        """Tenants, clients and what they show: names beside pseudonyms. It proves nothing."""
        return self.root / "state.db"

    @property
    def log(self) -> Path:
        """The public face of the ledger: checkpoint and tiles, which any web server may serve."""
        return self.root / "ledger" / "log"

    @property
    def log_keys(self) -> Path:
        """Verifier keys of the ledger's checkpoints, of all epochs, a line each."""
        return self.root / "trust" / "log.vkey"

    @property
    def operator(self) -> Path:
        """SHA-256, hex, of the operator key; the key itself was shown once and is kept by a person."""
        return self.root / "operator.sha256"

    @property
    def profiles(self) -> Path:
        """The operator's own profiles, TOML."""
        return self.root / "profiles"

    @property
    def active(self) -> Path:
        """Snapshots of the configurations that were in force."""
        return self.root / "active"

    @property
    def jobs(self) -> Path:
        """Requests to seal that are answered later or once more, with what was sealed, for a day."""
        return self.root / "jobs"

    @property
    def seals(self) -> Path:
        """Tenants' seal profiles and certificates, a folder each."""
        return self.root / "seals"

    @property
    def seal_anchors(self) -> Path:
        """PEM of the roots that vouch for tenants' seals, and for no time-stamp."""
        return self.root / "trust" / "seals.pem"

    @property
    def format(self) -> Path:
        """The format number."""
        return self.root / "format"

    @property
    def owner_socket(self) -> Path:
        """Where the owner listens; in the runtime directory when the folder's own path is too long."""
        near = self.root.resolve() / "owner.sock"
        if len(os.fsencode(near)) <= _MAX_SOCKET_PATH:
            return near
        name = hashlib.sha256(os.fsencode(near)).hexdigest()[:32]
        runtime = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
        folder = Path(runtime) / f"kokuin-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o077:
            # Somebody else made the folder first and would see, or be, our owner.
            raise FolderError(f"{folder} is not this user's alone; remove it")
        return folder / f"{name}.sock"

    def check_format(self) -> None:
        """Refuse a folder that another release wrote.

        Raises:
            FolderError: no data folder, one that cannot be read, or one of another format.
        """
        try:
            text = self.format.read_text(encoding="ascii", errors="replace").strip()
        except (FileNotFoundError, NotADirectoryError):
            raise FolderError(
                f"{self.root} is no data folder; `tsa init --dir {self.root}` makes one"
            ) from None
        except OSError as error:
            # Of a folder that is another user's nobody may be told that there is none, and to make one.
            raise FolderError(f"{self.format}: {error.strerror}") from None
        if text != str(FORMAT):
            older = text.isascii() and text.isdecimal() and len(text) < 5 and int(text) < FORMAT
            remedy = f"; `tsa upgrade --dir {self.root}` brings it there" if older else ""
            raise FolderError(f"{self.root} has format {text[:16]!r}, this release reads {FORMAT}{remedy}")


class FolderLock:
    """An exclusive lock on a data folder, held by its owner as long as the process lives.

    The kernel drops it with the process, so a killed owner leaves nothing to
    clean up, and a copied folder is free.
    """

    def __init__(self, folder: DataFolder, patience_s: float = 0.0) -> None:
        """Args: the folder; for how many seconds a former owner may still be letting go."""
        self._path = folder.root / "lock"
        self._patience_s = patience_s

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            FolderServedError: another process owns the folder.
        """
        try:
            self._held = lock(self._path, self._patience_s)
        except LockHeldError:
            raise FolderServedError(f"{self._path.parent} is in use by another `tsa serve`") from None
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()
