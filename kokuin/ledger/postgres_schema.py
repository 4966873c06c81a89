"""Making a ledger in a PostgreSQL database, and what the running role may do there.

Two roles, both made by the administrator: the owner, who makes the tables and
whom no running service needs, and the one that appends. The latter can add
records and read them; of what it can change, nothing proves anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.ledger.migrating import migrations

if TYPE_CHECKING:
    from sqlalchemy import Connection

REVISION = "0001"
"""The schema that this release reads and writes."""

SCHEMA = "kokuin"
"""The schema of the database that holds the ledger's tables; one database has one ledger."""

APPEND_ROLE = "kokuin_append"
"""Name of the running role, where the administrator chose no other."""

_RECORDS = ("entry", "token", "node", "ix", "checkpoint", "cosignature", "stamp", "side")
RIGHTS = {
    **dict.fromkeys(_RECORDS, "SELECT, INSERT"),
    "head": "SELECT, UPDATE",
    "node_cfg": "SELECT, INSERT, UPDATE",
    "unit_high": "SELECT, INSERT, UPDATE",
    "alembic_version": "SELECT",
}
"""What the running role may do with each table."""


def create(dsn: str, append_role: str = APPEND_ROLE) -> None:
    """Make an empty ledger: epoch 1, no leaf, no node.

    Args:
        dsn: of the owner, who may make schemas in the database; libpq's key words or a URL.
        append_role: an existing role, that of the running service.

    Raises:
        FileExistsError: the database has a ledger already.
        OpenRefusedError: it cannot be reached, does not let us, or cannot hold every text.
    """
    from alembic import command  # noqa: PLC0415 - 0.2 s that only making a ledger pays

    engine = create_engine("postgresql+psycopg://", creator=lambda: _connect(dsn), poolclass=NullPool)
    config = migrations("kokuin.ledger:postgres_migrations")
    try:
        with engine.begin() as connection:
            _make_schema(connection)
            connection.exec_driver_sql(f"SET LOCAL search_path = {SCHEMA}, pg_temp")
            config.attributes["connection"] = connection
            command.upgrade(config, REVISION)
            _grant(connection, append_role)
    except DBAPIError as error:
        raise OpenRefusedError(OpenFault.UNREADABLE, str(error.orig)) from error


def _connect(dsn: str) -> psycopg.Connection:
    connection = psycopg.connect(dsn)
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        connection.close()
        raise OpenRefusedError(OpenFault.UNREADABLE, f"the database's encoding is {encoding}, not UTF8")
    return connection


def _make_schema(connection: Connection) -> None:
    if connection.exec_driver_sql("SELECT to_regnamespace(%s)", (SCHEMA,)).scalar_one() is not None:
        raise FileExistsError(SCHEMA)
    connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")


def _grant(connection: Connection, append_role: str) -> None:
    role = sql.Identifier(append_role).as_string()
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {role}")
    for table, rights in RIGHTS.items():
        connection.exec_driver_sql(f"REVOKE ALL ON {SCHEMA}.{table} FROM {role}")
        connection.exec_driver_sql(f"GRANT {rights} ON {SCHEMA}.{table} TO {role}")
