"""Bundles of every scope against what the store holds, naively computed, and what a check says of them."""

from __future__ import annotations

import io
import shutil
import sqlite3
import tarfile
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kokuin.ledger import bundle_plan, schema
from kokuin.ledger.bundle_choice import first_since
from kokuin.ledger.bundle_chunk import Run
from kokuin.ledger.bundle_manifest import Scope
from kokuin.ledger.bundle_plan import ExportError, ExportFault
from kokuin.ledger.checkpoint import read_checkpoint
from kokuin.ledger.leaf import read_leaf
from kokuin.ledger.plan import Append
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.witness_policy import read_policy
from kokuin.trust.records import CHECKPOINT_STAMPED, Record
from kokuin.trust.report import Indication
from tests.ledger import exported, rfc6962
from tests.ledger.exported import check, codes, export
from tests.ledger.notes import NOW, log

if TYPE_CHECKING:
    from pathlib import Path

    from kokuin.ledger.reader import Stored
    from tests.ledger.stores import Kit

SIZE = 300
HISTORY = (40, 128, 200)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "ledger.db"
    schema.create(path)
    exported.fill(path, SIZE + 5, batch=60)
    exported.sign(path, HISTORY, cosigned=True, stamped=True)
    exported.sign(path, [SIZE], cosigned=True)
    exported.sign(path, [250])
    return path


@pytest.fixture(scope="module")
def stored(ledger: Path) -> list[Stored]:
    with LedgerReader(ledger) as reader:
        return list(reader.walk(0, SIZE))


def seen(bundle: bytes) -> list[tuple[int, bytes, bytes | None]]:
    """Return what a visitor of a bundle is shown; the bundle is in order."""
    shown: list[tuple[int, bytes, bytes | None]] = []

    def visit(index: int, leaf: bytes, fields: Any, token: bytes | None) -> None:
        assert fields == read_leaf(leaf)
        shown.append((index, leaf, token))

    verdict = check(bundle, visit=visit)
    assert (verdict.indication, verdict.findings) == (Indication.PASSED, ())
    return shown


def rows(stored: list[Stored]) -> list[tuple[int, bytes, bytes | None]]:
    return [(one.index, one.leaf, one.token) for one in stored]


def test_a_whole_ledger_travels(ledger: Path, stored: list[Stored]) -> None:
    bundle = export(ledger)
    assert seen(bundle) == rows(stored)
    verdict = check(bundle)
    assert verdict.complete
    assert verdict.runs == (Run(0, SIZE),)
    assert [one.signed.checkpoint.size for one in verdict.history] == list(HISTORY)
    assert [stamp.size for stamp in verdict.stamps] == list(HISTORY)
    assert verdict.checkpoint is not None
    assert verdict.checkpoint.checkpoint.root == rfc6962.mth(
        [sha256(b"\0" + one.leaf).digest() for one in stored]
    )


