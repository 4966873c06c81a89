"""`tsa upgrade`: a folder of the former release keeps all that it had, and gets a tree and its log keys."""

from __future__ import annotations

import hashlib
import lzma
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.main import main
from kokuin.cli.outcome import Exit
from kokuin.ledger import schema, tree
from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.ledger.leaf import leaf_hash
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store import SqliteStore
from kokuin.service import log_signing, upgrading
from kokuin.service.access import state
from kokuin.service.access.state import StateStore
from kokuin.service.config import ConfigError, load_config
from kokuin.service.datafolder import FORMAT, DataFolder, FolderError, FolderLock
from kokuin.service.log_signing import open_log_signer
from kokuin.service.upgrading import upgrade
from tests.ledger.rfc6962 import mth
from tests.service.format1 import SIZE, TOKEN, format1
from tests.service.keepers import keeping

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.service.running import Prepared

DATA = b"a"
COUNT = "SELECT count(*) FROM tenant"
GOLDEN = Path(__file__).parents[1] / "golden" / "format-2"
"""A folder of the format without a `state.db`, and the token that it issued last."""


@pytest.fixture
def former(tmp_path: Path) -> DataFolder:
    return format1(tmp_path / "data")


def contents(folder: DataFolder) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.root.rglob("*") if path.is_file()}


def rows(folder: DataFolder, table: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder.ledger)
    try:
        return connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()  # noqa: S608  # a name of ours
    finally:
        connection.close()


def check_upgraded(folder: DataFolder) -> None:
    folder.check_format()
    with LedgerReader(folder.ledger) as reader:
        leaves = [stored.leaf for stored in reader.walk()]
        head = reader.head()
    assert (len(leaves), head.size, head.epoch) == (SIZE, SIZE, 1)
    assert head.root == mth([leaf_hash(leaf) for leaf in leaves])
    config = load_config(folder.root, {})
    signer = open_log_signer(folder, config, 1, None)
    assert signer.origin == f"{config.ledger.origin}/1" != "kokuin.invalid/log/1"
    check_opened(folder)


def check_opened(folder: DataFolder) -> None:
    """See that a folder has a `state.db`, and that whoever could stamp still can."""
    folder.check_format()
    assert load_config(folder.root, {}).access.timestamps == "open"
    store = StateStore(folder.state)
    try:
        assert store.read(lambda session: session.connection().exec_driver_sql(COUNT).scalar()) == 1
    finally:
        store.close()


def test_the_ledger_gets_a_tree_and_its_log_a_name_and_keys(former: DataFolder) -> None:
    kept = {table: rows(former, table) for table in ("entry", "token", "ix", "unit_high")}
    settings = former.config.read_text()
    assert upgrade(former)
    check_upgraded(former)
    assert {table: rows(former, table) for table in kept} == kept
    assert former.config.read_text().startswith(settings.rstrip())
    assert len(rows(former, "node")) == 1


