"""`tsa verify` with revocation lists and OCSP answers in files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.main import main
from kokuin.wire.pem import write_block
from tests.trust.forge import DATA, DAY, NOW, order, pki
from tests.trust.revoking import Reason, Taken, answer, both_clear, crl

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REVOKED = Taken(pki().unit, NOW - DAY, Reason.key_compromise)


@pytest.fixture
def tsa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TSA_LANG", "en")
    (tmp_path / "data").write_bytes(DATA)
    (tmp_path / "token.tsr").write_bytes(order().make())
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "root.pem").write_bytes(pki().root.pem)
    words = ("token.tsr", "--data", "data", "--trust", "trust", "--at", "2026-06-01T00:00:00Z")
    return lambda *more: main(["verify", *words, *more])


def test_a_list_that_is_named_revokes_the_unit(
    tsa: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    der = crl(pki().authority, REVOKED)
    (tmp_path / "list.crl").write_bytes(der)
    (tmp_path / "list.pem").write_bytes(write_block("X509 CRL", der))
    for name in ("list.crl", "list.pem"):
        assert tsa("--crl", name) == 1
        said = capsys.readouterr().out
        assert said.startswith("FAILED / REVOKED: ")
        assert "[FAILED] Revocation status of CN=Unit, O=Test, C=JP: revoked at" in said
        assert "2026-05-31T00:00:00Z" in said
        assert "keyCompromise" in said


def test_an_answer_that_is_named_revokes_the_unit(
    tsa: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    der = answer(pki().authority, pki().unit, REVOKED)
    (tmp_path / "answer.der").write_bytes(der)
    (tmp_path / "answer.pem").write_bytes(write_block("OCSP RESPONSE", der))
    for name in ("answer.der", "answer.pem"):
        assert tsa("--ocsp", name) == 1
        assert capsys.readouterr().out.startswith("FAILED / REVOKED: ")


def test_options_are_repeated_and_folders_are_read(tsa: Callable[..., int], tmp_path: Path) -> None:
    unit, authority = both_clear()
    (tmp_path / "unit.crl").write_bytes(unit)
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "authority.DER").write_bytes(authority)
    (folder / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    (folder / "notes.txt").write_text("passed over")
    assert tsa("--revocation", "required") == 2
    assert tsa("--revocation", "required", "--crl", "unit.crl") == 2
    assert tsa("--revocation", "required", "--crl", "unit.crl", "--crl", "lists") == 0
    (folder / "unit.crl").write_bytes(unit)
    assert tsa("--revocation", "required", "--crl", "lists") == 0


def test_lists_and_answers_in_the_trust_folder_are_read(
    tsa: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trust" / "root.crl").write_bytes(crl(pki().root))
    (tmp_path / "trust" / "unit.ocsp").write_bytes(answer(pki().authority, pki().unit))
    assert tsa("--revocation", "required", "--json") == 0
    assert json.loads(capsys.readouterr().out)["limits"] == []


def test_a_damaged_list_in_the_trust_folder_is_named(
    tsa: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trust" / "root.crl").write_bytes(crl(pki().root)[:-1])
    assert tsa("--json") == 0
    reasons = [check.get("reason") for check in json.loads(capsys.readouterr().out)["checks"]]
    assert "REVOCATION_UNREADABLE" in reasons


@pytest.mark.parametrize("option", ["--crl", "--ocsp"])
def test_a_named_file_without_revocation_data_is_wrong_usage(
    option: str, tsa: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "root.pem").write_bytes(pki().root.pem)
    (tmp_path / "root.der").write_bytes(pki().root.der)
    for name in ("root.pem", "root.der", "absent.crl"):
        assert tsa(option, name) == 3
        assert name in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lang", "words"), [("en", "neither a revocation list"), ("ja", "失効リストも OCSP")]
)
def test_what_nobody_tells_is_said_in_both_languages(
    lang: str, words: str, tsa: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert tsa("--lang", lang) == 0
    assert words in capsys.readouterr().out
