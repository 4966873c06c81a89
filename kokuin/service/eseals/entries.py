"""Requests that outlive their connection: one folder each, which any worker of the machine can read.

A folder is made whole beside its name and then renamed, so that of two requests with one idempotency key one
wins. Whoever works on it holds its lock; the kernel lets go of it with the process, and others see that work
was lost. `made` is written before the ledger's record, `outcome` after it: a crash between the two loses no
seal, for the record says that it counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from kokuin.service.eseals.codes import SealCode, SealRefusedError
from pqc.filelock import LockHeldError, is_held, lock
from pqc.newfile import sync_folder, write_durably

if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import FileIO
    from pathlib import Path
    from typing import BinaryIO

KEPT_SECONDS = 24 * 3600
"""How long what was answered to a request is kept."""
MAX_KEPT = 4 << 30
"""Octets of all that is kept."""
MAX_ENTRIES = 10_000
_LOOKING_SECONDS = 0.5
"""How long who looks whether a request is worked on is waited for."""

_HEAD, _LOCK, _MADE, _OUTCOME, _CANCEL, _SEALED = (
    "head.json",
    "lock",
    "made.json",
    "outcome",
    "cancel",
    "sealed",
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as others find it.

    Attributes:
        head: who asked what, and when.
        made: the seal that was made, whether or not it was recorded; None: none was.
        outcome: how it ended; None: it did not.
        running: whether somebody works on it.
    """

    head: Mapping[str, Any]
    made: Mapping[str, Any] | None
    outcome: Mapping[str, Any] | None
    running: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A request that this process works on, until `close`."""

    path: Path
    held: FileIO

    @property
    def cancelled(self) -> bool:
        """Whether somebody wants it no more."""
        return (self.path / _CANCEL).exists()

    def keep(self, made: Mapping[str, Any], sealed: BinaryIO) -> None:
        """Put a sealed document on the disk, before its record is made.

        Raises:
            OSError: it cannot be written.
        """
        descriptor = os.open(self.path / _SEALED, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                sealed.seek(0)
                shutil.copyfileobj(sealed, file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
            write_durably(self.path / _MADE, json.dumps(made).encode())
        except OSError:
            (self.path / _SEALED).unlink(missing_ok=True)
            raise

    def end(self, outcome: Mapping[str, Any]) -> None:
        """Say how it ended.

        Raises:
            OSError: it cannot be written.
        """
        write_durably(self.path / _OUTCOME, json.dumps(outcome).encode())

    def close(self, *, drop: bool = False) -> None:
        """Let go of it, and with `drop` forget it: it can be asked for again."""
        if drop:
            _forget(self.path)
        self.held.close()


class Entries:
    """All requests that are kept in one folder; safe for several processes."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._swept = float("-inf")

    def claim(self, name: str, header: Mapping[str, Any]) -> Entry | Seen:
        """Begin a request, or return the one that has this name.

        Raises:
            SealRefusedError: what is kept fills the space that it may have.
            OSError: it cannot be written.
        """
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()
        while True:
            seen = self.look(name)
            if seen is not None:
                return seen
            fresh = self._root / f".{name}.{secrets.token_hex(8)}"
            fresh.mkdir(mode=0o700)
            held = None
            try:
                held = lock(fresh / _LOCK, 0.0)
                write_durably(fresh / _HEAD, json.dumps(header).encode())
                fresh.rename(self._root / name)
                sync_folder(self._root)
            except OSError:
                # Another was quicker, or nothing can be written.
                if held is not None:
                    held.close()
                shutil.rmtree(fresh, ignore_errors=True)
                if not (self._root / name).exists():
                    raise
                self._clear(name)
                continue
            return Entry(self._root / name, held)

    def look(self, name: str) -> Seen | None:
        """Return a request; None: there is none of that name, or it is over for long."""
        path = self._root / name
        header = _read(path / _HEAD)
        held = _is_held(path)
        if header is None or (not held and time.time() - float(header["since"]) > KEPT_SECONDS):
            return None
        # In this order: what ended between the two looks is seen as ended, and never as running.
        made, outcome = _read(path / _MADE), _read(path / _OUTCOME)
        return Seen(header, made, outcome, held and outcome is None)

    def take_over(self, name: str) -> Entry | None:
        """Return a request on which nobody works, to be worked on; None: somebody does."""
        path = self._root / name
        try:
            return Entry(path, lock(path / _LOCK, _LOOKING_SECONDS))
        except (LockHeldError, OSError):
            return None

    def open_sealed(self, name: str) -> IO[bytes]:
        """Return the sealed document of a request.

        Raises:
            OSError: it is not there.
        """
        return (self._root / name / _SEALED).open("rb")

    def cancel(self, name: str) -> None:
        """Say that nobody wants a request any more."""
        with contextlib.suppress(OSError):
            (self._root / name / _CANCEL).touch(mode=0o600)

    def drop(self, name: str) -> None:
        """Forget a request that has ended."""
        _forget(self._root / name)

    def _clear(self, name: str) -> None:
        """Forget what nobody sees and has the name still: its day has ended, or a crash left half of it."""
        entry = self.take_over(name)
        if entry is not None:
            entry.close(drop=_is_over(entry.path))

    def _sweep(self) -> None:
        """Forget what is old, at most once a minute, and see that there is room."""
        now = time.time()
        if now - self._swept >= 60:
            self._swept = now
            for path in self._root.iterdir():
                with contextlib.suppress(OSError):  # another worker was quicker
                    header = _read(path / _HEAD)
                    since = path.stat().st_mtime if header is None else float(header["since"])
                    if now - since > KEPT_SECONDS and not _is_held(path):
                        _forget(path)
        found = list(self._root.iterdir())
        size = sum(_size(path / _SEALED) for path in found)
        if len(found) >= MAX_ENTRIES or size >= MAX_KEPT:
            raise SealRefusedError(SealCode.STORE_FULL)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found


def _is_held(path: Path) -> bool:
    try:
        return is_held(path / _LOCK)
    except OSError:
        return False


def _is_over(path: Path) -> bool:
    header = _read(path / _HEAD)
    return header is None or time.time() - float(header["since"]) > KEPT_SECONDS


def _forget(path: Path) -> None:
    """Forget a request at once: a crash within this leaves a name that nobody asks for."""
    gone = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.rename(gone)
    except OSError:  # another one forgot it, or the disk takes nothing more
        gone = path
    shutil.rmtree(gone, ignore_errors=True)
