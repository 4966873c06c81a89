"""The recipient's side of backups: its key pair, and restoring with it. No keeper is asked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kokuin.cli.keys_files import read_input, refuse_existing, write_output
from kokuin.cli.outcome import CommandError

if TYPE_CHECKING:
    import argparse

    from pqc.kem import RecipientKey

PASSPHRASE_VARIABLE = "TSA_RECIPIENT_PASSPHRASE"  # noqa: S105  # its name, no secret
"""The passphrase of a recipient's private key: not that of the units' keys."""


def restore_folder(arguments: argparse.Namespace) -> dict[str, Any]:
    """Open a backup with the recipient's private key, and make a data folder of it.

    Raises:
        CommandError: a file cannot be read, or the folder cannot be written.
    """
    from kokuin.service.backup_archive import BackupError
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.errors import START_ERRORS
    from kokuin.service.restoring import open_backup, restore
    from pqc.envelope_errors import EnvelopeError
    from pqc.keyfiles import KeyFileError

    try:
        opened = open_backup(read_input(arguments.file, most=None), _private_key(arguments.key))
        restore(opened, DataFolder(arguments.dir))
    except (EnvelopeError, BackupError, KeyFileError) as error:
        detail = str(error).removeprefix(error.problem.value).removeprefix(": ")
        return {"ok": False, "code": error.problem.value, "detail": detail}
    except OSError as error:
        path = error.filename or arguments.dir
        raise CommandError("keys.cannot_write", path=path, reason=error.strerror) from None
    except START_ERRORS as error:
        raise CommandError("cli.folder", reason=error) from None
    return {
        "ok": True,
        "folder": str(arguments.dir),
        "backup": opened.digest,
        "made_us": opened.manifest.at,
        "keys": sorted(opened.keys),
        "absent": [{"key": item.key, "reason": item.reason} for item in opened.manifest.absent],
    }


def make_recipient(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make a key pair for backups and write both halves.

    Raises:
        CommandError: a file is there, or cannot be written.
    """
    from pqc.envelope_suites import envelope_suite
    from pqc.kem import generate_kem_key
    from pqc.kem_files import public_pem, write_kem_key
    from pqc.suites import UnknownSuiteError

    private, public = (Path(f"{arguments.out}.{end}.pem") for end in ("key", "pub"))
    refuse_existing(public)
    try:
        suite = envelope_suite(arguments.suite)
    except UnknownSuiteError:
        return {"ok": False, "code": "SUITE_UNKNOWN", "detail": arguments.suite}
    key = generate_kem_key(suite.kem)
    passphrase = _passphrase()
    try:
        write_kem_key(private, key, passphrase)
    except OSError as error:
        raise CommandError("keys.cannot_write", path=private, reason=error.strerror) from None
    write_output(public, public_pem(key.recipient))
    return {
        "ok": True,
        "kind": suite.kem.value,
        "private": str(private),
        "public": str(public),
        "encrypted": passphrase is not None,
    }


def _private_key(path: Path) -> RecipientKey:
    from pqc.kem_files import read_kem_key

    return read_kem_key(path, _passphrase())


def _passphrase() -> bytes | None:
    return os.environ.get(PASSPHRASE_VARIABLE, "").encode() or None
