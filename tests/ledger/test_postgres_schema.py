"""Who may do what in a ledger's database, and how it is made."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege, RestrictViolation

from kokuin.ledger import postgres_schema
from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.ledger.postgres import PostgresStore
from kokuin.ledger.published import KeptCheckpoint, KeptStamp, keep_checkpoint, keep_cosignature, keep_stamp
from kokuin.ledger.schema import LedgerTable
from kokuin.trust.records import Receipt, Record
from tests.ledger.samples import NOW, check_ledger, issued, one
from tests.ledger.stores import LEDGER_OWNER, PostgresKit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kokuin.ledger.published import Rows
    from tests.postgres import Postgres

RECORDS = ("entry", "token", "node", "checkpoint", "cosignature", "stamp")
"""Tables whose rows stay as they are, whoever asks."""

COLUMNS = dict.fromkeys(RECORDS, "size") | dict.fromkeys(("entry", "token", "node"), "idx")

CHANGES = (
    *(f"UPDATE {table} SET {column} = {column} + 1" for table, column in COLUMNS.items()),  # noqa: S608 - constants only
    *(f"DELETE FROM {table}" for table in RECORDS),  # noqa: S608 - constants only
    *(f"TRUNCATE {table}" for table in RECORDS),
    "UPDATE side SET text = ''",
)


@pytest.fixture(scope="module")
def full(postgres: Postgres) -> Iterator[PostgresKit]:
    """A ledger with a row in every table, that no test changes."""
    made = PostgresKit(postgres)
    fill(made)
    yield made
    made.close()


def fill(kit: PostgresKit) -> None:
    """Put a row into every table."""
    store = kit.open()
    store.commit([one(*[issued(number) for number in range(256)], Record("a.b", personal="花子"))], NOW)

    def publish(rows: Rows) -> None:
        keep_checkpoint(rows, KeptCheckpoint(257, store.head.root, b"note", NOW))
        keep_cosignature(rows, 257, "witness", "line", NOW)
        keep_stamp(rows, KeptStamp(257, "tsa", b"der", NOW))

    store.transact(publish)


def run_as(kit: PostgresKit, role: str, *statements: str) -> None:
    with psycopg.connect(kit.server.dsn(kit.name, role), autocommit=True) as connection:
        connection.execute(b"SET search_path = kokuin")
        for statement in statements:
            connection.execute(statement.encode())


@pytest.mark.parametrize("change", CHANGES)
def test_records_are_changed_by_nobody(full: PostgresKit, change: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        run_as(full, postgres_schema.APPEND_ROLE, change)
    for role in (LEDGER_OWNER, "postgres"):
        with pytest.raises(RestrictViolation, match="append-only"):
            run_as(full, role, change)
    with pytest.raises(RestrictViolation, match="append-only"):
        run_as(full, "postgres", "SET session_replication_role = replica", change)


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM head",
        "INSERT INTO head SELECT * FROM head",
        "DELETE FROM ix",
        "UPDATE ix SET node = 'other'",
        "DELETE FROM side",
        "DELETE FROM unit_high",
        "DELETE FROM node_cfg",
        "UPDATE alembic_version SET version_num = '9'",
        "ALTER TABLE entry DISABLE TRIGGER USER",
        "DROP TABLE entry",
        "CREATE TABLE more (a int)",
    ],
)
def test_the_running_role_can_do_no_more_than_it_needs(full: PostgresKit, change: str) -> None:
    with pytest.raises((InsufficientPrivilege, psycopg.errors.UndefinedTable)):
        run_as(full, postgres_schema.APPEND_ROLE, change)


def test_the_owner_lets_octets_go_whose_retention_is_over_and_nothing_else(shared: PostgresKit) -> None:
    fill(shared)
    with pytest.raises(RestrictViolation):
        run_as(shared, LEDGER_OWNER, "DELETE FROM token WHERE idx = 3")
    for change in ("leaf = 'x'", "leaf = '', leaf_hash = sha256('x')", "leaf = '', idx = 1000"):
        with pytest.raises(RestrictViolation):
            run_as(shared, LEDGER_OWNER, f"UPDATE entry SET {change} WHERE idx = 3")  # noqa: S608 - constants only
    run_as(
        shared,
        LEDGER_OWNER,
        "UPDATE entry SET leaf = '' WHERE idx = 3",
        "DELETE FROM token WHERE idx = 3",
        "DELETE FROM side",
    )
    with shared.reader() as reader:
        stored = reader.by_index(3)
        assert stored is not None
        assert (stored.leaf, stored.token) == (b"", None)
    assert shared.open().head.size == 257


def test_the_tables_hold_what_the_other_stores_do(shared: PostgresKit) -> None:
    rows = shared.server.do(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'kokuin'",
        shared.name,
    )
    tables = LedgerTable.metadata.sorted_tables
    other = {(table.name, column.name) for table in tables for column in table.columns}
    ours = set(rows) - {("alembic_version", "version_num")}
    assert ours - other == {("node_cfg", "node"), ("node_cfg", "cfg_epoch"), ("ix", "node")}
    assert other - ours == {("head", "cfg_epoch")}


def test_a_value_that_no_ledger_has_is_refused_by_the_table(shared: PostgresKit) -> None:
    for statement in (
        "INSERT INTO entry VALUES (0, 'x', 'short')",
        "INSERT INTO entry VALUES (-1, 'x', sha256('x'))",
        "INSERT INTO node VALUES (1, 0, 'short')",
        "INSERT INTO head SELECT 2, epoch, size, at, acted, root, peaks FROM head",
    ):
        with pytest.raises(psycopg.IntegrityError):
            run_as(shared, "postgres", statement)


def test_a_ledger_is_not_made_over_another(shared: PostgresKit) -> None:
    shared.open().commit([one(issued(1))], NOW)
    owner = shared.server.dsn(shared.name, LEDGER_OWNER)
    shared.server.do(f"GRANT CREATE ON DATABASE {shared.name} TO {LEDGER_OWNER}")
    with pytest.raises(FileExistsError):
        postgres_schema.create(owner)
    with shared.reader() as reader:
        assert len(check_ledger(reader)) == 1


def test_another_role_may_be_the_one_that_appends(postgres: Postgres) -> None:
    name = postgres.database()
    role = 'an "odd" role'
    postgres.do('CREATE ROLE "an ""odd"" role" LOGIN')
    postgres_schema.create(postgres.dsn(name), role)
    store = PostgresStore(postgres.dsn(name, role), "a node's name; DROP {} %s")
    assert store.commit([one(issued(1))], NOW) == [(Receipt(0, NOW),)]
    store.close()
    postgres.drop(name)
    postgres.do('DROP ROLE "an ""odd"" role"')


@pytest.mark.parametrize("options", ["ENCODING 'SQL_ASCII'", "ENCODING 'LATIN1'"])
def test_a_database_that_cannot_hold_every_text_is_refused(postgres: Postgres, options: str) -> None:
    postgres.do(f"CREATE DATABASE narrow TEMPLATE template0 {options} LOCALE 'C'")
    with pytest.raises(OpenRefusedError, match="not UTF8"):
        postgres_schema.create(postgres.dsn("narrow"))
    postgres.drop("narrow")


def test_what_cannot_be_made_leaves_nothing(postgres: Postgres) -> None:
    name = postgres.database()
    for dsn, role in ((postgres.dsn(name), "no_such_role"), (postgres.dsn(name, "nobody"), "kokuin_append")):
        with pytest.raises(OpenRefusedError) as refused:
            postgres_schema.create(dsn, role)
        assert refused.value.fault is OpenFault.UNREADABLE
    assert postgres.do("SELECT to_regnamespace('kokuin')", name) == [(None,)]
    postgres.drop(name)


def test_a_ledger_in_a_file_loads_no_driver_of_servers() -> None:
    code = "import sys, kokuin.ledger.store, kokuin.ledger.reader; print('psycopg' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
