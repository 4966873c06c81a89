"""An export that broke off goes on where it was; a file under its own name is whole."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger import bundle_plan, schema
from kokuin.ledger.bundle_file import find_begun, goes_on, part_of, write_bundle, write_file
from kokuin.ledger.bundle_manifest import Scope
from kokuin.ledger.reader import LedgerReader
from kokuin.trust.report import Indication
from tests.ledger import exported
from tests.ledger.bundle_mutations import members, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kokuin.ledger.bundle_write import BundleWriter

    Listener = Callable[[int, int], None]

SIZE = 90


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_plan, "CHUNK_RECORDS", 10)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "ledger.db"
    schema.create(path)
    exported.fill(path, SIZE)
    exported.sign(path, [30, SIZE], stamped=True)
    return path


@pytest.fixture
def reader(ledger: Path) -> Iterator[LedgerReader]:
    with LedgerReader(ledger) as reader:
        yield reader


class _StoppedError(Exception):
    pass


def stop_after(chunks: int) -> Listener:
    """Return a listener that breaks off after so many chunks."""
    count = iter(range(chunks))

    def listen(_done: int, _total: int) -> None:
        if next(count, None) is None:
            raise _StoppedError

    return listen


def export_to(path: Path, writer: BundleWriter, on_progress: Listener | None = None) -> bool:
    """Export, going on with what is there of it; return whether there was some of it."""
    begun = find_begun(path)
    resumed = begun is not None and goes_on(begun, writer)
    write_bundle(path, writer, begun if resumed else None, on_progress)
    return resumed


SCOPES = [Scope(), Scope("range", 7, 71), Scope("selection", by="tenant", value="beta")]


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: scope.kind)
@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_an_export_goes_on_where_it_broke_off(
    ledger: Path, reader: LedgerReader, tmp_path: Path, scope: Scope, chunks: int
) -> None:
    path = tmp_path / "bundle"
    with pytest.raises(_StoppedError):
        export_to(path, exported.writer(reader, scope), stop_after(chunks))
    assert not path.exists()
    done: list[int] = []
    resumed = export_to(path, exported.writer(reader, scope), lambda at, _size: done.append(at))
    assert resumed is (chunks > 0)
    assert path.read_bytes() == exported.export(ledger, scope)
    assert not part_of(path).exists()
    assert done[-1] == SIZE
    assert exported.check(path.read_bytes()).indication is Indication.PASSED


def test_wherever_the_unfinished_file_ends_the_export_is_whole(
    ledger: Path, reader: LedgerReader, tmp_path: Path
) -> None:
    whole = exported.export(ledger)
    for cut in range(0, len(whole), 3989):
        path = tmp_path / f"bundle-{cut}"
        # What a power failure leaves behind the last octets that were made durable is not known.
        part_of(path).write_bytes(whole[:cut] + bytes(700))
        export_to(path, exported.writer(reader))
        assert path.read_bytes() == whole


def test_another_exports_unfinished_file_is_begun_anew(
    ledger: Path, reader: LedgerReader, tmp_path: Path
) -> None:
    path = tmp_path / "bundle"
    for other in (
        exported.export(ledger, Scope("range", 0, 80)),
        exported.export(ledger, size=30),
        pack([("x", b"y"), *members(exported.export(ledger))[2:]]),
        os.urandom(9000),
    ):
        part_of(path).write_bytes(other)
        assert export_to(path, exported.writer(reader)) is False
        assert path.read_bytes() == exported.export(ledger)
        path.unlink()


def test_nothing_is_overwritten(reader: LedgerReader, tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        export_to(path, exported.writer(reader))
    with pytest.raises(FileExistsError):
        write_file(path).__enter__()
    assert path.read_bytes() == b"mine"


def test_chunks_are_durable_before_the_next_is_begun(
    reader: LedgerReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []

    def fsync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr("kokuin.ledger.bundle_file.os.fsync", fsync)
    path = tmp_path / "bundle"
    export_to(path, exported.writer(reader))
    writer = exported.writer(reader)
    ends = [0]
    writer.write(sink := io.BytesIO(), on_chunk=lambda: ends.append(len(sink.getvalue())))
    assert [size for size in synced if size in ends] == ends[1:]
    assert synced[-2] == len(path.read_bytes())
