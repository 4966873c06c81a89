"""The statements of the append path over PostgreSQL.

None is sent through the driver's pipeline: it ends a pipeline with a flush,
after which the server's timeout for idle transactions does not run, and a node
that stops then would hold up all the others. So everything that a batch writes
is one statement.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.ledger.plan import Head, Plan, Value

_LOCK = 0x6B6F6B75696E
"""Number of the advisory lock under which one node at a time appends: "kokuin"."""

COMMIT = b"COMMIT"
JOIN = "INSERT INTO node_cfg (node, cfg_epoch) VALUES (?, 0) ON CONFLICT (node) DO NOTHING"
_HEAD = (
    "epoch, coalesce(cfg_epoch, 0), size, at, acted, root, peaks"
    " FROM head LEFT JOIN node_cfg ON node_cfg.node = {} WHERE head.id = 1"
)
READ_HEAD = "SELECT " + _HEAD.format("?")

# At read committed every statement sees what the last owner of the lock has committed; the settings are asked
# every time, since a server takes over others while it runs.
_BEGIN = sql.SQL(
    "BEGIN ISOLATION LEVEL READ COMMITTED;"
    " SELECT pg_advisory_xact_lock({});"
    " SELECT current_setting('fsync'), current_setting('full_page_writes'),"
    " current_setting('synchronous_commit'), current_setting('transaction_read_only'), " + _HEAD
)
SETTINGS = 4
"""How many settings of the server stand before the head in what `begin` finds."""

_TABLES = {
    "entry": ("bigint", "bytea", "bytea"),
    "ix": ("bigint", "text", "text", "bigint", "text"),
    "token": ("bigint", "bytea"),
    "node": ("bigint", "bigint", "bytea"),
    "side": ("bigint", "bytea", "text"),
}
"""Types of the columns that a plan has rows for; the values of a column are one parameter."""


@lru_cache(maxsize=256)
def placed(statement: str) -> bytes:
    """Return a statement with `?` for values as the driver wants it."""
    return statement.replace("%", "%%").replace("?", "%s").encode()


def begin(node: str) -> bytes:
    """Return what begins a transaction of a node, takes the lock, and finds settings and head."""
    return _BEGIN.format(sql.Literal(_LOCK), sql.Literal(node)).as_bytes()


def _write() -> bytes:
    parts = []
    for table, types in _TABLES.items():
        arrays = ", ".join(f"%b::{each}[]" for each in types)
        chosen = "*, %b::text" if table == "ix" else "*"
        parts.append(f"in_{table} AS (INSERT INTO {table} SELECT {chosen} FROM unnest({arrays}))")  # noqa: S608 - constants only
    parts.append(
        "in_unit_high AS (INSERT INTO unit_high SELECT * FROM unnest(%b::text[], %b::bigint[])"
        " ON CONFLICT (unit) DO UPDATE SET gen = greatest(unit_high.gen, excluded.gen))"
    )
    parts.append(
        "in_node_cfg AS (UPDATE node_cfg SET cfg_epoch = %b WHERE node = %b AND cfg_epoch = %b AND %b)"
    )
    swap = (
        "UPDATE head SET epoch = %b, size = %b, at = %b, acted = %b, root = %b, peaks = %b"
        " WHERE id = 1 AND epoch = %b AND size = %b AND root = %b"
    )
    return f"WITH {', '.join(parts)} {swap}".encode()


WRITE = _write()
"""Writes all of a plan, or everything but the head when somebody else has moved that.

Measured against COPY and against one prepared statement a row, arrays are the fastest, or near it, from 1 row
to 512.
"""


def write_values(plan: Plan, new: Head, raised: Mapping[str, int], node: str) -> list[Value | list[Value]]:
    """Return the values of `WRITE`.

    Args:
        plan: what to write, on top of `plan.before`.
        new: the head after it.
        raised: units whose highest genTime it raises.
        node: who writes.
    """
    old = plan.before
    values: list[Value | list[Value]] = []
    for rows, (table, types) in zip(
        (plan.entry, plan.ix, plan.token, plan.node, plan.side), _TABLES.items(), strict=True
    ):
        if table == "ix":
            values.append(node)
        values += [rows[column :: len(types)] for column in range(len(types))]
    values += [[*raised], [*raised.values()]]
    values += [new.cfg_epoch, node, old.cfg_epoch, new.cfg_epoch != old.cfg_epoch]
    values += [new.epoch, new.size, new.at, new.acted, new.root, b"".join(new.peaks)]
    return [*values, old.epoch, old.size, old.root]
