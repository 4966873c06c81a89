"""Backups: software keys, certificates, settings and what was in force, sealed to one ML-KEM recipient.

Private keys stand inside as PKCS#8 in the clear (ML-DSA as its seed): the
envelope alone protects them, and who restores chooses another passphrase. Keys
in devices are the device's to back up; a key that was replaced signs nothing
any more, and no copy of it is made.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin import __version__
from kokuin.service.backup_archive import (
    MAX_BACKUP,
    AbsentKey,
    BackedUpKey,
    BackupError,
    BackupProblem,
    Manifest,
    write_archive,
)
from kokuin.service.eseals.backup import back_up_seals
from kokuin.service.keys_view import KeyUse, numbers, owners, use_of
from kokuin.service.keystore import in_device, key_file, key_name
from kokuin.service.provisioning import Act
from kokuin.service.units import read_passphrase
from kokuin.trust.records import BACKUP_MADE
from pqc.envelope import seal_envelope
from pqc.envelope_suites import ENVELOPE_SUITES, envelope_suite
from pqc.kem_files import read_recipient
from pqc.keyfiles import clear_pem, read_key
from pqc.keyinfo import public_info

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.snapshot import Snapshot
    from kokuin.trust.records import LeafValue
    from pqc.envelope_suites import EnvelopeSuite
    from pqc.kem import Recipient

CONTENT_ARC = ".0.1"
"""Content type of a backup below the configured arc; profiles have arcs from 1 on."""

_TRUST = frozenset({".pem", ".crt", ".cer", ".der", ".crl", ".vkey", ".csr"})


@dataclass(frozen=True, slots=True)
class SealedBackup:
    """A backup as it may lie anywhere.

    Attributes:
        octets: the envelope.
        suite: id of its envelope suite.
        keys: names of the private keys in it.
        absent: names of those that are not, and why.
    """

    octets: bytes
    suite: str
    keys: tuple[str, ...]
    absent: tuple[tuple[str, str], ...]


def make_backup(  # noqa: PLR0913  # what goes in, to whom, and who is told
    folder: DataFolder,
    config: Config,
    snapshot: Snapshot,
    recipient_pem: bytes,
    suite_id: str,
    *,
    active: str,
    now: dt.datetime,
    on_act: Callable[[Act], None],
) -> SealedBackup:
    """Collect and seal what is needed to go on with the same units elsewhere.

    Args:
        folder: the data folder.
        config: its settings.
        snapshot: what is in force.
        recipient_pem: whom it is for: ML-KEM public key, or a certificate of one.
        suite_id: the envelope suite.
        active: digest of `snapshot`; empty when nothing was ever in force.
        now: the present moment.
        on_act: told that it was made.

    Raises:
        UnknownSuiteError: there is no such suite.
        EnvelopeError: the recipient's key cannot be used.
        BackupError: the recipient's key is not of the suite's kind, there is too much, or a file has a name
            that no backup takes.
        KeyFileError: a private key cannot be read.
        SignerError: a device cannot be reached.
        OSError: another file cannot be read.
    """
    suite, recipient = envelope_suite(suite_id), read_recipient(recipient_pem)
    if recipient.kind is not suite.kem:
        raise BackupError(BackupProblem.RECIPIENT, _other_kind(suite, recipient))
    parts = dict(_files(folder, config))
    if active:
        parts[f"active/{active}.json"] = snapshot.octets()
    keys: list[BackedUpKey] = []
    absent: list[AbsentKey] = []
    passphrase = read_passphrase(config, dict(os.environ))
    for name, found in _keys(folder, config, snapshot, passphrase):
        if isinstance(found, AbsentKey):
            absent.append(found)
        else:
            parts[f"keys/{name}.pem"], described = found
            keys.append(described)
    sealing, seal_keys = back_up_seals(folder, config, passphrase)
    parts |= sealing
    at = int(now.timestamp() * 1_000_000)
    manifest = Manifest(__version__, at, active, (*keys, *seal_keys), tuple(absent))
    octets = seal_envelope(
        suite, recipient, write_archive(manifest, parts), content_type_oid=config.arc + CONTENT_ARC
    )
    made = SealedBackup(
        octets,
        suite.id,
        tuple(item.key for item in manifest.keys),
        tuple((item.key, item.reason) for item in absent),
    )
    fields: dict[str, LeafValue] = {
        "backup": hashlib.sha256(octets).hexdigest(),
        "recipient": hashlib.sha256(recipient.public_octets).hexdigest(),
        "suites": [suite.id],
        "keys": [item.key for item in keys],
        # Their number: names of all tenants' would not fit a leaf.
        "seals": len(seal_keys),
    }
    on_act(Act(BACKUP_MADE, fields))
    return made


def _other_kind(suite: EnvelopeSuite, recipient: Recipient) -> str:
    named = [f"--suite {each.id}" for each in ENVELOPE_SUITES.values() if each.kem is recipient.kind]
    return (
        f"the recipient is for {recipient.kind.value}, {suite.id} wants {suite.kem.value}: "
        f"name {' or '.join(named)}, or make one with `tsa keys recipient --suite {suite.id}`"
    )


def _files(folder: DataFolder, config: Config) -> Iterator[tuple[str, bytes]]:
    """Yield what lies in the data folder and is no record and no key."""
    yield "config.toml", _read(folder.config)
    if folder.operator.exists():
        yield folder.operator.name, _read(folder.operator)
    trust = folder.anchors.parent
    for path in sorted(item for item in trust.iterdir() if item.suffix in _TRUST and item.is_file()):
        yield f"{trust.name}/{path.name}", _read(path)
    for path in sorted(folder.profiles.glob("*.toml")):
        yield f"{folder.profiles.name}/{path.name}", _read(path)
    for path in sorted(folder.root.resolve().glob("*.toml")):
        if str(path) == config.policy.issue:
            yield path.name, _read(path)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        octets = file.read(MAX_BACKUP + 1)
    if len(octets) > MAX_BACKUP:
        raise BackupError(BackupProblem.TOO_LARGE, str(path))
    return octets


def _keys(
    folder: DataFolder, config: Config, snapshot: Snapshot, passphrase: bytes | None
) -> Iterator[tuple[str, AbsentKey | tuple[bytes, BackedUpKey]]]:
    for profile in owners(folder, snapshot):
        for number in numbers(config, snapshot, profile.name):
            name = key_name(profile.name, number)
            if in_device(config, profile.name):
                yield name, AbsentKey(name, "device")
            elif use_of(snapshot, profile.name, number) is KeyUse.RETIRED:
                yield name, AbsentKey(name, "retired")
            else:
                key = read_key(key_file(config, profile.name, number), passphrase)
                public = hashlib.sha256(public_info(key)).hexdigest()
                described = BackedUpKey(name, profile.name, profile.tst.id, public)
                yield name, (clear_pem(key), described)
