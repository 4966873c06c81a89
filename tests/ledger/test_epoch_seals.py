"""Seals of epochs are held against the leaves that they seal, in a store and in a bundle."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from conformance import ledger_check
from kokuin.ledger import schema
from kokuin.ledger.bundle_manifest import Scope
from kokuin.ledger.epoch_roots import epoch_roots
from kokuin.ledger.epoch_seals import Seal, SealChain, SealRoots
from kokuin.ledger.findings import LedgerFault
from kokuin.ledger.plan import Append
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store import SqliteStore
from kokuin.ledger.store_check import check_store
from kokuin.trust.records import EPOCH_OPENED, EPOCH_SEALED, Record
from kokuin.trust.report import Indication
from tests.ledger import exported
from tests.ledger.notes import log, verifier

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kokuin.trust.records import LeafValue

FIRST, SECOND, SIZE = 20, 33, 40


def seal(path: Path, epoch: int, first: int, size: int, /, **other: LeafValue) -> None:
    """Seal leaves as the service does, and open the next epoch; `other` is what a forger says instead."""
    with LedgerReader(path) as reader:
        roots = epoch_roots(stored.leaf for stored in reader.walk(first, size, tokens=False))
    fields: dict[str, LeafValue] = {"epoch": epoch, "first": first, "size": size}
    fields |= {name: root.hex() for name, root in roots.items()} | other
    opened = Record(EPOCH_OPENED, {"epoch": epoch + 1, "why": "sealed"})
    store = SqliteStore(path)
    at = exported.AT + 1_000_000_000
    outcomes = store.commit(
        [Append((Record(EPOCH_SEALED, fields),)), Append((opened,), new_epoch=epoch + 1)], at
    )
    store.close()
    assert all(isinstance(outcome, tuple) for outcome in outcomes)


def ledger(path: Path, /, **forged: LeafValue) -> Path:
    """Two epochs and a third that goes on: the seals stand at 20 and 35, behind the last leaf of each."""
    schema.create(path)
    exported.fill(path, FIRST)
    seal(path, 1, 0, FIRST)
    exported.fill(path, FIRST + 2 + 13, first=FIRST + 2)
    seal(path, 2, FIRST, SECOND, **forged)
    exported.fill(path, SIZE, first=37)
    exported.sign(path, [SIZE])
    return path


def by_the_other_checker(bundle: bytes) -> str:
    """Return why `conformance/ledger_check.py` refuses the bundle, empty when it does not."""
    keys = ledger_check.read_keys(verifier(log()).encode())
    try:
        audit = ledger_check.Audit(ledger_check.Bundle(io.BytesIO(bundle)), keys, None)
        audit.run()
        held = ledger_check.check_seals(ledger_check.Bundle(io.BytesIO(bundle)), audit.seals)
    except ledger_check.RefusedError as refused:
        return str(refused)
    assert held == exported.check(bundle).seals
    return ""


def judged(path: Path) -> tuple[set[tuple[str, int | None]], int, int]:
    """Check the store and the whole bundle; both say the same of the seals."""
    with LedgerReader(path) as reader:
        in_store = check_store(reader, None, None)
    octets = exported.export(path)
    bundle = exported.check(octets)
    of_store, of_bundle = (
        {(str(each.code), each.index) for each in verdict.findings if str(each.code).startswith("SEAL_")}
        for verdict in (in_store, bundle)
    )
    assert of_store == of_bundle
    assert bool(of_bundle) == bool(by_the_other_checker(octets))
    assert (in_store.seals, in_store.seals_open) == (bundle.seals, bundle.seals_open)
    assert in_store.passed == (not of_store)
    assert bundle.indication is (Indication.FAILED if of_bundle else Indication.PASSED)
    return of_store, in_store.seals, in_store.seals_open


def test_seals_that_are_right_hold(tmp_path: Path) -> None:
    assert judged(ledger(tmp_path / "ledger.db")) == (set(), 2, 0)


@pytest.mark.parametrize(
    "forged", [{"sha512": "00" * 64}, {"sha3_512": "00" * 64}, {"sha3_512": 5}, {"sha512": ""}]
)
def test_a_seal_that_states_other_roots_is_found(tmp_path: Path, forged: dict[str, LeafValue]) -> None:
    found, held, unknown = judged(ledger(tmp_path / "ledger.db", **forged))
    assert (found, held, unknown) == ({(LedgerFault.SEAL_ROOT, 35)}, 1, 0)


@pytest.mark.parametrize(
    "forged",
    [
        {"first": FIRST + 1},
        {"first": FIRST - 1},
        {"size": 36},
        {"size": FIRST},
        {"epoch": 3},
        {"epoch": 1},
        {"epoch": 0},
        {"size": "33"},
        {"first": True},
    ],
)
def test_a_seal_that_does_not_go_on_from_the_last_is_found(
    tmp_path: Path, forged: dict[str, LeafValue]
) -> None:
    """Attack: leaves are left out of every seal, so that nothing but SHA-256 ever fixes them."""
    found, held, unknown = judged(ledger(tmp_path / "ledger.db", **forged))
    assert (found, held, unknown) == ({(LedgerFault.SEAL_ORDER, 35)}, 1, 0)


def test_a_seal_whose_leaves_are_not_all_there_is_said_to_be_open(tmp_path: Path) -> None:
    path = ledger(tmp_path / "ledger.db")
    bundle = exported.export(path, Scope("range", FIRST - 1, SIZE))
    assert not by_the_other_checker(bundle)
    verdict = exported.check(bundle)
    assert verdict.indication is Indication.PASSED
    assert (verdict.seals, verdict.seals_open) == (1, 1)
    verdict = exported.check(exported.export(path, Scope("range", FIRST + 1, SIZE)))
    assert (verdict.indication, verdict.seals, verdict.seals_open) == (Indication.PASSED, 0, 1)


def test_a_forged_seal_within_a_part_of_the_log_is_found(tmp_path: Path) -> None:
    path = ledger(tmp_path / "ledger.db", sha512="ab" * 64)
    verdict = exported.check(exported.export(path, Scope("range", FIRST - 1, SIZE)))
    assert [(each.code, each.index) for each in verdict.findings] == [(LedgerFault.SEAL_ROOT, 35)]


def test_a_bundle_whose_tree_does_not_fit_accuses_no_seal(tmp_path: Path) -> None:
    bundle = exported.export(ledger(tmp_path / "ledger.db")).replace(b"number 27", b"number 28")
    verdict = exported.check(bundle)
    assert verdict.indication is Indication.FAILED
    assert not {code for code in exported.codes(verdict) if code.startswith("SEAL_")}
    assert verdict.seals == 0


def made(numbers: Iterable[tuple[int, int, int, int]]) -> list[Seal]:
    return [Seal(*each, {}) for each in numbers]


def test_two_nodes_that_seal_one_epoch_are_no_fault() -> None:
    chain = SealChain()
    seals = made([(101, 1, 0, 100), (102, 1, 0, 90), (200, 2, 90, 180), (300, 3, 180, 290)])
    assert [chain.fault(each) for each in seals] == [None] * 4
    roots = SealRoots(seals)
    leaves = [b"leaf %d" % number for number in range(300)]
    for index, leaf in enumerate(leaves):
        roots.push(index, leaf)
    assert roots.found == {
        (each.first, each.size): {
            name: root.hex() for name, root in epoch_roots(leaves[each.first : each.size]).items()
        }
        for each in seals
    }


def test_a_ledger_of_seals_that_overlap_is_not_hashed_once_for_each() -> None:
    """Attack: seals that each begin a leaf later, and all reach to the end."""
    seals = made((1_000 + number, 1 + number, number, 1_000) for number in range(500))
    roots = SealRoots(seals)
    chain = SealChain()
    assert [chain.fault(each) is None for each in seals[:3]] == [True, False, False]
    for index in range(1_000):
        roots.push(index, b"x")
    assert len(roots.found) <= 2
