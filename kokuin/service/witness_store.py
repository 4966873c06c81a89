"""A witness's state in files: for every log the checkpoint that was cosigned last, and evidence.

`DIR/<origin hash>/checkpoint` is replaced whole, so any web server may serve
the folder as a monitoring prefix (C2SP tlog-witness).
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pqc.newfile import sync_folder, write_durably

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kokuin.ledger.witness import Inconsistency

MAX_EVIDENCE = 32
"""Files of evidence of one kind and log; the first ones are kept."""

_CHECKPOINT = "checkpoint"
_EVIDENCE = "evidence"
_LOCK = ".lock"


class WitnessFolder:
    """The `WitnessStore` of a folder. Safe for several threads and processes of one machine."""

    def __init__(self, folder: Path) -> None:
        """Args: the folder, which exists.

        Raises:
            NotADirectoryError: it does not.
        """
        if not folder.is_dir():
            raise NotADirectoryError(folder)
        self._folder = folder

    @contextmanager
    def exclusive(self, origin_hash: str) -> Iterator[None]:
        """Hold the log's state; others wait.

        Raises:
            OSError: the folder cannot be written.
        """
        folder = self._folder / origin_hash
        _make_durably(folder)
        # Opened anew each time: a lock belongs to the opened file, so threads exclude each other as well.
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def read(self, origin_hash: str) -> bytes | None:
        """Return the checkpoint that was cosigned last, or None."""
        try:
            return (self._folder / origin_hash / _CHECKPOINT).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, origin_hash: str, octets: bytes) -> None:
        """Replace that checkpoint, and return when it is durable."""
        write_durably(self._folder / origin_hash / _CHECKPOINT, octets)

    def keep_evidence(self, origin_hash: str, finding: Inconsistency, name: str, octets: bytes) -> None:
        """Keep evidence unless there is some of that name, or `MAX_EVIDENCE` of its kind."""
        folder = self._folder / origin_hash / _EVIDENCE
        _make_durably(folder)
        kept = {path.name for path in folder.glob(f"{finding}-*")}
        file = f"{finding}-{name}"
        if file not in kept and len(kept) < MAX_EVIDENCE:
            write_durably(folder / file, octets)


def _make_durably(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    # Each time, as a crash may have come between the two at the first one.
    sync_folder(folder.parent)
