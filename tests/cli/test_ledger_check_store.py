"""`tsa ledger check --dir` on a folder that a service filled, while it runs and after it was damaged."""

from __future__ import annotations

import argparse
import json
import re
import sqlite3
import time
import tomllib
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.cli import messages
from kokuin.cli.ledger_check_store import run_store
from kokuin.cli.outcome import CommandError, Exit
from kokuin.ledger.findings import LedgerFault
from kokuin.ledger.store_faults import StoreFault
from tests.ledger.notes import log, verifier
from tests.service.asking import query
from tests.service.running import PATIENCE_S, prepare, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.service.datafolder import DataFolder
    from tests.service.running import Prepared


def asked(folder: Path, **more: Any) -> argparse.Namespace:
    return argparse.Namespace(
        **{"dir": folder, "log_key": None, "since": None, "json": True, "lang": "en", **more}
    )


def published(folder: DataFolder) -> Path:
    """Return the published checkpoint, which the keeper writes within a second."""
    path, end = folder.log / "checkpoint", time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    return path


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Prepared, int]:
    """Give a folder with three tokens, and the exit code of a check while the service ran."""
    made = prepare(tmp_path_factory.mktemp("check") / "data", "classical")
    with serving(made) as service:
        for _ in range(3):
            assert service.post(query()).status_code == 200
        published(made.folder)
        live = run_store(asked(made.folder.root))
    return made, live


@pytest.fixture
def folder(filled: tuple[Prepared, int], tmp_path: Path) -> DataFolder:
    return filled[0].copy(tmp_path / "data").folder


@pytest.fixture
def check(folder: DataFolder, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Any]]:
    """Check the folder; return exit code and JSON."""

    def run(**more: Any) -> tuple[int, Any]:
        code = run_store(asked(folder.root, **more))
        return code, json.loads(capsys.readouterr().out)

    return run


