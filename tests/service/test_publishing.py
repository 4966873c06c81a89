"""Checkpoints: signed for what is committed, kept before they are shown, and never two for one size."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger.checkpoint import verify_line
from kokuin.ledger.committer import Committer
from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.ledger.log_folder import LogFolder
from kokuin.ledger.published import newest_checkpoint
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store import SqliteStore
from kokuin.ledger.tiles import new_tiles
from kokuin.service import publishing
from kokuin.service.config import Config, load_config
from kokuin.service.log_signing import open_log_signer, published_keys
from kokuin.service.publishing import CHECKPOINT_UNPUBLISHED, Publisher
from kokuin.service.standing import require_not_behind
from kokuin.trust.records import Record
from tests.ledger.samples import issued
from tests.service.running import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kokuin.ledger.plan import Head
    from kokuin.service.datafolder import DataFolder
    from tests.service.running import Prepared

OWN = Record("a.b", {"id": "own"}, self_caused=True)


class Log:
    """A folder's log with its publisher, and no service around it."""

    def __init__(self, folder: DataFolder) -> None:
        self.folder, self.config = folder, load_config(folder.root, {})
        self.fatal: list[str] = []
        self.journal = Committer(
            SqliteStore(folder.ledger), capacity=64, clock_ns=time.time_ns, on_fatal=self.fatal.append
        )
        self.publisher = self.new_publisher()

    def new_publisher(self) -> Publisher:
        signer = open_log_signer(self.folder, self.config, 1, None)
        return Publisher(
            self.folder,
            self.config,
            self.journal,
            signer,
            on_problem=lambda: None,
            on_fatal=self.fatal.append,
        )

    def append(self, *records: Record) -> None:
        assert isinstance(self.journal.append(*records).result(PATIENCE_S), tuple)

    def publish(self) -> None:
        asyncio.run(self.publisher.publish())

    def shown(self) -> int:
        octets = LogFolder(self.folder.log).checkpoint()
        assert octets is not None
        checkpoint = published_keys(self.folder).check(octets).checkpoint
        with LedgerReader(self.folder.ledger) as reader:
            kept = newest_checkpoint(reader)
            assert kept is not None
            assert (kept.size, kept.root) == (checkpoint.size, checkpoint.root)
            for tile in new_tiles(0, checkpoint.size):
                octets = b"".join(reader.hashes(tile.level, tile.start, tile.stop))
                assert (self.folder.log / tile.path).read_bytes() == octets
        return checkpoint.size


@pytest.fixture
def log(folder_of: Callable[[str], Prepared]) -> Iterator[Log]:
    log = Log(folder_of("classical").folder)
    yield log
    log.journal.close()
    assert not log.fatal


def check_standing(log: Log) -> None:
    with LedgerReader(log.folder.ledger) as reader:
        require_not_behind(log.folder, log.config, reader)


class _BesideAnother(LedgerReader):
    """A reader of a ledger that another node appends to and signs as soon as this one knows its head."""

    def __init__(self, log: Log) -> None:
        super().__init__(log.folder.ledger)
        self._log = log

    def head(self) -> Head:
        head = super().head()
        self._log.append(issued(head.size))
        self._log.publish()
        return head


def test_a_node_starts_while_another_appends_and_signs(log: Log) -> None:
    """The soak found a node ending for good: what was signed meanwhile seemed to be known and missing."""
    log.append(issued(0))
    log.publish()
    with _BesideAnother(log) as reader:
        require_not_behind(log.folder, log.config, reader)


def test_what_was_appended_is_signed_kept_and_shown_with_its_tiles(log: Log) -> None:
    log.publish()
    assert not (log.folder.log / "checkpoint").exists(), "an empty ledger has nothing to show"
    size = 0
    for count in (1, 254, 2, 300):
        log.append(*[issued(size + each) for each in range(count)])
        size += count
        log.publish()
        assert log.shown() == size
    assert not (log.folder.log / "tile/0/001.p").exists(), "the full tile stands for it"
    check_standing(log)


def test_what_the_service_causes_itself_makes_no_checkpoint(log: Log) -> None:
    log.append(issued(1), OWN)
    log.publish()
    assert log.shown() == 2
    log.append(OWN)
    log.publish()
    assert log.shown() == 2
    log.append(issued(2))
    log.publish()
    assert log.shown() == 4


def test_a_checkpoint_kept_before_a_crash_is_shown_after_it_and_no_other_is_signed(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append(issued(1))

    def crash(*_: object) -> None:
        raise OSError("power")

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "write_durably", crash)
        log.publish()
    assert log.publisher.problem == CHECKPOINT_UNPUBLISHED
    with LedgerReader(log.folder.ledger) as reader:
        kept = newest_checkpoint(reader)
    assert kept is not None
    log.publisher = log.new_publisher()
    log.publish()
    assert LogFolder(log.folder.log).checkpoint() == kept.note
    assert log.publisher.problem == ""


