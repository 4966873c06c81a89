"""Retention: what is old enough and sealed loses its octets, nothing else does, and a start still works."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.main import main
from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store_check import check_store
from kokuin.service import pruning
from kokuin.service.config import ConfigError, load_config
from kokuin.service.erasing import erase
from kokuin.service.log_signing import published_keys
from kokuin.service.pruning import YEAR_US, due
from kokuin.trust.records import Record
from tests.ledger.samples import check_tree, issued
from tests.service.epochs import Desked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kokuin.service.datafolder import DataFolder
    from tests.service.running import Prepared

KINDS = ("clock.fit", "clock.unfit", "cfg.scheduled", "cfg.unscheduled", "service.started")


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("classical").folder


@pytest.fixture
def desked(folder: DataFolder) -> Iterator[Desked]:
    desked = Desked(folder)
    yield desked
    desked.end()


def later(monkeypatch: pytest.MonkeyPatch, years: float) -> None:
    """Let the clock of everything be so many years ahead."""
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + int(years * YEAR_US) * 1_000)


def old(desked: Desked, years: int) -> Desked:
    """Close the ledger and open it some years later."""
    desked.journal.close()
    return Desked(desked.folder)


def emptied(folder: DataFolder) -> set[int]:
    with LedgerReader(folder.ledger) as reader:
        return {stored.index for stored in reader.walk() if not stored.leaf}


def fill(desked: Desked) -> None:
    desked.append(*[issued(each) for each in range(5)])
    desked.append(*[Record(kind, {"id": kind, "profile": "x"}) for kind in (*KINDS, *KINDS)])
    assert desked.ask("ledger.seal")["ok"]


def test_nothing_goes_before_its_time_and_nothing_that_is_not_sealed(
    desked: Desked, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(desked)
    desked.append(issued(90))
    assert desked.ask("ledger.prune") == {"ok": True, "upto": 0, "count": 0, "done": False}
    later(monkeypatch, 14.9)
    desked.append(issued(91))
    assert desked.ask("ledger.prune")["count"] == 0
    later(monkeypatch, 0.2)
    desked.append(issued(92))
    answer = desked.ask("ledger.prune", dry_run=True)
    assert (answer["done"], answer["count"] > 0) == (False, True)
    assert emptied(desked.folder) == set()
    assert desked.ask("ledger.prune")["count"] == answer["count"]
    assert emptied(desked.folder)
    assert max(emptied(desked.folder)) < desked.leaves("epoch.sealed")[0]["size"]
    assert desked.leaves("ledger.pruned")[0]["upto"] == answer["upto"]
    assert desked.ask("ledger.prune")["count"] == 0, "it is done"


def test_the_command_says_that_nothing_is_due(folder: DataFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "prune", "--dry-run", "--dir", str(folder.root), "--lang", "en"]) == 0
    assert capsys.readouterr().out == "Nothing is due.\n"


def test_a_clock_ahead_of_the_ledger_ends_nothing_early(
    desked: Desked, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(desked)
    later(monkeypatch, 50)
    assert desked.ask("ledger.prune")["count"] == 0


def test_tree_checkpoints_and_what_a_start_reads_stay(
    desked: Desked, monkeypatch: pytest.MonkeyPatch
) -> None:
    desked.append(issued(70))
    note = desked.ask("ledger.annotate", index=1, text="personal words")
    fill(desked)
    later(monkeypatch, 16)
    desked.append(issued(99))
    answer = desked.ask("ledger.prune")
    assert answer["done"]
    gone = emptied(desked.folder)
    assert note["index"] in gone
    kept = [leaf["kind"] for leaf in desked.leaves() if leaf["at"] < time.time_ns() // 1_000 - 15 * YEAR_US]
    assert sorted(kept) == sorted(["epoch.opened", "epoch.sealed", "epoch.opened", *KINDS[:4]])
    with LedgerReader(desked.folder.ledger) as reader:
        check_tree(reader)
        assert not reader.execute("SELECT 1 FROM side"), "its text goes with a record"
        tokens = {row[0] for row in reader.execute("SELECT idx FROM token")}
        assert tokens.isdisjoint(gone)
        verdict = check_store(reader, published_keys(desked.folder), None)
    assert not [finding for finding in verdict.findings if str(finding.code) != "RECORD_FORM"], verdict
    desked.publish()
    again = old(desked, 0)
    assert again.ask("ledger.status")["ok"]
    again.end()


def test_the_octets_are_in_no_file_any_more(desked: Desked, monkeypatch: pytest.MonkeyPatch) -> None:
    desked.append(Record("service.started", {"id": "needle-in-the-ledger-123456789"}))
    desked.ask("ledger.seal")
    later(monkeypatch, 16)
    desked.append(issued(1))
    files = [path for path in desked.folder.root.rglob("*") if path.is_file()]
    assert any(b"needle-in-the-ledger-123456789" in path.read_bytes() for path in files)
    assert desked.ask("ledger.prune")["done"]
    assert not any(b"needle-in-the-ledger-123456789" in path.read_bytes() for path in files)


def test_a_kind_has_years_of_its_own_and_tokens_at_least_those_they_must_verify(folder: DataFolder) -> None:
    settings = {
        "TSA_LEDGER__RETENTION__DEFAULT_YEARS": "2",
        "TSA_RETENTION_YEARS": "7",
        "TSA_LEDGER__RETENTION__KINDS": '{"service.started" = 4}',
    }
    desked = Desked(folder, settings)
    fill(desked)
    now = time.time_ns() // 1_000
    with LedgerReader(folder.ledger) as reader:
        kinds = {leaf["kind"]: index for index, leaf in enumerate(desked.leaves())}
        found = {
            years: {
                kind
                for kind, index in kinds.items()
                if index in due(reader, desked.config, _at(now, years)).indexes
            }
            for years in (1, 3, 5, 8)
        }
    assert found == {
        1: set(),
        3: set(),
        5: {"service.started"},
        8: {"service.started", "tst.issued"},
    }
    desked.end()


def _at(now_us: int, years: int) -> int:
    return now_us + years * YEAR_US


def test_a_record_cannot_be_deleted_and_its_octets_not_changed(desked: Desked) -> None:
    fill(desked)
    connection = sqlite3.connect(desked.folder.ledger)
    for statement in (
        "DELETE FROM entry WHERE idx = 2",
        "UPDATE entry SET leaf = x'20' WHERE idx = 2",
        "DELETE FROM token WHERE idx = 2",
        "UPDATE entry SET leaf = x'', leaf_hash = zeroblob(32) WHERE idx = 2",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


def test_the_leaves_of_evidence_stay_as_long_as_the_tokens_that_they_cover(folder: DataFolder) -> None:
    settings = {"TSA_LEDGER__RETENTION__DEFAULT_YEARS": "2", "TSA_RETENTION_YEARS": "7"}
    desked = Desked(folder, settings)
    for kind in ("evidence.stamped", "evidence.added", "evidence.renewed"):
        desked.append(Record(kind))
    fill(desked)
    now = time.time_ns() // 1_000
    with LedgerReader(folder.ledger) as reader:
        kinds = [leaf["kind"] for leaf in desked.leaves()]
        gone = {
            years: {kinds[index] for index in due(reader, desked.config, _at(now, years)).indexes}
            for years in (3, 8)
        }
    assert not {kind for kind in gone[3] if kind.startswith("evidence.")}
    assert {"evidence.stamped", "evidence.added", "evidence.renewed"} < gone[8]
    desked.end()


def test_the_leaves_of_evidence_outlast_the_tokens_by_the_year_that_a_renewal_spans(
    folder: DataFolder,
) -> None:
    """Also where tokens have years of their own; the youngest batch of a renewal needs the oldest's leaf."""
    kinds = ("evidence.stamped", "evidence.added", "evidence.renewed")
    desked = Desked(folder, {"TSA_LEDGER__RETENTION__KINDS": '{"tst.issued" = 20}'})
    for kind in kinds:
        desked.append(Record(kind))
    fill(desked)
    now = time.time_ns() // 1_000
    with LedgerReader(folder.ledger) as reader:
        found = [leaf["kind"] for leaf in desked.leaves()]
        gone = {
            years: {found[index] for index in due(reader, desked.config, _at(now, years)).indexes}
            for years in (20, 21)
        }
    assert "tst.issued" in gone[20]
    assert gone[20].isdisjoint(kinds)
    assert gone[21].issuperset(kinds)
    desked.end()


