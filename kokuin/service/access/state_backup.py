"""A copy of `state.db` beside a copy of the ledger.

It is put back only where nobody is known: an older copy in the place of a newer
one would give back what was taken from clients since.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from typing import TYPE_CHECKING

from sqlmodel import func, select

from kokuin.service.access.state import StateStore, require_sound
from kokuin.service.access.state_faults import StateFault, StateRefusedError
from kokuin.service.access.state_models import Client, Tenant
from kokuin.service.setting_aside import set_aside
from pqc.newfile import sync_folder

if TYPE_CHECKING:
    from pathlib import Path

    from sqlmodel import Session

_COMPANIONS = ("-wal", "-shm")


def state_path(file: Path) -> Path:
    """Return where the copy of `state.db` lies beside a copy of the ledger."""
    return file.with_name(file.name + ".state")


def copy_state(source: Path, target: Path) -> str:
    """Copy a `state.db` as it is at one moment, whoever writes to it.

    Returns:
        SHA-512, hex, of the copy.

    Raises:
        StateRefusedError: it is not there, or not whole.
        OSError: the copy cannot be written.
    """
    if not source.exists():
        raise StateRefusedError(StateFault.MISSING, str(source))
    draft = target.with_name(f".{target.name}.new")
    try:
        _copy(source, draft)
        octets = draft.read_bytes()
        # A crash before this line leaves a draft, which the next attempt writes over.
        draft.replace(target)
    except sqlite3.Error as error:
        raise StateRefusedError(StateFault.UNREADABLE, f"{source}: {error}") from error
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(target.parent)
    return hashlib.sha512(octets).hexdigest()


def place_state(copy: Path, sha512: str, target: Path) -> bool:
    """Put a copy in the place of a `state.db` that is not there, or in which nobody stands.

    Args:
        copy: that `copy_state` made.
        sha512: of it, hex, as its manifest says.
        target: where it is to lie; nobody serves the folder.

    Returns:
        False when somebody stands there, and all was left as it is.

    Raises:
        StateRefusedError: the copy is not that of its manifest, or not whole; or what is there is unreadable,
            and must be moved away by whoever knows that it is worthless.
        OSError: a file cannot be read or written.
    """
    if target.exists() and not _is_empty(target):
        return False
    draft = target.with_name(f".{target.name}.new")
    try:
        _require_same(copy, sha512)
        _copy(copy, draft)
        set_aside(target, *_COMPANIONS)
        # A crash before this line leaves no state: nothing is served, and restoring again goes on.
        draft.replace(target)
    except sqlite3.Error as error:
        raise StateRefusedError(StateFault.UNREADABLE, f"{copy}: {error}") from error
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(target.parent)
    return True


def _copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    try:
        reading = sqlite3.connect(source.absolute().as_uri() + "?mode=ro", uri=True)
        writing = sqlite3.connect(target)
        try:
            reading.backup(writing)
            # One file: the copy must not need companions of its own.
            writing.execute("PRAGMA journal_mode=DELETE")
            require_sound(writing)
        finally:
            writing.close()
            reading.close()
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _require_same(copy: Path, sha512: str) -> None:
    if not copy.exists():
        raise StateRefusedError(StateFault.MISSING, str(copy))
    with copy.open("rb") as file:
        if hashlib.file_digest(file, "sha512").hexdigest() != sha512:
            raise StateRefusedError(StateFault.UNREADABLE, f"{copy} is not the one of its manifest")


def _is_empty(path: Path) -> bool:
    store = StateStore(path)
    try:
        return store.read(_nobody)
    finally:
        store.close()


def _nobody(session: Session) -> bool:
    tenants = session.exec(select(func.count()).select_from(Tenant)).one()
    return tenants <= 1 and session.exec(select(func.count()).select_from(Client)).one() == 0