def test_a_token_of_the_former_release_verifies_against_its_folder_and_is_in_the_ledger(
    former: DataFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    upgrade(former)
    data = former.root.with_name("data.bin")
    data.write_bytes(DATA)
    at = "2026-11-21T14:00:00Z"
    code = main(
        [
            "verify",
            str(TOKEN),
            "--data",
            str(data),
            "--trust",
            str(former.anchors),
            "--at",
            at,
            "--lang",
            "en",
        ]
    )
    assert code == Exit.PASSED, capsys.readouterr()
    with LedgerReader(former.ledger) as reader:
        stored = next(reader.backwards("cfg.activated"))
        tokens = [stored.token for stored in reader.walk() if stored.token is not None]
    assert leaf_hash(stored.leaf) == stored.leaf_hash
    assert tokens[-1] in TOKEN.read_bytes()


def test_a_second_upgrade_changes_nothing(former: DataFolder, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["upgrade", "--dir", str(former.root), "--lang", "en"]
    assert main(words) == 0
    assert str(former.log_keys) in capsys.readouterr().out
    before = contents(former)
    assert main(words) == 0
    assert "nothing was changed" in capsys.readouterr().out
    assert contents(former) == before


def test_a_folder_of_the_former_format_is_not_served_and_the_remedy_is_named(
    former: DataFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--dir", str(former.root), "--port", "0"]) == Exit.USAGE
    assert f"tsa upgrade --dir {former.root}" in capsys.readouterr().err


class PowerLossError(BaseException):
    """The machine stops; nothing is handled."""


BREAKS = ("schema", "origin", "keys", "vkey", "state", "format")


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", BREAKS)
def test_an_upgrade_that_breaks_off_is_taken_up(
    former: DataFolder, monkeypatch: pytest.MonkeyPatch, step: str, *, done: bool
) -> None:
    places = {
        "schema": (schema, "upgrade"),
        "origin": (upgrading, "write_durably"),
        "keys": (log_signing, "write_key"),
        "vkey": (log_signing, "write_durably"),
        "state": (state, "create"),
        "format": (upgrading, "write_durably"),
    }
    module, name = places[step]
    real, target = getattr(module, name), {"origin": "config.toml", "format": "format"}.get(step)

    def broken(path: Path, *arguments: object) -> None:
        if target is not None and path.name != target:
            real(path, *arguments)
            return
        if done:
            real(path, *arguments)
        raise PowerLossError

    with monkeypatch.context() as patch:
        patch.setattr(module, name, broken)
        with pytest.raises(PowerLossError):
            upgrade(former)
    finished = step == "format" and done
    if not finished:
        with pytest.raises(FolderError, match="tsa upgrade"):
            former.check_format()
    config = former.config.read_bytes()
    assert upgrade(former) is not finished
    check_upgraded(former)
    if "origin" in config.decode():
        assert former.config.read_bytes().startswith(config), "the name once given stays"


def test_a_migration_that_breaks_off_leaves_the_former_schema(
    former: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise PowerLossError

    with monkeypatch.context() as patch:
        patch.setattr(tree, "root_of", crash)
        with pytest.raises(PowerLossError):
            upgrade(former)
    assert rows(former, "alembic_version") == [("0001",)]
    assert upgrade(former)
    check_upgraded(former)


def test_a_leaf_that_was_changed_under_the_former_release_is_not_vouched_for(former: DataFolder) -> None:
    connection = sqlite3.connect(former.ledger)
    find = "SELECT sql FROM sqlite_master WHERE name = 'entry_no_update'"
    (trigger,) = connection.execute(find).fetchone()
    connection.execute("DROP TRIGGER entry_no_update")
    connection.execute("UPDATE entry SET leaf = CAST(leaf || ' ' AS BLOB) WHERE idx = 9")
    connection.execute(trigger)
    connection.commit()
    connection.close()
    for _ in range(2):
        with pytest.raises(OpenRefusedError, match="leaf 9") as refused:
            upgrade(former)
        assert refused.value.fault is OpenFault.INCONSISTENT
    assert not former.log_keys.exists()
    with pytest.raises(FolderError):
        former.check_format()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[ledger]\nqueue = 7\n", True),
        ("[ ledger ] # ours\nqueue = 7", True),
        ("[unit]\n\n[ledger] # ours", True),
        ('[ledger]\norigin = "a.example/log"\n', False),
    ],
)
def test_the_name_is_written_beside_what_the_configuration_says(
    former: DataFolder, text: str, *, named: bool
) -> None:
    former.config.write_text(f'pki = "development"\n{text}\n')
    former.config.chmod(0o640)
    before = load_config(former.root, {})
    upgrade(former)
    after = load_config(former.root, {})
    assert after.ledger.queue == before.ledger.queue
    assert (after.ledger.origin != before.ledger.origin) == named
    assert former.config.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("ledger.queue = 7\n", 'ledger.origin = "x.example/log"\n'),
        ("ledger = { queue = 7 }\n", 'ledger = { queue = 7, origin = "x.example/log" }\n'),
    ],
)
def test_a_configuration_that_we_cannot_add_to_is_left_to_its_author(
    former: DataFolder, text: str, named: str
) -> None:
    former.config.write_text(text)
    with pytest.raises(ConfigError, match=r"ledger\.origin"):
        upgrade(former)
    assert former.config.read_text() == text
    former.config.write_text(named)
    assert upgrade(former)


