"""What of one log is public, and its entries (C2SP tlog-tiles): read for threads, which it blocks.

Checkpoint and hash tiles come from files: they are there while the ledger is
not. Entries are the records themselves and come from the ledger.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.ledger.checkpoint import read_checkpoint
from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.ledger.log_folder import LogFolder
from kokuin.ledger.note_faults import NoteError
from kokuin.ledger.proving import ProofFault
from kokuin.ledger.tile_files import TileFiles
from kokuin.service.ledger_store import open_reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kokuin.ledger.reader import StoreReader
    from kokuin.ledger.tiles import TilePath
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder


class LogFault(StrEnum):
    """Why something of the log is not given."""

    TILE_UNKNOWN = "TILE_UNKNOWN"
    """No tile has this path, or the published log is not so long."""
    ENTRIES_GONE = "ENTRIES_GONE"
    """The retention of a record in the bundle is over; its hash is still in the tile of level 0."""
    UNREADABLE = "LOG_UNREADABLE"
    """The files of the published log cannot be read, or are none."""


class LogRefusedError(Exception):
    """Something of the log is not given.

    Attributes:
        fault: the stable code.
    """

    def __init__(self, fault: LogFault | ProofFault) -> None:
        super().__init__(fault)
        self.fault = fault


@contextmanager
def reading(folder: DataFolder, config: Config) -> Iterator[StoreReader]:
    """Open the ledger for a moment's reading, whatever database it lies in.

    Raises:
        OpenRefusedError: it cannot be opened, or not be read within.
    """
    try:
        with open_reader(folder, config) as reader:
            yield reader
    except sqlite3.Error as error:
        raise OpenRefusedError(OpenFault.UNREADABLE, str(error)) from error


class PublishedLog:
    """The log of one folder. Any thread may use it."""

    def __init__(self, folder: DataFolder, config: Config) -> None:
        """Args: the folder that is served, and its settings."""
        self._folder, self._config = folder, config
        self._files = LogFolder(folder.log)
        self._tiles = TileFiles(folder.log)

    def checkpoint(self) -> bytes:
        """Return the published checkpoint.

        Raises:
            LogRefusedError: there is none yet, or it cannot be read.
        """
        with _judged():
            octets = self._files.checkpoint()
        if octets is None:
            raise LogRefusedError(ProofFault.CHECKPOINT_UNKNOWN)
        return octets

    def keys(self) -> bytes:
        """Return `log.vkey`.

        Raises:
            LogRefusedError: it cannot be read.
        """
        with _judged():
            return self._folder.log_keys.read_bytes()

    def tile(self, tile: TilePath) -> bytes:
        """Return a hash tile.

        Raises:
            LogRefusedError: the published log has no such tile, or it cannot be read.
        """
        self._require(tile)
        octets = self._tiles.tile(tile)
        if octets is None:
            raise LogRefusedError(LogFault.UNREADABLE)
        return octets

    def entries(self, bundle: TilePath) -> bytes:
        """Return an entry bundle.

        Raises:
            LogRefusedError: the published log has no such bundle, or a record in it has no octets any more.
            OpenRefusedError: the ledger cannot be read.
        """
        self._require(bundle)
        with reading(self._folder, self._config) as reader:
            leaves = [stored.leaf for stored in reader.walk(bundle.start, bundle.stop, tokens=False)]
        if len(leaves) != bundle.width:
            raise OpenRefusedError(OpenFault.BEHIND, f"no record {bundle.start + len(leaves)}")
        if not all(leaves):
            raise LogRefusedError(LogFault.ENTRIES_GONE)
        return b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)

    def _require(self, tile: TilePath) -> None:
        """Refuse what the published log is too short for.

        Files of a longer one may lie there, left by a crash before their checkpoint: nobody promised them.
        """
        try:
            size = read_checkpoint(self.checkpoint()).checkpoint.size
        except NoteError:
            raise LogRefusedError(LogFault.UNREADABLE) from None
        if tile.stop > size >> 8 * tile.level:
            raise LogRefusedError(LogFault.TILE_UNKNOWN)


@contextmanager
def _judged() -> Iterator[None]:
    try:
        yield
    except OSError:
        raise LogRefusedError(LogFault.UNREADABLE) from None