def tamper(folder: DataFolder, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(folder.ledger, isolation_level=None)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(statement, values)


def test_a_ledger_passes_while_its_service_runs(filled: tuple[Prepared, int]) -> None:
    assert filled[1] == Exit.PASSED


def test_a_sound_ledger_passes_and_the_json_form_says_what_was_looked_at(
    check: Callable[..., tuple[int, Any]],
) -> None:
    code, said = check()
    assert code == Exit.PASSED
    assert said["indication"] == "PASSED"
    assert (said["schema"], said["kind"], said["count"], said["first"]) == (1, "ledger-store", 0, None)
    assert said["findings"] == said["not_checked"] == []
    assert said["tokens"] == 3
    assert said["records"] == said["size"] > 3
    assert said["checkpoints"] > 0
    assert re.fullmatch("[0-9a-f]{64}", said["root"])
    assert set(said) == {
        *("schema", "kind", "indication", "size", "root", "records", "gone", "tokens", "checkpoints"),
        *("seals", "seals_open", "first", "count", "findings", "not_checked"),
    }


def test_a_changed_token_is_named_with_its_record(
    folder: DataFolder, check: Callable[..., tuple[int, Any]]
) -> None:
    tamper(
        folder, "UPDATE token SET der = CAST(der || x'00' AS BLOB) WHERE idx = (SELECT max(idx) FROM token)"
    )
    code, said = check()
    assert code == Exit.FAILED
    assert [each["code"] for each in said["findings"]] == ["TOKEN_CHANGED"]
    assert said["first"] == said["findings"][0]["index"]


def test_people_read_the_first_wrong_record_first_in_either_language(
    folder: DataFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(folder, "DELETE FROM token WHERE idx = (SELECT min(idx) FROM token)")
    tamper(folder, "UPDATE entry SET leaf = x'7b7d' WHERE idx = 1")
    for lang, sentence in (
        ("en", "was changed after it was entered"),
        ("ja", "登録後に書き換えられています"),
    ):
        assert run_store(asked(folder.root, json=False, lang=lang)) == Exit.FAILED
        head, first, *_ = capsys.readouterr().out.splitlines()
        assert head.startswith("FAILED: ")
        assert "3" in head
        assert "RECORD_CHANGED" in first
        assert sentence in first
        assert re.search(r"\b1:", first) or "記録1:" in first


def test_a_file_that_is_no_database_is_a_finding_and_one_that_is_not_there_a_mistake(
    folder: DataFolder, check: Callable[..., tuple[int, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder.ledger.write_bytes(b"no database" * 1000)
    code, said = check()
    assert code == Exit.FAILED
    assert [each["code"] for each in said["findings"]] == ["DATABASE_UNREADABLE"]
    assert said["not_checked"] == ["RECORDS", "SIGNATURES", "PUBLISHED"]
    for lang, absent in (
        ("en", "There is no|Nothing is"),
        ("ja", "trust/log.vkeyがありません|何も公開されて"),
    ):
        assert run_store(asked(folder.root, json=False, lang=lang)) == Exit.FAILED
        words = capsys.readouterr().out
        assert words.startswith("FAILED: ")
        assert not re.search(absent, words)
        assert re.search("since the database cannot be read|データベースを読み取れないため", words)
    folder.ledger.unlink()
    with pytest.raises(CommandError):
        check()


def test_a_folder_without_keys_or_log_is_checked_and_the_gap_is_named(
    folder: DataFolder, check: Callable[..., tuple[int, Any]]
) -> None:
    folder.log_keys.unlink()
    folder.log.rename(folder.root / "elsewhere")
    code, said = check()
    assert code == Exit.PASSED
    assert said["not_checked"] == ["SIGNATURES", "PUBLISHED"]


def test_a_high_water_file_that_is_gone_is_a_gap_that_is_named(
    folder: DataFolder, check: Callable[..., tuple[int, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Attack: the whole folder is put back, and the volume of the one file that knows is not mounted."""
    (folder.root / "ledger" / "high-water").unlink()
    code, said = check()
    assert (code, said["not_checked"]) == (Exit.PASSED, ["HIGH_WATER"])
    for lang in messages.LANGUAGES:
        assert run_store(asked(folder.root, json=False, lang=lang)) == Exit.PASSED
        assert "high-water" in capsys.readouterr().out


def test_keys_that_are_named_are_asked_and_others_refuse_the_log(
    folder: DataFolder, tmp_path: Path, check: Callable[..., tuple[int, Any]]
) -> None:
    assert check(log_key=folder.log_keys)[0] == Exit.PASSED
    other = tmp_path / "other.vkey"
    other.write_text(verifier(log()).encode())
    code, said = check(log_key=other)
    assert code == Exit.FAILED
    assert {each["code"] for each in said["findings"]} == {
        "CHECKPOINT_SIGNATURE",
        "PUBLISHED_CHANGED",
        "MEMORY_UNREADABLE",
    }
    for wrong in (tmp_path / "absent.vkey", folder.ledger):
        with pytest.raises(CommandError):
            check(log_key=wrong)


def test_the_ledger_must_go_on_from_an_earlier_checkpoint(
    folder: DataFolder, tmp_path: Path, check: Callable[..., tuple[int, Any]]
) -> None:
    seen = tmp_path / "seen"
    seen.write_bytes(published(folder).read_bytes())
    assert check(since=seen)[0] == Exit.PASSED
    seen.write_bytes(log().sign(1, b"r" * 32, 1))
    with pytest.raises(CommandError):
        check(since=seen)  # not of this log: it proves nothing about it


@pytest.mark.parametrize("lang", messages.LANGUAGES)
def test_the_first_word_is_the_verdict(
    folder: DataFolder, capsys: pytest.CaptureFixture[str], lang: str
) -> None:
    assert run_store(asked(folder.root, json=False, lang=lang)) == Exit.PASSED
    assert capsys.readouterr().out.startswith("PASSED: ")


def test_what_is_no_data_folder_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(CommandError):
        run_store(asked(tmp_path))


@pytest.mark.parametrize("lang", messages.LANGUAGES)
def test_every_fault_has_a_sentence(lang: str) -> None:
    path = Path(messages.__file__).with_name("messages") / f"{lang}.toml"
    said = tomllib.loads(path.read_text(encoding="utf-8"))["ledger.fault"]
    assert {str(code) for code in chain(LedgerFault, StoreFault)} <= set(said)
