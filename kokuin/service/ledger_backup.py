"""Copies of the ledger's file while it is written, putting one in its place, and a drill of both.

A copy is one moment of the ledger, with a manifest beside it that says which,
and a copy of `state.db`, made after it: who may do what is never older there.
What is replaced is renamed, never deleted: it may be all that is left.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.ledger.checked import checked_head, require_schema, stored_root
from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.ledger.hashes import SqliteHashes
from kokuin.ledger.published import newest_checkpoint
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store_check import check_store
from kokuin.service.access.state_backup import copy_state, place_state, state_path
from kokuin.service.datafolder import FolderLock
from kokuin.service.ledger_manifest import BackupError, Manifest, manifest_path
from kokuin.service.log_signing import origin_of, published_keys
from kokuin.service.setting_aside import set_aside
from pqc.newfile import sync_folder, write_durably

if TYPE_CHECKING:
    from kokuin.ledger.plan import Head
    from kokuin.ledger.store_check import StoreVerdict
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder

_COMPANIONS = ("-wal", "-shm")
"""Of a store's file: the first holds what is durable and not in the file yet."""
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Drill:
    """What a drill came to: the check of the restored copy, and seconds for copying, restoring, checking."""

    manifest: Manifest
    verdict: StoreVerdict
    copy_s: float
    restore_s: float
    check_s: float


def backup(folder: DataFolder, config: Config, file: Path) -> Manifest:
    """Copy the ledger as it is at one moment, whoever writes to it, and verify the copy.

    Raises:
        BackupError: the file exists, or the ledger is in PostgreSQL, which has means of its own.
        OpenRefusedError: the ledger, or the copy, is not whole.
        StateRefusedError: `state.db` is not whole.
        UnitError: `trust/log.vkey` cannot be read.
        OSError: the copy cannot be written.
    """
    _require_file(config)
    if file.exists():
        raise BackupError("BACKUP_FILE_EXISTS", str(file))
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        _copy(folder.ledger, draft)
        head, checkpoint = _whole(folder, draft)
        octets, sha512 = _digest(draft)
        origin, note = origin_of(config, head.epoch), checkpoint.decode()
        made = time.time_ns() // 1_000
        state = copy_state(folder.state, state_path(file))
        manifest = Manifest(
            1, origin, head.epoch, head.size, head.root.hex(), note, octets, sha512, made, state
        )
        _sync(draft)
        write_durably(manifest_path(file), json.dumps(asdict(manifest), indent=2).encode() + b"\n")
        # A crash before this line leaves a draft and what lies beside, which the next attempt writes over.
        os.link(draft, file)
    except FileExistsError:
        raise BackupError("BACKUP_FILE_EXISTS", str(file)) from None
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(file.parent)
    return manifest


def restore(folder: DataFolder, config: Config, file: Path, *, aside: bool = False) -> Manifest:
    """Put a copy in the ledger's place, in a folder that nobody serves.

    Args:
        folder: the data folder, with its keys and its trust.
        config: its settings.
        file: the copy; its manifest lies beside it.
        aside: rename also a ledger that is longer than the copy, or another one.

    Raises:
        BackupError: the copy is damaged, or the present ledger holds what the copy has not.
        FolderError: the folder is in use.
        OpenRefusedError, UnitError: the copy is no whole ledger of this log.
        StateRefusedError: the copy of `state.db` is not whole.
        OSError: a file cannot be written.
    """
    _require_file(config)
    manifest = Manifest.read(file)
    with FolderLock(folder):
        draft = folder.ledger.with_name("restored.new")
        place(folder, file, manifest, draft)
        if folder.ledger.exists() and not aside:
            _require_contained(folder.ledger, draft)
        if manifest.state:
            place_state(state_path(file), manifest.state, folder.state)
        # With its companions: a write-ahead log that lay there would be taken for the copy's.
        set_aside(folder.ledger, *_COMPANIONS)
        # A crash before this line leaves no ledger; nothing is served, and restoring again goes on.
        draft.rename(folder.ledger)
        folder.ledger.with_name("search.db").unlink(missing_ok=True)
        sync_folder(folder.ledger.parent)
    return manifest


