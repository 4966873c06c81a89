"""Where a folder's ledger lies: a file in it, or a PostgreSQL database that several nodes share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.ledger.reader import LedgerReader

if TYPE_CHECKING:
    from kokuin.ledger.port import LedgerStore
    from kokuin.ledger.reader import StoreReader
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder

_EXTRA = "a ledger in PostgreSQL needs the extra postgres: pip install 'kokuin[postgres]'"


def open_store(folder: DataFolder, config: Config) -> LedgerStore:
    """Open the ledger for writing.

    Raises:
        OpenRefusedError: it cannot be trusted to hold what it should, or cannot be reached.
    """
    if config.ledger.postgres is None:
        from kokuin.ledger.store import SqliteStore  # noqa: PLC0415  # its libraries are the keeper's alone

        return SqliteStore(folder.ledger)
    try:
        from kokuin.ledger.postgres import PostgresStore  # noqa: PLC0415  # an extra that need not be installed
    except ImportError:
        raise OpenRefusedError(OpenFault.UNREADABLE, _EXTRA) from None
    return PostgresStore(config.ledger.postgres, config.ledger.node)


def open_reader(folder: DataFolder, config: Config) -> StoreReader:
    """Open the ledger for reading.

    Raises:
        OpenRefusedError: it cannot be read, or another release made it.
    """
    if config.ledger.postgres is None:
        return LedgerReader(folder.ledger)
    try:
        from kokuin.ledger.postgres_reader import PostgresReader  # noqa: PLC0415  # an extra, as above
    except ImportError:
        raise OpenRefusedError(OpenFault.UNREADABLE, _EXTRA) from None
    return PostgresReader(config.ledger.postgres, config.ledger.node)