def test_any_tar_program_reads_it(ledger: Path, stored: list[Stored]) -> None:
    with tarfile.open(fileobj=io.BytesIO(export(ledger)), mode="r:") as tar:
        names = tar.getnames()
        assert names[:3] == ["README.txt", "manifest.json", "checkpoint"]
        assert names[-3:] == ["chunk/000000/hashes", "chunk/000000/records", "chunk/000000/tokens"]
        records = tar.extractfile("chunk/000000/records")
        assert records is not None
        assert records.read().splitlines() == [b"%d %b" % (one.index, one.leaf) for one in stored]
        tokens = tar.extractfile("chunk/000000/tokens")
        assert tokens is not None
        assert tokens.read() == b"".join(one.token or b"" for one in stored)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_range_is_complete_and_no_wider(
    ledger: Path, stored: list[Stored], data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, SIZE))
    stop = data.draw(st.integers(start, SIZE))
    bundle = export(ledger, Scope("range", start, stop))
    assert seen(bundle) == rows(stored[start:stop])
    assert check(bundle).runs == ((Run(start, stop),) if start < stop else ())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_selection_shows_the_others_as_hashes_alone(
    ledger: Path, stored: list[Stored], data: st.DataObject
) -> None:
    size = data.draw(st.sampled_from([1, 40, 128, 200, 250, SIZE]))
    limit = data.draw(st.sampled_from([1, 2, 7, 4096]))
    value = data.draw(st.sampled_from(["alpha", "beta", "gamma", "nobody"]))
    wanted = [one for one in stored[:size] if read_leaf(one.leaf).get("tenant") == value]
    if size == 1:
        exported.sign(ledger, [1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle_plan, "CHUNK_RECORDS", limit)
        bundle = export(ledger, Scope("selection", by="tenant", value=value), size=size)
    assert seen(bundle) == rows(wanted)
    others = [one.leaf for one in stored[:size] if one not in wanted]
    assert not [leaf for leaf in others if leaf in bundle]
    verdict = check(bundle)
    assert verdict.records == len(wanted)
    assert {index for run in verdict.runs for index in range(*run)} == {one.index for one in wanted}


@pytest.mark.parametrize("octets", [1, 3000, 30_000])
def test_chunks_are_cut_by_octets_too(ledger: Path, stored: list[Stored], octets: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle_plan, "CHUNK_OCTETS", octets)
        bundle = export(ledger, Scope("range", 20, 190))
    assert seen(bundle) == rows(stored[20:190])
    assert check(bundle).manifest.chunks > 2  # type: ignore[union-attr]


def test_periods_begin_and_end_with_whole_records(ledger: Path, stored: list[Stored]) -> None:
    times = [read_leaf(one.leaf)["at"] for one in stored]
    moments = sorted({moment + step for moment in map(int, times) for step in (-1, 0, 1)})  # type: ignore[arg-type]
    with LedgerReader(ledger) as reader:
        for moment in moments:
            wanted = next((index for index, at in enumerate(times) if at >= moment), SIZE)  # type: ignore[operator]
            assert first_since(reader, SIZE, moment) == wanted


def test_witnesses_and_their_times_are_told(ledger: Path) -> None:
    policy = read_policy(exported.witness_policy())
    verdict = check(export(ledger), witnesses=policy)
    assert verdict.indication is Indication.PASSED
    assert [cosigner.timestamp for cosigner in verdict.cosigners] == [NOW + SIZE]
    assert [one.cosigners[0].timestamp for one in verdict.history] == [NOW + size for size in HISTORY]


def test_a_checkpoint_without_the_quorum_accuses_nobody_and_passes_nobody(ledger: Path) -> None:
    verdict = check(export(ledger, size=250), witnesses=read_policy(exported.witness_policy()))
    assert verdict.indication is Indication.INDETERMINATE
    assert codes(verdict) == {"WITNESS_QUORUM"}


def test_a_saved_checkpoint_is_a_beginning_of_what_is_complete_from_the_start(ledger: Path) -> None:
    with LedgerReader(ledger) as reader:
        for size in (*HISTORY, 250, SIZE):
            kept = reader.execute("SELECT note FROM checkpoint WHERE size = ?", (size,))[0][0]
            assert check(export(ledger), since=read_checkpoint(kept)).since is True


def test_a_saved_checkpoint_that_cannot_be_compared_wants_a_proof(ledger: Path) -> None:
    with LedgerReader(ledger) as reader:
        saved = read_checkpoint(reader.execute("SELECT note FROM checkpoint WHERE size = 250")[0][0])
    scope = Scope("range", 270, 280)
    without = check(export(ledger, scope), since=saved)
    assert (without.indication, codes(without), without.since) == (
        Indication.INDETERMINATE,
        {"SINCE_UNKNOWN"},
        False,
    )
    proven = check(export(ledger, scope, since=saved), since=saved)
    assert (proven.indication, proven.since) == (Indication.PASSED, True)


def test_a_saved_checkpoint_of_another_history_is_a_fork(ledger: Path) -> None:
    for size in (128, SIZE, 30):
        fork = read_checkpoint(log().sign(size, sha256(b"another").digest(), NOW))
        verdict = check(export(ledger), since=fork)
        assert (verdict.indication, codes(verdict)) == (Indication.FAILED, {"SINCE_FORK"})
        with pytest.raises(ExportError) as refused:
            export(ledger, since=fork)
        assert refused.value.fault is ExportFault.SINCE


def test_a_saved_checkpoint_newer_than_the_bundle_is_said_to_be(ledger: Path) -> None:
    later = read_checkpoint(log().sign(SIZE + 1, sha256(b"later").digest(), NOW))
    verdict = check(export(ledger), since=later)
    assert (verdict.indication, codes(verdict)) == (Indication.INDETERMINATE, {"SINCE_LATER"})


def test_a_store_that_is_not_the_checkpoints_exports_nothing(ledger: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "ledger.db"
    shutil.copy(ledger, damaged)
    with sqlite3.connect(damaged) as connection:
        for (trigger,) in connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'trigger'"
        ).fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("UPDATE entry SET leaf_hash = zeroblob(32) WHERE idx = 299")
    connection.close()
    with pytest.raises(ExportError) as refused:
        export(damaged)
    assert refused.value.fault is ExportFault.STORE


def test_a_bundle_of_either_store_is_good(kit: Kit) -> None:
    store = kit.open()
    exported.append(store, 50, batch=20)
    with kit.reader() as reader:
        exported.vouch(store, reader, [20, 50], cosigned=True, stamped=True)
        whole = list(reader.walk(0, 50))
        for scope in (Scope(), Scope("range", 5, 31), Scope("selection", by="tenant", value="beta")):
            wanted = whole if scope.kind == "all" else whole[5:31]
            if scope.kind == "selection":
                wanted = [one for one in whole if read_leaf(one.leaf).get("tenant") == "beta"]
            assert seen(exported.written(exported.writer(reader, scope))) == rows(wanted)
        assert first_since(reader, 50, exported.AT + 20_000_000) == 20


def test_the_record_of_a_stamp_takes_no_token_away_from_the_record_that_issued_it(kit: Kit) -> None:
    store = kit.open()
    exported.append(store, 5)
    with kit.reader() as reader:
        issued = read_leaf(next(reader.walk(4, 5)).leaf)
        fields = {"size": 4, **{name: issued[name] for name in ("signer", "tok", "tok512")}}
        store.commit([Append((Record(CHECKPOINT_STAMPED, fields),))], exported.AT + 1_000_000)
        exported.vouch(store, reader, [6], cosigned=False, stamped=False)
        assert seen(exported.written(exported.writer(reader))) == rows(list(reader.walk(0, 6)))


def test_leaves_past_their_retention_are_hashes_and_said_to_be_hidden(kit: Kit) -> None:
    store = kit.open()
    exported.append(store, 50, batch=5)
    with kit.reader() as reader:
        exported.vouch(store, reader, [50], cosigned=False, stamped=False)
        gone = (0, *range(7, 13), 30, 48, 49)
        for index in gone:
            kit.tamper("DELETE FROM token WHERE idx = ?", index)
            kit.tamper("UPDATE entry SET leaf = ? WHERE idx = ?", b"", index)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bundle_plan, "CHUNK_RECORDS", 3)
            verdict = check(exported.written(exported.writer(reader)))
        assert (verdict.indication, codes(verdict)) == (Indication.INDETERMINATE, {"RECORDS_HIDDEN"})
        assert (verdict.hidden, verdict.records) == (len(gone), 50 - len(gone))
        assert verdict.runs == (Run(1, 7), Run(13, 30), Run(31, 48))
        # Leaves 7 to 12, and so the commits at 5 and 10 seconds, are answered for by the next leaf.
        moments = [exported.AT + second * 1_000_000 for second in (0, 6, 10, 45)]
        assert [first_since(reader, 50, moment) for moment in moments] == [0, 7, 7, 45]


def test_a_row_that_is_gone_is_not_passed_off_as_retention(kit: Kit) -> None:
    store = kit.open()
    exported.append(store, 50)
    with kit.reader() as reader:
        exported.vouch(store, reader, [50], cosigned=False, stamped=False)
        writer = exported.writer(reader)
        kit.tamper("DELETE FROM token WHERE idx = 7")
        kit.tamper("DELETE FROM entry WHERE idx = 7")
        with pytest.raises(ExportError) as refused:
            exported.written(writer)
        assert refused.value.fault is ExportFault.STORE
