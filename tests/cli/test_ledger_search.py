"""`tsa ledger search` as an auditor meets it, on a folder that a service filled."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
import stat
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.main import main
from kokuin.ledger import search
from tests.service.asking import imprint, query
from tests.service.running import prepare, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.service.running import Prepared

DOCUMENT = b"a document that was stamped\n"
HASHES = ("sha256", "sha384", "sha512")


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSA_LANG", "en")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Give a folder with three tokens over one document, each with another hash, and one over another."""
    made = prepare(tmp_path_factory.mktemp("search") / "data", "classical")
    with serving(made) as service:
        for name in HASHES:
            value = hashlib.new(name, DOCUMENT).digest()
            assert service.post(query(message_imprint=imprint(name, value))).status_code == 200
        assert service.post(query()).status_code == 200
    return made


@pytest.fixture
def folder(filled: Prepared, tmp_path: Path) -> Path:
    return filled.copy(tmp_path / "data").folder.root


@pytest.fixture
def tsa(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `tsa ledger search WORDS` on the folder; return exit code, output and errors."""

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["ledger", "search", *words, "--dir", str(folder)])
        return (code, *capsys.readouterr())

    return run


def test_the_records_of_a_file_are_found_whatever_it_was_hashed_with(
    tsa: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    document = tmp_path / "document"
    document.write_bytes(DOCUMENT)
    code, printed, _ = tsa("--file", str(document), "--json")
    found = json.loads(printed)
    assert code == 0
    assert [record["leaf"]["imp_alg"] for record in found["records"]] == list(HASHES[::-1])
    assert all(record["token"] for record in found["records"])
    assert (found["next"], found["stale"]) == (None, 0)
    code, printed, _ = tsa("--imprint", hashlib.sha384(DOCUMENT).hexdigest().upper())
    assert (code, printed.count("\n")) == (0, 1)
    assert hashlib.sha384(DOCUMENT).hexdigest() in printed
    document.write_bytes(b"never stamped")
    assert tsa("--file", str(document)) == (1, "No record fits.\n", "")


def test_conditions_hold_together_and_pages_follow_each_other(
    tsa: Callable[..., tuple[int, str, str]],
) -> None:
    whole = json.loads(tsa("--kind", "tst.issued", "--oldest", "--json")[1])["records"]
    assert len(whole) == 4
    words = ("--kind", "tst.issued", "--oldest", "--limit", "3")
    code, printed, _ = tsa(*words)
    assert code == 0
    *lines, more = printed.splitlines()
    assert len(lines) == 3
    assert tsa(*words, *more.removeprefix("More: ").split())[1].count("\n") == 1
    one = whole[2]["leaf"]
    for option, field in (("serial", "serial"), ("request", "req"), ("token", "tok"), ("token", "tok512")):
        code, printed, _ = tsa(f"--{option}", one[field], "--tenant", one["tenant"], "--json")
        assert json.loads(printed)["records"] == [whole[2]]
        assert tsa(f"--{option}", one[field], "--tenant", "another")[0] == 1
    assert tsa("--serial", one["serial"], "--from", "2001-01-01T00:00:00Z", "--to", "2999-01-01")[0] == 0
    assert tsa("--serial", one["serial"], "--to", "2001-01-01T00:00:00Z")[0] == 1


def test_a_lying_index_shows_nothing_wrong_and_what_it_hides_comes_back_when_it_is_built_anew(
    tsa: Callable[..., tuple[int, str, str]], folder: Path
) -> None:
    serial = json.loads(tsa("--kind", "tst.issued", "--json")[1])["records"][0]["leaf"]["serial"]
    index = folder / "ledger" / "search.db"
    assert stat.S_IMODE(index.stat().st_mode) == 0o600
    with sqlite3.connect(index) as connection:
        connection.execute("UPDATE OR REPLACE posting SET idx = 0")
    connection.close()
    code, printed, _ = tsa("--serial", serial)
    assert code == 1
    assert "not confirmed by the ledger" in printed
    assert tsa("--serial", serial, "--rebuild")[0] == 0
    index.write_bytes(b"\0" * 5000)
    assert tsa("--serial", serial)[0] == 0


def test_building_tells_how_far_it_is_apart_from_the_answer(
    tsa: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    catch_up = search.SearchIndex.catch_up
    monkeypatch.setattr(search.SearchIndex, "catch_up", lambda self, reader, _most: catch_up(self, reader, 2))
    code, printed, errors = tsa("--kind", "tst.issued", "--json")
    assert (code, len(json.loads(printed)["records"])) == (0, 4)
    assert errors.startswith("search index: 2 of ")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--request", "xyz"), "--request: no record can have this value"),
        (("--token", "' OR 1=1 --"), "--token: "),
        (("--tenant", "\udcff"), "--tenant: "),
        (("--kind", "../etc"), "--kind: "),
        (("--limit", "0"), "--limit: "),
        (("--from", "0001-01-02T00:00:00Z"), "--from: "),
        (("--cursor", "no"), "--cursor: not of this search"),
        (("--file", "absent"), "absent: "),
        (("--file", "absent", "--imprint", "00"), "give one"),
    ],
)
def test_what_cannot_be_asked_is_one_line(
    words: tuple[str, ...], sentence: str, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    code, printed, errors = tsa(*words)
    assert (code, printed) == (3, "")
    assert errors.startswith("tsa ledger: ")
    assert sentence in errors
    assert errors.count("\n") == 1


def test_a_folder_that_cannot_be_searched_is_one_line(
    tsa: Callable[..., tuple[int, str, str]], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search.SearchIndex.__init__, "__defaults__", (0.0,))
    assert tsa()[0] == 0
    held = os.open(folder / "ledger" / "search.db.lock", os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    assert "try again" in tsa()[2]
    os.close(held)
    (folder / "ledger" / "search.db").unlink()
    (folder / "ledger" / "search.db").mkdir()
    assert "cannot be used: SEARCH_UNUSABLE" in tsa()[2]
    (folder / "ledger" / "ledger.db").write_bytes(b"no database")
    assert "LEDGER_UNREADABLE" in tsa()[2]
    (folder / "format").write_text("99\n")
    assert "format '99'" in tsa()[2]


def test_the_sentences_are_there_in_japanese(tsa: Callable[..., tuple[int, str, str]]) -> None:
    assert tsa("--serial", "00", "--lang", "ja")[1] == "該当する記録はありません。\n"


def test_an_annotation_is_shown_to_the_owner_and_gone_when_it_is_erased(
    tsa: Callable[..., tuple[int, str, str]], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--dir", str(folder), "--json")
    assert main(["ledger", "annotate", "3", "--text", "invoice\x1b of Café —", *words]) == 0
    index = json.loads(capsys.readouterr().out)["index"]
    (record,) = json.loads(tsa("--kind", "note.added", "--json")[1])["records"]
    assert (record["index"], record["leaf"]["about"], record["text"]) == (index, 3, "invoice\x1b of Café —")
    assert tsa("--kind", "note.added")[1].endswith("  about=3  text=invoice\ufffd of Café —\n")
    out = folder.with_name("bundle")
    assert main(["ledger", "export", "--dir", str(folder), "-o", str(out)]) == 0
    assert b"invoice" not in out.read_bytes()
    capsys.readouterr()
    assert main(["ledger", "redact", str(index), "--reason", "asked to", *words]) == 0
    capsys.readouterr()
    (record,) = json.loads(tsa("--kind", "note.added", "--json")[1])["records"]
    assert "text" not in record
    assert tsa("--kind", "redact")[1].endswith(f"  about={index}\n")
