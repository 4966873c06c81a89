"""`docs/bundle.md` says of bundles what the code does: members, manifest, limits, parts and codes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger import bundle_form, bundle_sealed, plan, schema
from kokuin.ledger.bundle_form import BundleFault, Rank, name_of, place_of
from kokuin.ledger.bundle_manifest import Scope
from kokuin.ledger.bundle_sealed import SealedFault
from kokuin.ledger.findings import LedgerFault
from kokuin.ledger.leaf import MAX_LEAF
from kokuin.ledger.note import MAX_NOTE
from tests.docs.markdown import literals, read, table_from, tables
from tests.ledger import exported
from tests.ledger.bundle_mutations import members

if TYPE_CHECKING:
    from pathlib import Path

PAGE = read("docs/bundle.md")
OF_STORES = {LedgerFault.RECORD_CHANGED}
"""A bundle has no hash beside a record that could be another."""


def test_every_code_is_there_and_no_other() -> None:
    rows = table_from(PAGE, "`NOT_A_BUNDLE`").rows
    told = [code for row in rows for code in literals(row[0])]
    assert len(told) == len(set(told))
    assert set(told) == {str(code) for code in {*LedgerFault, *BundleFault, *SealedFault} - OF_STORES}


def test_the_members_are_those_of_a_bundle(tmp_path: Path) -> None:
    schema.create(path := tmp_path / "ledger.db")
    exported.fill(path, 20)
    exported.sign(path, [5], stamped=True)
    exported.sign(path, [20])
    told = [name for row in table_from(PAGE, "`README.txt`").rows for name in literals(row[0])]
    found = [name for name, _ in members(exported.export(path))]
    general = [
        re.sub(r"\d{20}", "SIZE", re.sub(r"\d{6}(?=/)", "K", re.sub(r"-\d+\.", "-K.", name)))
        for name in found
    ]
    assert general == told
    manifest = dict(members(exported.export(path, Scope("range", 2, 9, 1, 2))))["manifest.json"]
    (names,) = (text for text in literals(PAGE) if text.startswith('{"chunks"'))
    assert list(json.loads(manifest)) == re.findall(r'"(\w+)"', names)
    assert {"from", "to"} <= set(json.loads(manifest)["scope"])


def test_the_numbers_are_those_of_the_code() -> None:
    kib = 1024
    assert f"at most {bundle_form.CHUNK_RECORDS:,} in a chunk" in PAGE
    assert f"at most {MAX_LEAF:,} octets" in PAGE
    assert f"as many as {bundle_form.MAX_HISTORY:,}" in PAGE
    assert f"at most {bundle_form.MAX_HISTORY:,} and {bundle_form.MAX_STAMP_OCTETS // kib**2} MiB" in PAGE
    limits = {
        f"README and manifest {bundle_form.limit_of(bundle_form.Place(Rank.MANIFEST)) // kib} KiB",
        f"notes {MAX_NOTE // kib} KiB",
        f"a token {plan.MAX_TOKEN // kib} KiB",
        f"certificates {bundle_form.limit_of(bundle_form.Place(Rank.CERTIFICATES)) // kib**2} MiB",
        f"revocation data {bundle_form.limit_of(bundle_form.Place(Rank.REVOCATION)) // kib**2} MiB",
    }
    assert not [limit for limit in limits if limit not in PAGE]
    assert f"| {len(bundle_sealed._MAGIC)} octets | `kokuin-export-part-1`" in PAGE
    assert f"content type `{bundle_sealed.PART_ARC}`" in PAGE
    assert f"`{bundle_sealed.MANIFEST_ARC}` for the manifest" in PAGE


def test_a_header_has_the_octets_that_the_table_says() -> None:
    rows = next(table for table in tables(PAGE) if table.header[0] == "octets").rows
    assert sum(int(number) for row in rows for number in re.findall(r"\d+", row[0])) == 512


@pytest.mark.parametrize(
    "name", ["chunk/00000/hashes", "history/1", "stamps/" + "0" * 20 + "-00.tst", "chunk/0000001/tokens"]
)
def test_a_name_has_one_spelling(name: str) -> None:
    assert place_of(name) is None


def test_every_place_has_its_name() -> None:
    places = [
        bundle_form.Place(rank, 7, 0)
        if rank in {Rank.HISTORY, Rank.STAMP, Rank.CHUNK}
        else bundle_form.Place(rank)
        for rank in Rank
    ]
    assert [place_of(name_of(place)) for place in places] == places
