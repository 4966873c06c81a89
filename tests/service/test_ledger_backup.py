"""Copies of the ledger: of one moment while it is written, verified, put back; nothing is ever deleted."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.main import main
from kokuin.cli.outcome import Exit
from kokuin.ledger.faults import OpenRefusedError
from kokuin.ledger.reader import LedgerReader
from kokuin.service import ledger_backup
from kokuin.service.access.state_backup import state_path
from kokuin.service.access.state_faults import StateRefusedError
from kokuin.service.config import load_config
from kokuin.service.datafolder import FolderError, FolderLock
from kokuin.service.ledger_backup import backup, drill, restore
from kokuin.service.ledger_manifest import BackupError, Manifest, manifest_path
from kokuin.service.setting_aside import set_aside
from tests.ledger.samples import check_whole, issued
from tests.service.epochs import Desked
from tests.service.keepers import keeping
from tests.service.recoveries import record, token
from tests.service.running import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from tests.service.running import Prepared


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    folder = folder_of("classical").folder
    desked = Desked(folder)
    desked.append(*[issued(each) for each in range(300)])
    desked.publish()
    desked.end()
    return folder


@pytest.fixture
def config(folder: DataFolder) -> Config:
    return load_config(folder.root, {})


def grow(folder: DataFolder, *numbers: int) -> None:
    desked = Desked(folder)
    desked.append(*[issued(each) for each in numbers])
    desked.publish()
    desked.end()


def head_of(path: Path) -> tuple[int, str]:
    with LedgerReader(path) as reader:
        return reader.size(), reader.head().root.hex()


def test_a_copy_is_the_ledger_of_one_moment_in_one_file(
    folder: DataFolder, config: Config, tmp_path: Path
) -> None:
    manifest = backup(folder, config, tmp_path / "copy")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "copy",
        "copy.manifest",
        "copy.state",
    ]
    assert (manifest.size, manifest.root) == head_of(folder.ledger)
    assert len(check_whole(tmp_path / "copy")) == manifest.size
    assert manifest.checkpoint.encode() == (folder.log / "checkpoint").read_bytes()
    assert Manifest.read(tmp_path / "copy") == manifest
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600
    with pytest.raises(BackupError, match="BACKUP_FILE_EXISTS"):
        backup(folder, config, tmp_path / "copy")


def test_copies_are_made_while_the_ledger_is_written(
    folder: DataFolder, config: Config, tmp_path: Path
) -> None:
    desked, done = Desked(folder), threading.Event()

    def write() -> None:
        number = 1000
        while not done.is_set():
            desked.append(issued(number))
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        sizes = [backup(folder, config, tmp_path / f"{number}").size for number in range(4)]
        deadline = time.monotonic() + PATIENCE_S
        while desked.journal.size <= sizes[0]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        done.set()
        writer.join()
    assert sizes == sorted(sizes)
    for number, size in enumerate(sizes):
        assert len(check_whole(tmp_path / f"{number}")) == size
    desked.end()


def test_a_copy_is_restored_and_what_lay_there_is_renamed(
    folder: DataFolder, config: Config, tmp_path: Path
) -> None:
    backup(folder, config, tmp_path / "copy")
    before = folder.ledger.read_bytes()
    restore(folder, config, tmp_path / "copy")
    assert head_of(folder.ledger) == head_of(tmp_path / "copy")
    assert [path.read_bytes() for path in folder.ledger.parent.glob("ledger.db.before-*Z")] == [before]
    grow(folder, 900)


def test_a_longer_ledger_gives_way_only_when_asked_and_is_never_deleted(
    folder: DataFolder, config: Config, tmp_path: Path
) -> None:
    backup(folder, config, tmp_path / "copy")
    grow(folder, 900)
    present = head_of(folder.ledger)
    with pytest.raises(BackupError, match="LEDGER_LONGER"):
        restore(folder, config, tmp_path / "copy")
    assert head_of(folder.ledger) == present
    restore(folder, config, tmp_path / "copy", aside=True)
    (aside,) = folder.ledger.parent.glob("ledger.db.before-*Z")
    assert head_of(aside) == present
    with pytest.raises(OpenRefusedError, match="tsa ledger recover"):
        Desked(folder)


def test_another_ledger_or_a_damaged_one_gives_way_only_when_asked(
    folder: DataFolder, config: Config, tmp_path: Path
) -> None:
    older = folder.ledger.read_bytes()
    grow(folder, 900)
    backup(folder, config, tmp_path / "copy")
    folder.ledger.write_bytes(older)
    connection = sqlite3.connect(folder.ledger)
    connection.executescript(
        "DROP TRIGGER entry_no_update; UPDATE entry SET leaf_hash = zeroblob(32) WHERE idx = 300"
    )
    connection.close()
    for octets in (folder.ledger.read_bytes(), b"junk"):
        folder.ledger.write_bytes(octets)
        with pytest.raises(BackupError, match="LEDGER_DIFFERENT"):
            restore(folder, config, tmp_path / "copy")
        assert folder.ledger.read_bytes() == octets
    restore(folder, config, tmp_path / "copy", aside=True)
    assert head_of(folder.ledger) == head_of(tmp_path / "copy")


def flip(path: Path, at: int) -> None:
    octets = bytearray(path.read_bytes())
    octets[at] ^= 1
    path.write_bytes(octets)


def test_a_damaged_copy_is_not_restored(folder: DataFolder, config: Config, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    manifest = backup(folder, config, copy)
    present = folder.ledger.read_bytes()
    size = copy.stat().st_size
    for at in (100, size // 2, size - 1):
        flip(copy, at)
        with pytest.raises(BackupError, match="BACKUP_DAMAGED"):
            restore(folder, config, copy)
        flip(copy, at)
    for name, value in {"size": 3, "root": "00" * 32, "checkpoint": "", "v": 2, "made": "x"}.items():
        changed = {**json.loads(manifest_path(copy).read_text()), name: value}
        manifest_path(copy).write_text(json.dumps(changed))
        with pytest.raises(BackupError):
            restore(folder, config, copy)
        manifest_path(copy).write_text(json.dumps({**changed, name: getattr(manifest, name)}))
    for text in ("", "[]", "{}", "[" * 100_000):
        manifest_path(copy).write_text(text)
        with pytest.raises(BackupError, match="BACKUP_UNREADABLE"):
            restore(folder, config, copy)
    assert folder.ledger.read_bytes() == present


def test_another_logs_copy_is_not_restored(
    folder: DataFolder, config: Config, tmp_path: Path, folder_of: Callable[[str], Prepared]
) -> None:
    other = folder_of("pq").folder
    grow(other, 1, 2)
    backup(other, load_config(other.root, {}), tmp_path / "copy")
    with pytest.raises(OpenRefusedError):
        restore(folder, config, tmp_path / "copy", aside=True)
    assert head_of(folder.ledger)[0] == 301


class PowerLossError(BaseException):
    """The process is gone; nothing is handled."""


def test_a_restore_that_breaks_off_is_taken_up_and_no_log_of_another_store_is_replayed(
    folder: DataFolder, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(folder, config, tmp_path / "copy")
    grow(folder, 900)
    folder.ledger.with_name("ledger.db-wal").write_bytes(b"of the ledger that lay here")
    real = set_aside

    def crash(path: Path, *companions: str) -> None:
        real(path)
        raise PowerLossError

    with monkeypatch.context() as patch:
        patch.setattr(ledger_backup, "set_aside", crash)
        with pytest.raises(PowerLossError):
            restore(folder, config, tmp_path / "copy", aside=True)
    assert not folder.ledger.exists()
    restore(folder, config, tmp_path / "copy")
    assert not folder.ledger.with_name("ledger.db-wal").exists()
    assert head_of(folder.ledger) == head_of(tmp_path / "copy")


def test_a_folder_in_use_is_not_restored_into(folder: DataFolder, config: Config, tmp_path: Path) -> None:
    backup(folder, config, tmp_path / "copy")
    with FolderLock(folder), pytest.raises(FolderError):
        restore(folder, config, tmp_path / "copy")


def test_a_drill_checks_the_whole_of_a_restored_copy(
    folder_of: Callable[[str], Prepared], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_of("classical").folder
    desked = Desked(folder)
    desked.append(*[record(token(each)) for each in range(3)])
    desked.publish()
    desked.end()
    words = ["ledger", "backup", "--drill", "--dir", str(folder.root), "--lang", "en"]
    assert main(words) == Exit.PASSED, capsys.readouterr()
    assert "4 records were copied" in capsys.readouterr().out
    connection = sqlite3.connect(folder.ledger)
    connection.executescript(
        "DROP TRIGGER entry_no_update; UPDATE entry SET leaf = CAST(leaf || ' ' AS BLOB) WHERE idx = 2"
    )
    connection.close()
    assert main([*words, "--json", "-o", str(tmp_path / "copy")]) == Exit.FAILED
    answer = json.loads(capsys.readouterr().out)
    assert any(finding.endswith(" 2") for finding in answer["findings"]), answer
    assert drill(folder, load_config(folder.root, {}), None).check_s >= 0
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_the_commands_copy_and_restore(
    folder: DataFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, place = str(tmp_path / "copy"), ["--dir", str(folder.root), "--lang", "en"]
    assert main(["ledger", "backup", *place]) == Exit.USAGE
    assert main(["ledger", "backup", "-o", copy, *place]) == Exit.PASSED
    assert main(["ledger", "backup", "-o", copy, *place]) == Exit.FAILED
    assert "BACKUP_FILE_EXISTS" in capsys.readouterr().err
    assert main(["ledger", "restore", copy, *place, "--json"]) == Exit.PASSED
    assert json.loads(capsys.readouterr().out)["size"] == 301
    assert main(["ledger", "restore", str(tmp_path / "nothing"), *place]) == Exit.FAILED
    with FolderLock(folder):
        assert main(["ledger", "restore", copy, *place]) == Exit.USAGE
        assert f"{folder.root} is being served; stop it first" in capsys.readouterr().err
    assert main(["ledger", "backup", "-o", str(tmp_path / "no" / "where"), *place]) == Exit.USAGE


def test_a_copy_has_who_may_do_what_beside_it(folder: DataFolder, config: Config, tmp_path: Path) -> None:
    with keeping(folder) as ask:
        tenant = ask("access.tenant.add", "owner", name="Murasaki")["tenant"]
    manifest = backup(folder, config, tmp_path / "copy")
    copy = state_path(tmp_path / "copy")
    assert hashlib.sha512(copy.read_bytes()).hexdigest() == manifest.state
    assert copy.stat().st_mode & 0o777 == 0o600
    folder.state.unlink()
    restore(folder, config, tmp_path / "copy")
    with keeping(folder) as ask:
        assert tenant in {each["tenant"] for each in ask("access.tenant.list", "owner")["tenants"]}


def test_a_copy_of_a_release_without_tenants_is_restored(
    folder: DataFolder, config: Config, tmp_path: Path
) -> None:
    manifest = backup(folder, config, tmp_path / "copy")
    state_path(tmp_path / "copy").unlink()
    stated = {name: value for name, value in asdict(manifest).items() if name != "state"}
    manifest_path(tmp_path / "copy").write_text(json.dumps(stated))
    before = folder.state.read_bytes()
    restore(folder, config, tmp_path / "copy")
    assert folder.state.read_bytes() == before


def test_a_ledger_without_its_state_is_not_copied(folder: DataFolder, config: Config, tmp_path: Path) -> None:
    folder.state.unlink()
    with pytest.raises(StateRefusedError):
        backup(folder, config, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_ledger_is_not_restored_beside_a_state_of_another_copy(
    folder: DataFolder, config: Config, tmp_path: Path
) -> None:
    backup(folder, config, tmp_path / "copy")
    copy, head = state_path(tmp_path / "copy"), head_of(folder.ledger)
    copy.write_bytes(copy.read_bytes() + b" ")
    with pytest.raises(StateRefusedError):
        restore(folder, config, tmp_path / "copy", aside=True)
    copy.unlink()
    with pytest.raises(StateRefusedError):
        restore(folder, config, tmp_path / "copy", aside=True)
    assert head_of(folder.ledger) == head, "all is judged before anything is moved"
