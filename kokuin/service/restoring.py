"""Restoring a backup into a fresh data folder: everything is judged in memory before anything is written.

The ledger of the restored folder is new. Its first leaves say from which
backup it came and what was brought into force.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from pydantic import ValidationError

from kokuin.ledger import schema
from kokuin.ledger.committer import Committer
from kokuin.ledger.store import SqliteStore
from kokuin.service.access import state
from kokuin.service.activation import activate
from kokuin.service.activation_error import ActivationError
from kokuin.service.backup import CONTENT_ARC
from kokuin.service.backup_archive import BackupError, BackupProblem, Manifest, read_archive
from kokuin.service.config import Config, ConfigError, load_config
from kokuin.service.datafolder import FORMAT
from kokuin.service.eseals.backup import SEALS, judge_seals
from kokuin.service.issuing import new_id
from kokuin.service.keeper_process import end_now
from kokuin.service.keystore import key_number
from kokuin.service.log_signing import make_log_keys
from kokuin.service.owner import OWNER
from kokuin.service.snapshot import Snapshot, SnapshotError, SnapshotFolder, read_snapshot
from kokuin.service.unit_errors import UnitError
from kokuin.service.units import read_passphrase
from kokuin.trust.journal import Refused
from kokuin.trust.records import BACKUP_RESTORED, Record
from pqc.envelope import open_envelope, stated_content_type
from pqc.envelope_errors import EnvelopeError, EnvelopeProblem
from pqc.keyfiles import read_clear_pem, write_key
from pqc.keyinfo import public_info
from pqc.newfile import write_durably
from pqc.signing import KeyMismatchError, SignerError, SoftwareSigner
from pqc.suites import UnknownSuiteError, suite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.service.backup_archive import BackedUpKey
    from kokuin.service.datafolder import DataFolder
    from kokuin.trust.records import LeafValue
    from pqc.kem import RecipientKey
    from pqc.keyinfo import PrivateKey

ACT_RESTORE = "restore"
"""Act of the snapshot that a restored folder begins with."""

_KEYS = "keys"
_KEYS_LINE = re.compile(r"^keys[ \t]*=.*$", re.MULTILINE)
_ORIGIN_LINE = re.compile(r"^origin[ \t]*=.*$", re.MULTILINE)
_LEDGER_TABLE = re.compile(r"^\[ledger\][ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class OpenedBackup:
    """A backup that was opened and judged; nothing of it is written yet.

    Attributes:
        digest: SHA-256 (hex) of the sealed file.
        manifest: what it says of itself.
        files: what to write, by path relative to the folder; no private key among it.
        keys: private keys by name.
        config: the settings, their paths as they stand in the file.
        snapshot: what was in force; None: nothing ever was.
    """

    digest: str
    manifest: Manifest
    files: Mapping[str, bytes]
    keys: Mapping[str, PrivateKey] = field(repr=False)
    config: Config
    snapshot: Snapshot | None


def open_backup(octets: bytes, key: RecipientKey) -> OpenedBackup:
    """Open a sealed backup and judge all that is in it.

    Raises:
        EnvelopeError: it is no backup, for another key, cut or changed.
        BackupError: what it holds cannot be used.
    """
    kind = stated_content_type(octets)
    if not kind.endswith(CONTENT_ARC):
        raise EnvelopeError(EnvelopeProblem.WRONG_CONTENT)
    manifest, parts = read_archive(open_envelope(key, octets, content_type_oid=kind))
    keys = {item.key: _key(item, parts) for item in manifest.keys}
    if {path for path in parts if path.startswith("keys/")} != {f"keys/{name}.pem" for name in keys}:
        raise BackupError(BackupProblem.KEY, "the manifest names other keys")
    judge_seals(manifest.keys, parts)
    config = _settings(parts)
    if config.arc + CONTENT_ARC != kind:
        raise BackupError(BackupProblem.SETTINGS, "another arc than the envelope says")
    return OpenedBackup(
        hashlib.sha256(octets).hexdigest(),
        manifest,
        {path: part for path, part in parts.items() if not path.startswith(("keys/", "active/"))},
        keys,
        config,
        _snapshot(manifest, parts),
    )


def restore(backup: OpenedBackup, folder: DataFolder) -> None:
    """Write a data folder from a backup: keys under the passphrase that is configured here.

    `format` is written last, so that a folder whose making was cut short is no data folder.

    Raises:
        BackupError: the folder is not empty, or the passphrase's file cannot be read; nothing was written.
        OSError, SnapshotError, ActivationError, OpenRefusedError: it cannot be written; it is no data folder.
    """
    passphrase = _passphrase(backup, folder)
    if folder.root.exists() and any(folder.root.iterdir()):
        raise BackupError(BackupProblem.FOLDER_IN_USE, f"{folder.root} is not empty")
    folder.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = {f"{_KEYS}/{name}.pem": key for name, key in backup.keys.items()}
    parents = {parent for path in (*backup.files, *keys) for parent in PurePosixPath(path).parents}
    for parent in sorted({*parents, PurePosixPath(_KEYS)} - {PurePosixPath()}):
        (folder.root / parent).mkdir(mode=0o700)
    folder.ledger.parent.mkdir(mode=0o700)
    for path, key in keys.items():
        write_key(folder.root / path, key, passphrase)
    for path, octets in backup.files.items():
        write_durably(folder.root / path, octets)
    if backup.snapshot is not None:
        SnapshotFolder(folder.active).save(backup.snapshot)
    schema.create(folder.ledger)
    state.create(folder.state)
    _new_log(folder, passphrase)
    asyncio.run(_record(backup, folder))
    write_durably(folder.format, f"{FORMAT}\n".encode("ascii"))


def _key(item: BackedUpKey, parts: Mapping[str, bytes]) -> PrivateKey:
    problem = BackupError(BackupProblem.KEY, ascii(item.key[:64]))
    # Names of seal keys are held against their profiles, once all are read.
    if not item.key.startswith(SEALS) and key_number(item.profile, item.key) is None:
        raise problem
    try:
        key = read_clear_pem(parts[f"keys/{item.key}.pem"])
        SoftwareSigner(suite(item.suite), key)
    except (KeyError, ValueError, TypeError, UnsupportedAlgorithm, UnknownSuiteError, KeyMismatchError):
        raise problem from None
    except SignerError as error:
        raise BackupError(BackupProblem.KEY, str(error)) from None
    if hashlib.sha256(public_info(key)).hexdigest() != item.public:
        raise problem
    return key


def _settings(parts: dict[str, bytes]) -> Config:
    """Return the settings, and put the place of the keys right: here they lie within the folder."""
    try:
        text = parts["config.toml"].decode()
        before = tomllib.loads(text)
        if "keys" in before:
            # Only a key of the top level, before the first table, can be meant.
            text = _KEYS_LINE.sub(f'{_KEYS} = "{_KEYS}"', text, count=1)
        text = _renamed(text)
        table = tomllib.loads(text)
        ledger = {**before.get("ledger", {}), "origin": table.get("ledger", {}).get("origin")}
        if table != {**before, **({"keys": _KEYS} if "keys" in before else {}), "ledger": ledger}:
            reason = "config.toml: `keys` or `ledger.origin` stands on no line of its own"
            raise BackupError(BackupProblem.SETTINGS, reason)
        config = Config.model_validate(table)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise BackupError(BackupProblem.SETTINGS, f"config.toml: {place}") from None
    except (KeyError, ValueError, RecursionError) as error:
        # Numbers of thousands of digits and deep nesting are no TOMLDecodeError.
        raise BackupError(BackupProblem.SETTINGS, f"config.toml: {type(error).__name__}") from None
    parts["config.toml"] = text.encode()
    return config


def _snapshot(manifest: Manifest, parts: Mapping[str, bytes]) -> Snapshot | None:
    wanted = {f"active/{manifest.active}.json"} if manifest.active else set()
    if {path for path in parts if path.startswith("active/")} != wanted:
        raise BackupError(BackupProblem.SNAPSHOT, "not the one that the manifest names")
    if not manifest.active:
        return None
    octets = parts[f"active/{manifest.active}.json"]
    if hashlib.sha256(octets).hexdigest() != manifest.active:
        raise BackupError(BackupProblem.SNAPSHOT, "not the one that was in force")
    try:
        return read_snapshot(octets)
    except SnapshotError as error:
        raise BackupError(BackupProblem.SNAPSHOT, str(error)) from None


def _passphrase(backup: OpenedBackup, folder: DataFolder) -> bytes | None:
    path = backup.config.passphrase_file
    config = backup.config
    if path is not None:
        config = config.model_copy(update={"passphrase_file": (folder.root / path).resolve()})
    try:
        return read_passphrase(config, dict(os.environ))
    except UnitError as error:
        raise BackupError(BackupProblem.SETTINGS, f"passphrase: {error}") from None


def _new_log(folder: DataFolder, passphrase: bytes | None) -> None:
    """Make the keys of the new ledger's log.

    Raises:
        ActivationError: they cannot be made.
    """
    try:
        make_log_keys(folder, load_config(folder.root), 1, passphrase)
    except (UnitError, ConfigError) as error:
        raise ActivationError(str(error)) from None


def _renamed(text: str) -> str:
    """Return the settings with another origin: a second log under the name of the first would be a fork."""
    line = f'origin = "kokuin-{secrets.token_hex(6)}.invalid/log"'
    if "ledger" not in tomllib.loads(text):
        return f"{text.rstrip()}\n\n[ledger]\n{line}\n"
    if "origin" not in tomllib.loads(text)["ledger"]:
        return _LEDGER_TABLE.sub(f"[ledger]\n{line}", text, count=1)
    return _ORIGIN_LINE.sub(line, text, count=1)


async def _record(backup: OpenedBackup, folder: DataFolder) -> None:
    """Write the first leaves: what is in force, and where it came from."""
    journal = Committer(SqliteStore(folder.ledger), capacity=16, clock_ns=time.time_ns, on_fatal=end_now)
    try:
        digest = ""
        if backup.snapshot is not None:
            fields = {"act": ACT_RESTORE, "actor": OWNER}
            digest = (await activate(journal, backup.snapshot, None, fields)).digest
        record: dict[str, LeafValue] = {
            "id": new_id(),
            "tenant": "service",
            "actor": OWNER,
            "cfg": digest,
            "backup": backup.digest,
            "made": backup.manifest.at,
            "keys": sorted(name for name in backup.keys if not name.startswith(SEALS)),
            "seals": sum(name.startswith(SEALS) for name in backup.keys),
        }
        outcome = await asyncio.wrap_future(journal.append(Record(BACKUP_RESTORED, record)))
        if isinstance(outcome, Refused):
            raise ActivationError(f"the ledger refused the record: {outcome.reason} {outcome.detail}")
    finally:
        await asyncio.to_thread(journal.close)