@pytest.mark.parametrize("step", ["write_tiles", "publish"])
def test_a_disk_that_refuses_the_public_files_is_a_problem_that_passes(
    log: Log, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    log.append(issued(1))
    with monkeypatch.context() as patch:
        patch.setattr(LogFolder, step, refuse)
        log.publish()
        assert log.publisher.problem == CHECKPOINT_UNPUBLISHED
    log.append(issued(2))
    log.publish()
    assert (log.publisher.problem, log.shown()) == ("", 2)


def test_a_store_that_cannot_be_read_for_a_moment_is_a_problem_that_passes(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    log.append(issued(1))
    with monkeypatch.context() as patch:
        patch.setattr(publishing, "newest_checkpoint", fail)
        log.publish()
        assert log.publisher.problem == CHECKPOINT_UNPUBLISHED
    log.publish()
    assert (log.publisher.problem, log.shown()) == ("", 1)


def test_a_tile_of_fewer_hashes_than_it_must_have_is_never_written(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader on a standby that lags behind shows fewer leaves than were committed."""
    log.append(issued(1), issued(2))
    with monkeypatch.context() as patch:
        patch.setattr(LedgerReader, "hashes", lambda *_: [b"x" * 32])
        log.publish()
    assert log.publisher.problem == CHECKPOINT_UNPUBLISHED
    assert not list(log.folder.log.rglob("*"))
    log.publish()
    assert log.shown() == 2


@pytest.mark.parametrize("late_s", [600, -600])
def test_a_checkpoint_is_dated_no_later_than_its_last_record(
    log: Log, monkeypatch: pytest.MonkeyPatch, late_s: int
) -> None:
    """Attack on genuine tokens: a node that hung signs a head that another node has long moved on from.

    By its date, tokens that were issued since would seem not to be there.
    """
    log.append(issued(1))
    monkeypatch.setattr(time, "time_ns", lambda: log.journal.head.at * 1000 + late_s * 10**9)
    log.publish()
    octets = LogFolder(log.folder.log).checkpoint()
    assert octets is not None
    logs = published_keys(log.folder)
    signed = logs.check(octets)
    lines = [verify_line(key, signed) for key in logs.keys(signed.checkpoint.origin)]
    assert [line and line.timestamp for line in lines] == [
        None,
        log.journal.head.at // 1_000_000 + min(late_s, 0),
    ]


def roll_back(log: Log) -> Path:
    """Publish two leaves, then put back the store as it was with one."""
    log.append(issued(1))
    log.publish()
    log.journal.close()
    older = shutil.copy(log.folder.ledger, log.folder.ledger.with_suffix(".older"))
    log.journal = Committer(
        SqliteStore(log.folder.ledger), capacity=64, clock_ns=time.time_ns, on_fatal=log.fatal.append
    )
    log.publisher = log.new_publisher()
    log.append(issued(2))
    log.publish()
    log.journal.close()
    shutil.copy(older, log.folder.ledger)
    return log.folder.ledger


@pytest.mark.parametrize("forgets", ["nothing", "log/checkpoint"])
def test_an_older_copy_of_the_store_is_not_opened_as_long_as_anything_remembers(
    log: Log, forgets: str
) -> None:
    roll_back(log)
    (log.folder.ledger.parent / forgets).unlink(missing_ok=True)
    with pytest.raises(OpenRefusedError) as refused:
        check_standing(log)
    assert refused.value.fault is OpenFault.BEHIND


def test_a_memory_that_is_not_there_stops_the_start(log: Log) -> None:
    """Attack: the whole folder is put back as it was, and the volume of the memory is not mounted."""
    log.append(issued(1))
    log.publish()
    log.config.ledger.high_water.unlink()
    with pytest.raises(OpenRefusedError) as refused:
        check_standing(log)
    assert refused.value.fault is OpenFault.MEMORY
    assert str(log.config.ledger.high_water) in str(refused.value)
    shutil.copy(log.folder.log / "checkpoint", log.config.ledger.high_water)
    check_standing(log)


def test_an_older_copy_that_grew_again_is_another_history(log: Log) -> None:
    store = SqliteStore(roll_back(log))
    log.journal = Committer(store, capacity=64, clock_ns=time.time_ns, on_fatal=log.fatal.append)
    log.append(issued(7), issued(8), issued(9))
    with pytest.raises(OpenRefusedError) as refused:
        check_standing(log)
    assert refused.value.fault is OpenFault.BEHIND


def test_a_memory_that_cannot_be_believed_stops_the_start(log: Log) -> None:
    log.append(issued(1))
    log.publish()
    memory = log.config.ledger.high_water
    memory.write_bytes(memory.read_bytes().replace(b"\n1\n", b"\n0\n", 1))
    with pytest.raises(OpenRefusedError) as refused:
        check_standing(log)
    assert refused.value.fault is OpenFault.MEMORY


def test_the_memory_may_lie_on_another_volume(folder_of: Callable[[str], Prepared], tmp_path: Path) -> None:
    folder = folder_of("classical").folder
    config = load_config(folder.root, {"TSA_LEDGER__HIGH_WATER": str(tmp_path / "elsewhere")})
    assert isinstance(config, Config)
    assert config.ledger.high_water == tmp_path / "elsewhere"


def test_two_roots_for_one_size_end_the_process(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append(issued(1))
    log.publish()

    class Forged:
        head = replace(log.journal.head, root=b"x" * 32, acted=2)
        work = log.journal.work

    monkeypatch.setattr(log.publisher, "_journal", Forged)
    log.publish()
    assert log.fatal
    log.fatal.clear()


def test_a_store_replaced_by_an_older_copy_under_the_process_ends_it_before_a_second_root_is_shown(
    log: Log,
) -> None:
    roll_back(log)
    shown = LogFolder(log.folder.log).checkpoint()
    memory = log.config.ledger.high_water.read_bytes()
    # Another history of the same length, as a node would write it that has never seen the second leaf.
    store = SqliteStore(log.folder.ledger)
    log.journal = Committer(store, capacity=64, clock_ns=time.time_ns, on_fatal=log.fatal.append)
    log.append(issued(7))
    log.publisher._journal = log.journal
    log.publish()
    assert "shown" in log.fatal.pop()
    assert LogFolder(log.folder.log).checkpoint() == shown
    assert log.config.ledger.high_water.read_bytes() == memory
    store.know(2, b"x" * 32)
    with pytest.raises(OpenRefusedError) as refused:
        store.reopen()
    assert refused.value.fault is OpenFault.BEHIND
