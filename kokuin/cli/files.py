"""Files that commands read, bounded, and write, whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.cli.outcome import CommandError

if TYPE_CHECKING:
    from pathlib import Path


def read_bounded(path: Path, most: int) -> bytes:
    """Return a file, of one that is too large one octet more than can be used.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(most + 1)


def write_whole(path: Path, octets: bytes, refusal: str) -> None:
    """Write a file that others may read; an older one is replaced, and what a full disk cut short is none.

    Args:
        path: of the file.
        octets: all of it.
        refusal: key of the sentence that tells of `path` and `reason`.

    Raises:
        CommandError: it cannot be written.
    """
    from pqc.newfile import write_durably

    try:
        write_durably(path, octets, 0o644)
    except OSError as error:
        raise CommandError(refusal, path=path, reason=error.strerror) from None