@pytest.mark.parametrize("value", ["0", "101", '"x"'])
def test_no_retention_of_less_than_a_year_can_be_asked_for(folder: DataFolder, value: str) -> None:
    with pytest.raises(ConfigError):
        load_config(folder.root, {"TSA_LEDGER__RETENTION__DEFAULT_YEARS": value})
    with pytest.raises(ConfigError):
        load_config(folder.root, {"TSA_LEDGER__RETENTION__KINDS": f'{{"tst.issued" = {value}}}'})


def test_a_crash_while_octets_end_is_finished_by_the_next_attempt(
    desked: Desked, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(desked)
    later(monkeypatch, 16)
    desked.append(issued(99))
    monkeypatch.setattr(pruning, "_BATCH", 2)
    real, calls = erase, []

    async def breaks(*arguments: object) -> None:
        calls.append(1)
        if len(calls) > 2:
            raise KeyboardInterrupt
        await real(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(pruning, "erase", breaks)
        with pytest.raises(KeyboardInterrupt):
            desked.ask("ledger.prune")
    assert len(emptied(desked.folder)) == 4
    wanted = desked.leaves("ledger.pruned")[0]["count"]
    assert desked.ask("ledger.prune")["count"] == wanted - 4
    assert len(emptied(desked.folder)) == wanted


@pytest.mark.parametrize(
    "error", [sqlite3.OperationalError("disk I/O error"), OpenRefusedError(OpenFault.UNREADABLE, "gone")]
)
def test_a_ledger_that_cannot_be_read_is_an_answer(
    desked: Desked, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(pruning, "open_reader", fails)
    assert desked.ask("ledger.prune")["code"] == "LEDGER_UNREADABLE"