def place(folder: DataFolder, file: Path, manifest: Manifest, target: Path) -> None:
    """Copy a backup to where it is to lie, and see that it is what its manifest says.

    Raises:
        BackupError, OpenRefusedError, UnitError, OSError: as of `restore`.
    """
    target.unlink(missing_ok=True)
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with file.open("rb") as source, os.fdopen(descriptor, "wb") as sink:
        while block := source.read(_BLOCK):
            sink.write(block)
    _sync(target)
    if _digest(target) != (manifest.octets, manifest.sha512):
        raise BackupError("BACKUP_DAMAGED", f"{file} is not the one of its manifest")
    head, checkpoint = _whole(folder, target)
    if (head.size, head.root.hex(), checkpoint.decode()) != (
        manifest.size,
        manifest.root,
        manifest.checkpoint,
    ):
        raise BackupError("BACKUP_DAMAGED", f"{file} holds another ledger than its manifest says")


def drill(folder: DataFolder, config: Config, file: Path | None) -> Drill:
    """Copy the ledger, restore the copy in a scratch folder and check the whole of it.

    Args:
        folder: the data folder, served or not.
        config: its settings.
        file: where the copy is to stay; None: nowhere.

    Raises:
        BackupError, OpenRefusedError, UnitError, OSError: as of `backup` and `restore`.
    """
    with tempfile.TemporaryDirectory(dir=None if file is None else file.absolute().parent) as name:
        scratch = Path(name)
        copy = scratch / "copy" if file is None else file
        began = time.monotonic()
        manifest = backup(folder, config, copy)
        copied = time.monotonic()
        place(folder, copy, manifest, scratch / "restored")
        restored = time.monotonic()
        with LedgerReader(scratch / "restored") as reader:
            verdict = check_store(reader, published_keys(folder), None)
        times = (copied - began, restored - copied, time.monotonic() - restored)
        return Drill(manifest, verdict, *times)


def _require_file(config: Config) -> None:
    if config.ledger.postgres is not None:
        raise BackupError("LEDGER_IN_POSTGRESQL", "use the database's own backup")


def _copy(source: Path, target: Path) -> None:
    try:
        reading = sqlite3.connect(source.absolute().as_uri() + "?mode=ro", uri=True)
        writing = sqlite3.connect(target)
        try:
            require_schema(reading)
            # In one step: by several, a busy writer would make the copy begin again for ever. In WAL mode it
            # waits for nobody and keeps nobody waiting.
            reading.backup(writing)
            # One file: the copy must not need companions of its own.
            writing.execute("PRAGMA journal_mode=DELETE")
        finally:
            writing.close()
            reading.close()
    except sqlite3.Error as error:
        raise OpenRefusedError(OpenFault.UNREADABLE, f"{source}: {error}") from error


def _whole(folder: DataFolder, file: Path) -> tuple[Head, bytes]:
    """Return head and newest signed note of a copy that is whole, and whose note is the log's own."""
    connection = sqlite3.connect(file.absolute().as_uri() + "?mode=ro", uri=True)
    try:
        require_schema(connection)
        head = checked_head(connection)
        row = connection.execute("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1").fetchone()
        if row is None:
            return head, b""
        checkpoint = published_keys(folder).check(row[0]).checkpoint
        if stored_root(SqliteHashes(connection), checkpoint.size) != checkpoint.root:
            raise OpenRefusedError(OpenFault.INCONSISTENT, "its checkpoint is not of its tree")
        return head, row[0]
    except (sqlite3.Error, ValueError) as error:
        raise OpenRefusedError(OpenFault.UNREADABLE, f"{file}: {error}") from error
    finally:
        connection.close()


def _require_contained(present: Path, copy: Path) -> None:
    """Refuse to replace a ledger that holds what the copy has not."""
    try:
        with LedgerReader(present) as now, LedgerReader(copy) as then:
            size, kept, root = now.size(), then.size(), stored_root(now, now.size())
            if size > kept:
                raise BackupError("LEDGER_LONGER", f"{size} records are there, the copy has {kept}")
            if root is None or stored_root(then, size) != root:
                raise BackupError(
                    "LEDGER_DIFFERENT", "the copy does not begin with the records that are there"
                )
            if newest_checkpoint(now) != newest_checkpoint(then, size):
                raise BackupError("LEDGER_DIFFERENT", "the copy lacks a checkpoint that was signed")
    except (sqlite3.Error, OpenRefusedError) as error:
        raise BackupError("LEDGER_DIFFERENT", f"what is there cannot be read: {error}") from error


def _digest(file: Path) -> tuple[int, str]:
    with file.open("rb") as source:
        digest = hashlib.file_digest(source, "sha512").hexdigest()
    return file.stat().st_size, digest


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
