"""Records as tables and lines for other programs; they prove nothing to anybody."""

from __future__ import annotations

import base64
import csv
import datetime as dt
import io
from typing import TYPE_CHECKING, Any

import orjson

from kokuin.ledger.leaf import LeafError, read_leaf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from kokuin.ledger.reader import Stored

COLUMNS = (
    "index",
    "at",
    "kind",
    "serial",
    "gen",
    "tenant",
    "actor",
    "profile",
    "policy",
    "unit",
    "imp_alg",
    "imp",
    "req",
    "tok",
    "res",
    "reason",
    "leaf",
)
"""Columns of the table: index, fields of leaves (empty where a leaf has none), and the leaf itself."""

_MOMENTS = frozenset({"at", "gen"})
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_ACTIVE = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(records: Iterable[Stored]) -> Iterator[bytes]:
    """Yield a table in UTF-8 (RFC 4180), its head first; moments are ISO 8601, UTC."""
    yield _row(COLUMNS)
    for stored in records:
        fields: Mapping[str, Any] = _fields(stored.leaf)
        given = {"index": stored.index, **fields, "leaf": stored.leaf.decode("utf-8", "replace")}
        yield _row([_cell(name, given.get(name)) for name in COLUMNS])


def jsonl_lines(records: Iterable[Stored]) -> Iterator[bytes]:
    """Yield a line of JSON a record: its index, its leaf and, where it has one, its token in base64."""
    for stored in records:
        # The leaf goes in verbatim: its hash can be made again from what stands in the line.
        token = b""
        if stored.token is not None:
            token = b',"token":' + orjson.dumps(base64.b64encode(stored.token).decode())
        yield b'{"index":%d,"leaf":%b%b}\n' % (stored.index, stored.leaf, token)


VIEWS: dict[str, Callable[[Iterable[Stored]], Iterator[bytes]]] = {"csv": csv_lines, "jsonl": jsonl_lines}
"""By the name of its format, what makes a view of records."""


def _fields(leaf: bytes) -> Mapping[str, Any]:
    try:
        return read_leaf(leaf)
    except LeafError:
        return {}


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if name in _MOMENTS and isinstance(value, int):
        # Integers of leaves are within 2^53: the calendar has them all.
        return (_EPOCH + dt.timedelta(microseconds=value)).isoformat(timespec="microseconds")
    text = str(value)
    # Attack: a value that a spreadsheet would take for a formula.
    return f"'{text}" if text.startswith(_ACTIVE) else text


def _row(cells: Iterable[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()
