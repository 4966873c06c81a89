"""What stands beside a copy of the ledger: which moment it is of, and by what it is known again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

from kokuin.service.ledger_scene import ActRefusedError

if TYPE_CHECKING:
    from pathlib import Path

_MAX_MANIFEST = 1 << 20


class BackupError(ActRefusedError):
    """A copy was not made, or not put in place."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a copy holds.

    Attributes:
        v: version of the manifest.
        origin: of the epoch's checkpoints.
        epoch: of the ledger.
        size: number of leaves.
        root: of the tree over them, hex.
        checkpoint: the newest kept signed note; empty when there is none.
        octets: of the file.
        sha512: of the file, hex.
        made: when, microseconds since 1970 UTC.
        state: SHA-512, hex, of the copy of `state.db`; empty in manifests of releases that had none.
    """

    v: int
    origin: str
    epoch: int
    size: int
    root: str
    checkpoint: str
    octets: int
    sha512: str
    made: int
    state: str = ""

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read the manifest beside a copy.

        Raises:
            BackupError: it is not there, or is none.
        """
        path = manifest_path(file)
        try:
            with path.open("rb") as source:
                manifest = cls(**json.loads(source.read(_MAX_MANIFEST)))
        except OSError as error:
            raise BackupError("BACKUP_UNREADABLE", f"{path}: {error.strerror}") from None
        except (ValueError, TypeError, RecursionError) as error:
            raise BackupError("BACKUP_UNREADABLE", f"{path}: {error}") from None
        kinds = {"origin": str, "root": str, "checkpoint": str, "sha512": str, "state": str}
        if any(type(value) is not kinds.get(name, int) for name, value in asdict(manifest).items()):
            raise BackupError("BACKUP_UNREADABLE", f"{path}: a value of another type")
        if manifest.v != 1:
            raise BackupError("BACKUP_UNREADABLE", f"{path}: version {manifest.v}")
        return manifest


def manifest_path(file: Path) -> Path:
    """Return where the manifest of a copy lies."""
    return file.with_name(file.name + ".manifest")
