"""Ledgers made once a session for their time: an empty one in each kind of store, and a filled one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger import schema
from kokuin.ledger.store import SqliteStore
from tests.ledger.sound_store import fill
from tests.ledger.stores import PostgresKit, SqliteKit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.ledger.sound_store import SoundStore
    from tests.ledger.stores import Kit
    from tests.postgres import Postgres


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "ledger.sqlite"
    schema.create(path)
    return path


@pytest.fixture
def path(empty_ledger: Path, tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    shutil.copy(empty_ledger, path)
    return path


@pytest.fixture
def open_store(path: Path) -> Iterator[Callable[[], SqliteStore]]:
    opened: list[SqliteStore] = []

    def open_one() -> SqliteStore:
        opened.append(SqliteStore(path))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], SqliteStore]) -> SqliteStore:
    return open_store()


@pytest.fixture
def shared(postgres: Postgres) -> Iterator[PostgresKit]:
    """A ledger in PostgreSQL."""
    made = PostgresKit(postgres)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgres"])
def kit(request: pytest.FixtureRequest) -> Iterator[Kit]:
    """A ledger in each kind of store."""
    if request.param == "postgres":
        yield request.getfixturevalue("shared")
        return
    made = SqliteKit(request.getfixturevalue("path"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> SoundStore:
    """A filled and published store of a few tiles."""
    return fill(tmp_path_factory.mktemp("sound") / "small", 700, checkpoints=12)
