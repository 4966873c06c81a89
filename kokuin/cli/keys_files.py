"""Files that commands read and write: bounded, never overwritten, and a refusal is one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.cli.outcome import CommandError

if TYPE_CHECKING:
    from pathlib import Path

MAX_INPUT = 512 * 1024
"""Octets of certificates and public keys that are read."""


def read_input(path: Path, most: int | None = MAX_INPUT) -> bytes:
    """Read a file of at most so many octets; None: as many as an envelope may have.

    Raises:
        CommandError: it cannot be read, or is longer.
    """
    from pqc.envelope_syntax import MAX_ENVELOPE

    limit = most or MAX_ENVELOPE
    try:
        with path.open("rb") as file:
            octets = file.read(limit + 1)
    except OSError as error:
        raise CommandError("keys.cannot_read", path=path, reason=error.strerror) from None
    if len(octets) > limit:
        raise CommandError("keys.cannot_read", path=path, reason=f"> {limit}")
    return octets


def refuse_existing(path: Path, *, devices: bool = False) -> None:
    """Look before the work is done whether its result could be written.

    Args:
        path: where it is to be written.
        devices: whether a pipe or device of that name is written to.

    Raises:
        CommandError: the file is there: nothing is overwritten.
    """
    if path.is_file() or (path.exists() and not devices):
        raise CommandError("keys.exists", path=path)


def write_output(path: Path, octets: bytes) -> None:
    """Write a new file for its owner alone.

    Raises:
        CommandError: it is there, or cannot be written.
    """
    from pqc.newfile import write_new

    try:
        write_new(path, octets)
    except OSError as error:
        raise CommandError("keys.cannot_write", path=path, reason=error.strerror) from None
