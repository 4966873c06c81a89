from __future__ import annotations

import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from kokuin.ledger import schema
from kokuin.ledger.plan import Append
from kokuin.ledger.store import SqliteStore
from tests.ledger.samples import issued

if TYPE_CHECKING:
    from pathlib import Path


def test_the_migrations_make_the_tables_that_the_code_knows(path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        difference = compare_metadata(MigrationContext.configure(connection), schema.LedgerTable.metadata)
    engine.dispose()
    assert difference == []


@pytest.mark.parametrize("table", ["entry", "token", "node"])
@pytest.mark.parametrize(
    "change", ["DELETE FROM {}", "UPDATE {} SET idx = 7", "UPDATE OR REPLACE {} SET idx = 1"]
)
def test_leaves_and_tokens_refuse_to_be_changed(
    store: SqliteStore, path: Path, table: str, change: str
) -> None:
    store.commit([Append((issued(number),)) for number in range(600)], 1)
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(change.format(table))
    connection.close()


def test_a_value_of_another_type_is_refused_by_the_table(path: Path) -> None:
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT INTO entry VALUES (0, 'text', zeroblob(32))")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT INTO entry VALUES (0, zeroblob(9), zeroblob(31))")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT INTO head VALUES (2, 1, 0, 0, 0, 0, x'', x'')")
    connection.close()


def test_a_ledger_is_private_and_is_not_made_over_another(path: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    schema.create(made)
    assert made.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith("made")] == ["made"]
    with pytest.raises(FileExistsError):
        schema.create(path)


def test_what_a_crash_left_of_a_first_making_is_not_taken_for_a_ledger(tmp_path: Path) -> None:
    for name in ("ledger.new", "ledger.new-wal", "ledger.new-shm"):
        (tmp_path / name).write_bytes(b"half a ledger")
    schema.create(tmp_path / "ledger")
    SqliteStore(tmp_path / "ledger").close()


def test_a_path_with_signs_of_addresses_is_a_path(tmp_path: Path) -> None:
    folder = tmp_path / "100% a?b#c 刻印"
    folder.mkdir()
    schema.create(folder / "ledger")
    SqliteStore(folder / "ledger").close()
    assert (folder / "ledger").stat().st_size > 0


def test_upgrading_a_ledger_of_this_release_changes_nothing(store: SqliteStore, path: Path) -> None:
    store.commit([Append((issued(1),))], 1)
    store.close()
    schema.upgrade(path)
    again = SqliteStore(path)
    assert again.head.size == 1
    again.close()


def test_the_room_and_its_leaves_load_no_database_library() -> None:
    code = "import sys, kokuin.ledger.leaf; print({'sqlalchemy', 'sqlmodel', 'alembic'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
