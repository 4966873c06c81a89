"""Views of records, read again by the standard library."""

from __future__ import annotations

import base64
import csv
import datetime as dt
import io
import json
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger import schema
from kokuin.ledger.bundle_manifest import Scope
from kokuin.ledger.bundle_views import COLUMNS, VIEWS
from kokuin.ledger.leaf import leaf_hash, make_leaf
from kokuin.ledger.reader import LedgerReader, Stored
from kokuin.trust.records import TST_REFUSED, Record
from tests.ledger import exported

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 40


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("views") / "ledger.db"
    schema.create(path)
    exported.fill(path, SIZE)
    exported.sign(path, [SIZE])
    return path


def view(ledger: Path, form: str, scope: Scope | None = None) -> bytes:
    with LedgerReader(ledger) as reader:
        return b"".join(VIEWS[form](exported.writer(reader, scope).records()))


def test_lines_hold_leaves_verbatim_and_tokens(ledger: Path) -> None:
    with LedgerReader(ledger) as reader:
        stored = list(reader.walk(3, 17))
    lines = view(ledger, "jsonl", Scope("range", 3, 17)).splitlines()
    assert len(lines) == len(stored)
    for line, one in zip(lines, stored, strict=True):
        read = json.loads(line)
        assert read["index"] == one.index
        assert (
            leaf_hash(json.dumps(read["leaf"], separators=(",", ":"), ensure_ascii=False).encode())
            == one.leaf_hash
        )
        assert one.leaf in line
        assert (base64.b64decode(read["token"]) if "token" in read else None) == one.token


def test_a_table_has_a_row_a_record(ledger: Path) -> None:
    with LedgerReader(ledger) as reader:
        stored = list(reader.walk(0, SIZE))
    rows = list(csv.DictReader(io.StringIO(view(ledger, "csv").decode(), newline="")))
    assert tuple(rows[0]) == COLUMNS
    for row, one in zip(rows, stored, strict=True):
        leaf = json.loads(one.leaf)
        assert row["leaf"].encode() == one.leaf
        assert int(row["index"]) == one.index
        assert dt.datetime.fromisoformat(row["at"]).timestamp() == leaf["at"] / 1e6
        assert row["serial"] == leaf.get("serial", "")
        assert row["tenant"] == leaf["tenant"]


def test_a_table_holds_the_records_of_its_scope_alone(ledger: Path) -> None:
    rows = list(
        csv.DictReader(
            io.StringIO(view(ledger, "csv", Scope("selection", by="tenant", value="beta")).decode())
        )
    )
    assert rows
    assert {row["tenant"] for row in rows} == {"beta"}


@pytest.mark.parametrize("reason", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1"])
def test_no_value_is_a_formula(reason: str) -> None:
    leaf = make_leaf(Record(TST_REFUSED, {"reason": reason}), 5)
    octets = b"".join(VIEWS["csv"]([Stored(0, leaf, leaf_hash(leaf), None)]))
    (row,) = csv.DictReader(io.StringIO(octets.decode(), newline=""))
    assert row["reason"] == "'" + reason


def test_a_leaf_that_cannot_be_read_is_shown_as_it_is() -> None:
    octets = b"".join(VIEWS["csv"]([Stored(7, b"\xff{", b"", None)]))
    (row,) = csv.DictReader(io.StringIO(octets.decode(), newline=""))
    assert (row["index"], row["kind"], row["leaf"]) == ("7", "", "�{")
