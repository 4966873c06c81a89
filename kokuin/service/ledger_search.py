"""Searching the ledger of a data folder: for the workers' routes, in threads, and for the command."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.ledger.search import STEP, Page, Progress, SearchIndex, find
from kokuin.ledger.search_file import SearchRefusedError
from kokuin.ledger.search_query import TENANT, read_fields
from kokuin.service.ledger_store import open_reader

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.ledger.reader import Stored, StoreReader
    from kokuin.ledger.search_query import Query
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder

_Found = TypeVar("_Found")
_TEXT = "SELECT text FROM side WHERE idx = ?"

REFUSALS = (SearchRefusedError, OpenRefusedError)
"""What keeps a search from an answer; each has `fault`, a stable code."""


class LedgerSearch:
    """The ledger of one folder and its search index; nothing stays open between two calls, of any thread."""

    def __init__(self, folder: DataFolder, config: Config) -> None:
        """Args: the folder, served or not, and its settings."""
        self._folder, self._config = folder, config
        self._index = SearchIndex(folder.ledger.with_name("search.db"))

    def find(self, query: Query) -> Page | Progress:
        """Find a page, reading what is new in the ledger; Progress when that is more than a step.

        Raises:
            SearchRefusedError, OpenRefusedError: the index or the ledger cannot be used.
        """
        return self._read(lambda reader: find(self._index, reader, query))

    def build(self, most: int = STEP) -> Progress:
        """Read some leaves into the index.

        Raises:
            SearchRefusedError, OpenRefusedError: the index or the ledger cannot be used.
        """
        return self._read(lambda reader: self._index.catch_up(reader, most))

    def forget(self) -> None:
        """Remove the index.

        Raises:
            SearchRefusedError: it cannot be removed.
        """
        self._index.forget()

    def record(self, index: int) -> Stored | None:
        """Return one leaf, None beyond the end.

        Raises:
            OpenRefusedError: the ledger cannot be read.
        """
        return self._read(lambda reader: reader.by_index(index))

    def texts(self, page: Page) -> dict[int, str]:
        """Return the erasable texts that records of a page commit to, by index: for the folder's owner alone.

        Raises:
            OpenRefusedError: the ledger cannot be read.
        """
        indexes = [stored.index for stored in page.hits]

        def read(reader: StoreReader) -> dict[int, str]:
            rows = ((index, reader.execute(_TEXT, (index,))) for index in indexes)
            return {index: str(found[0][0]) for index, found in rows if found}

        return self._read(read)

    def _read(self, act: Callable[[StoreReader], _Found]) -> _Found:
        try:
            with open_reader(self._folder, self._config) as reader:
                return act(reader)
        except sqlite3.Error as error:
            raise OpenRefusedError(OpenFault.UNREADABLE, str(error)) from error


class SearchDesk:
    """Where a worker has the ledger searched: in threads, one at a time, never on its loop.

    A search that finds the index far behind is told so, and the rest is read in steps between other searches.
    """

    def __init__(self, folder: DataFolder, config: Config) -> None:
        """Args: the folder that is served, and its settings."""
        self._search = LedgerSearch(folder, config)
        # One thread, not as many as there are requests: others need the pool's, and the index has one lock.
        self._turn = asyncio.Lock()
        self._building: asyncio.Task[None] | None = None

    async def find(self, query: Query) -> dict[str, Any] | Progress:
        """Return the document of a page, or how far the index is being built.

        Raises:
            SearchRefusedError, OpenRefusedError: the index or the ledger cannot be used.
        """
        async with self._turn:
            found = await asyncio.to_thread(self._find, query)
        if isinstance(found, Progress) and (self._building is None or self._building.done()):
            self._building = asyncio.create_task(self._build(), name="search index")
        return found

    async def record(self, index: int, sees: Callable[[str], bool]) -> dict[str, Any] | None:
        """Return the document of one leaf, None beyond the end.

        Args:
            index: in the ledger.
            sees: says of a tenant's pseudonym whether its records may be shown; else the hash alone is.

        Raises:
            OpenRefusedError: the ledger cannot be read.
        """
        async with self._turn:
            stored = await asyncio.to_thread(self._search.record, index)
        if stored is None:
            return None
        return record_document(stored if sees(tenant_of(stored)) else replace(stored, leaf=b"", token=None))

    def _find(self, query: Query) -> dict[str, Any] | Progress:
        found = self._search.find(query)
        return page_document(found) if isinstance(found, Page) else found

    async def _build(self) -> None:
        done = False
        while not done:
            async with self._turn:
                try:
                    done = (await asyncio.to_thread(self._search.build)).done
                except REFUSALS:
                    # Whoever searches next meets the same, and is told.
                    return


def tenant_of(stored: Stored) -> str:
    """Return the pseudonym of the tenant whose record it is; empty where the leaf does not say."""
    tenant = read_fields(stored.leaf).get(TENANT)
    return tenant if isinstance(tenant, str) else ""


def page_document(page: Page) -> dict[str, Any]:
    """Return a page as JSON has it."""
    return {
        "records": [record_document(stored) for stored in page.hits],
        "next": page.next or None,
        "stale": page.stale,
    }


def record_document(stored: Stored) -> dict[str, Any]:
    """Return a leaf as JSON has it; `leaf` is null when its retention is over, or when it is no JSON."""
    return {
        "index": stored.index,
        "leaf": read_fields(stored.leaf) or None,
        "leaf_hash": stored.leaf_hash.hex(),
        "token": stored.token is not None,
    }
