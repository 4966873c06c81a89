"""Opening an export bundle for a check, also a sealed one."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from kokuin.cli.outcome import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kokuin.ledger.bundle_check import SeekableSource
    from pqc.kem import RecipientKey

PASSPHRASE_VARIABLE = "TSA_RECIPIENT_PASSPHRASE"  # noqa: S105  # its name, no secret


@contextmanager
def open_bundle(path: Path, recipient_key: Path | None) -> Iterator[SeekableSource]:
    """Open a bundle; a sealed one with its recipient's private key.

    Raises:
        CommandError: it is sealed and no key is named, or the key cannot be used.
        OSError: a file cannot be opened.
    """
    from kokuin.ledger.bundle_sealed import SealedSource, is_sealed

    file: BinaryIO
    with path.open("rb") as file:
        if not is_sealed(file):
            yield file
        elif recipient_key is None:
            raise CommandError("ledger.check.sealed")
        else:
            yield SealedSource(file, _read_key(recipient_key))


def _read_key(path: Path) -> RecipientKey:
    from pqc.kem_files import read_kem_key
    from pqc.keyfiles import KeyFileError

    try:
        return read_kem_key(path, os.environ.get(PASSPHRASE_VARIABLE, "").encode() or None)
    except KeyFileError as error:
        raise CommandError("ledger.check.cannot_read", path=path, reason=error) from None
