"""The stores that the contract holds for, each with what a test may do to it behind its back."""

from __future__ import annotations

import shutil
import sqlite3
import time
from typing import TYPE_CHECKING, Protocol

import psycopg
from psycopg.conninfo import make_conninfo

from kokuin.ledger import postgres_schema
from kokuin.ledger.postgres import PostgresStore
from kokuin.ledger.postgres_reader import PostgresReader
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store import SqliteStore
from tests.ledger.samples import error, fail_at, inject
from tests.ports import LOOPBACK
from tests.postgres_proxy import Cut, CuttingProxy

if TYPE_CHECKING:
    from pathlib import Path

    from kokuin.ledger.plan import Value
    from kokuin.ledger.port import LedgerStore
    from kokuin.ledger.reader import StoreReader
    from tests.postgres import Postgres

LEDGER_OWNER = "kokuin_owner"
TEMPLATE = "ledger_template"


class Kit(Protocol):
    """One empty ledger and everything that a test of the contract does with it."""

    def open(self) -> LedgerStore:
        """Open a writer; every one is another node where the store knows nodes."""

    def reader(self) -> StoreReader:
        """Open a reader, of the first node."""

    def tamper(self, statement: str, *values: Value) -> None:
        """Run a statement past all guards; `?` stands for a value."""

    def copy(self) -> str:
        """Copy the whole store, which nobody has open, and return the copy's name."""

    def put(self, copy: str) -> None:
        """Put a copy in the place of the store, which nobody has open."""

    def lose_reply(self, store: LedgerStore, *, durable: bool) -> None:
        """Let the next COMMIT of a store end without an answer, done or not."""

    def close(self) -> None:
        """Close every writer and remove what was made."""


class SqliteKit:
    """A ledger in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: list[SqliteStore] = []

    def open(self) -> SqliteStore:
        self._opened.append(SqliteStore(self.path))
        return self._opened[-1]

    def reader(self) -> LedgerReader:
        return LedgerReader(self.path)

    def tamper(self, statement: str, *values: Value) -> None:
        connection = sqlite3.connect(self.path, isolation_level=None)
        named = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (trigger,) in named:
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute(statement, values)
        connection.close()

    def copy(self) -> str:
        return str(shutil.copy(self.path, self.path.with_suffix(".copy")))

    def put(self, copy: str) -> None:
        shutil.copy(copy, self.path)

    def lose_reply(self, store: LedgerStore, *, durable: bool) -> None:
        assert isinstance(store, SqliteStore)
        driver = store._connection

        def commit_and_lose_the_reply(statement: str) -> None:
            if statement == "COMMIT":
                driver.execute("COMMIT")
                raise error(sqlite3.SQLITE_INTERRUPT)

        inject(store, commit_and_lose_the_reply if durable else fail_at("COMMIT", sqlite3.SQLITE_INTERRUPT))

    def close(self) -> None:
        for store in self._opened:
            store.close()


class PostgresKit:
    """A ledger in a database of its own."""

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self.name = server.database(TEMPLATE)
        self._opened: list[PostgresStore] = []
        self._proxies: list[CuttingProxy] = []

    @property
    def dsn(self) -> str:
        """How the running role reaches the ledger."""
        return self.server.dsn(self.name, postgres_schema.APPEND_ROLE)

    def open(self) -> PostgresStore:
        self._opened.append(PostgresStore(self.dsn, f"node{len(self._opened)}"))
        return self._opened[-1]

    def reader(self, node: str = "node0") -> PostgresReader:
        return PostgresReader(self.dsn, node)

    def tamper(self, statement: str, *values: Value) -> None:
        with psycopg.connect(self.server.dsn(self.name), autocommit=True) as connection:
            connection.execute(b"SET search_path = kokuin")
            for table in postgres_schema.RIGHTS:
                connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
            connection.execute(statement.replace("?", "%s").encode(), values)

    def copy(self) -> str:
        # A connection that was closed is one until its process has seen that, and the server waits for it
        # only so long.
        there = "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = "
        while self.server.do(f"{there}'{self.name}'"):
            time.sleep(0.01)
        return self.server.database(self.name)

    def put(self, copy: str) -> None:
        self.server.drop(self.name)
        self.server.do(f"CREATE DATABASE {self.name} TEMPLATE {copy}")

    def lose_reply(self, store: LedgerStore, *, durable: bool) -> None:
        assert isinstance(store, PostgresStore)
        self.cut_at_commit(store, Cut.AFTER if durable else Cut.BEFORE)

    def cut_at_commit(self, store: PostgresStore, when: Cut) -> None:
        """Let a writer go on through a proxy that cuts the connection at the next COMMIT."""
        proxy = CuttingProxy(self.server.socket)
        self._proxies.append(proxy)
        store._dsn = make_conninfo(self.dsn, host=LOOPBACK, port=proxy.port)
        store.reopen()
        send = store._send_commit

        def send_and_be_cut() -> None:
            store._send_commit = send  # type: ignore[method-assign]
            proxy.cut(when)
            send()

        store._send_commit = send_and_be_cut  # type: ignore[method-assign]

    def hang_up(self) -> None:
        """Close every connection; the database stays."""
        for store in self._opened:
            store.close()
        for proxy in self._proxies:
            proxy.close()

    def close(self) -> None:
        self.hang_up()
        self.server.drop(self.name)


def make_template(server: Postgres) -> None:
    """Make the roles, and one empty ledger of which others are copies."""
    for role in (LEDGER_OWNER, postgres_schema.APPEND_ROLE):
        server.do(f"CREATE ROLE {role} LOGIN")
    server.do(f"CREATE DATABASE {TEMPLATE} OWNER {LEDGER_OWNER} TEMPLATE template0")
    postgres_schema.create(server.dsn(TEMPLATE, LEDGER_OWNER))