def test_a_folder_in_use_or_of_another_release_is_refused(former: DataFolder) -> None:
    with FolderLock(former), pytest.raises(FolderError, match="in use"):
        upgrade(former)
    former.format.write_text(f"{FORMAT + 1}\n")
    with pytest.raises(FolderError):
        upgrade(former)
    former.ledger.unlink()
    former.format.write_text("1\n")
    with pytest.raises(OpenRefusedError):
        upgrade(former)
    assert not former.ledger.exists()


def test_the_store_can_be_appended_to_after_the_upgrade(former: DataFolder) -> None:
    upgrade(former)
    store = SqliteStore(former.ledger)
    store.close()
    assert store.head.size == SIZE
    assert store.highest_gen
    assert hashlib.sha256(DATA).hexdigest().encode() in TOKEN.read_bytes().hex().encode()


@pytest.fixture
def second(tmp_path: Path) -> DataFolder:
    """A folder of the format without a `state.db`, as that release left it."""
    shutil.copytree(GOLDEN / "folder", tmp_path / "data")
    folder = DataFolder(tmp_path / "data")
    packed = folder.ledger.with_name("ledger.db.xz")
    folder.ledger.write_bytes(lzma.decompress(packed.read_bytes()))
    packed.unlink()
    return folder


def test_a_folder_without_a_state_gets_one_and_keeps_the_rest(second: DataFolder) -> None:
    before, settings = contents(second), second.config.read_text()
    assert upgrade(second)
    check_opened(second)
    after = contents(second)
    changed = {Path(path).name for path in after if before.get(path) != after[path]}
    assert changed == {"config.toml", "format", "state.db", "lock"}
    assert second.config.read_text().startswith(settings.rstrip())
    assert not upgrade(second)


def test_a_token_of_the_release_without_tenants_verifies_against_its_upgraded_folder(
    second: DataFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    upgrade(second)
    data = second.root.with_name("data.bin")
    data.write_bytes(DATA)
    words = [str(GOLDEN / "token.tsr"), "--data", str(data), "--trust", str(second.anchors)]
    code = main(["verify", *words, "--at", "2026-11-21T21:00:00Z", "--lang", "en"])
    assert code == Exit.PASSED, capsys.readouterr()
    with LedgerReader(second.ledger) as reader:
        tokens = [stored.token for stored in reader.walk() if stored.token is not None]
    assert tokens[-1] in (GOLDEN / "token.tsr").read_bytes()


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", ["config.toml", "state.db", "format"])
def test_an_upgrade_to_a_state_that_breaks_off_is_taken_up(
    second: DataFolder, monkeypatch: pytest.MonkeyPatch, step: str, *, done: bool
) -> None:
    module, name = (state, "create") if step == "state.db" else (upgrading, "write_durably")
    real = getattr(module, name)

    def broken(path: Path, *arguments: object) -> None:
        if path.name != step or done:
            real(path, *arguments)
        if path.name == step:
            raise PowerLossError

    with monkeypatch.context() as patch:
        patch.setattr(module, name, broken)
        with pytest.raises(PowerLossError):
            upgrade(second)
    assert upgrade(second) is not (step == "format" and done)
    check_opened(second)


def test_who_had_shut_the_service_finds_it_shut(second: DataFolder) -> None:
    second.config.write_text(second.config.read_text() + '\n[access]\ntimestamps = "closed"\n')
    upgrade(second)
    assert load_config(second.root, {}).access.timestamps == "closed"


def test_an_upgraded_folder_is_served_as_before_and_knows_tenants(
    folder_of: Callable[[str], Prepared],
) -> None:
    folder = folder_of("classical").folder
    text = folder.config.read_text()
    access = text[text.index("[access]") : text.index("[ledger]")]
    folder.config.write_text(text.replace(access, ""))
    folder.state.unlink()
    folder.format.write_text("2\n")
    assert upgrade(folder)
    with keeping(folder) as ask:
        assert ask("access.tenant.add", "owner", name="Murasaki")["ok"]
        assert len(ask("access.tenant.list", "owner")["tenants"]) == 2
