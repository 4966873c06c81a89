"""`tsa verify` as a user meets it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import kokuin
from eseal.levels import Missing
from eseal.rules import SEAL_RULES, SealReason
from eseal.values import StampRole
from kokuin.cli.main import main
from kokuin.cli.messages import LANGUAGES, text
from kokuin.cli.report_text import _OF_RECORDS
from kokuin.trust.report import Existence, Indication, Limit, Status, SubIndication
from kokuin.trust.rules import ENCLOSING_RULES, EVIDENCE_RULES, LEDGER_RULES, TOKEN_RULES, Reason
from tests.trust.forge import DATA, order, pki

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(kokuin.__file__).parents[1]
AT = ("--at", "2026-06-01T00:00:00Z")
SERVER_LIBRARIES = (
    "alembic",
    "fastapi",
    "httpx",
    "orjson",
    "pydantic",
    "rich",
    "sqlalchemy",
    "sqlmodel",
    "starlette",
    "typer",
    "uvicorn",
)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "data").write_bytes(DATA)
    (tmp_path / "token.tsr").write_bytes(order().make())
    (tmp_path / "root.pem").write_bytes(pki().root.pem)
    return tmp_path


@pytest.fixture
def tsa(files: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.chdir(files)
    monkeypatch.setenv("TSA_LANG", "en")
    return lambda *words: main(["verify", *words])


TRUST = ("token.tsr", "--trust", "root.pem")


def test_a_good_token_passes(tsa: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert tsa(*TRUST, *AT, "--data", "data") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "PASSED: the time-stamp is valid"
    assert any("Unit" in line for line in lines)
    assert any("not every certificate was checked for revocation" in line for line in lines)


def test_the_digest_does_instead_of_the_data(tsa: Callable[..., int]) -> None:
    digest = hashlib.sha256(DATA).hexdigest()
    assert tsa(*TRUST, *AT, "--digest", digest) == 0
    assert tsa(*TRUST, *AT, "--digest", digest[::-1]) == 1


def test_other_data_fails(tsa: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert tsa(*TRUST, *AT, "--data", "root.pem") == 1
    assert capsys.readouterr().out.startswith("FAILED / HASH_FAILURE: ")


def test_what_is_not_known_is_indeterminate(
    tsa: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert tsa("token.tsr", *AT) == 2
    assert capsys.readouterr().out.startswith("INDETERMINATE / NO_CERTIFICATE_CHAIN_FOUND: ")
    assert tsa(*TRUST, "--at", "2030-01-01") == 2
    assert capsys.readouterr().out.startswith("INDETERMINATE / OUT_OF_BOUNDS_NO_POE: ")


def test_a_file_that_is_no_token_fails(tsa: Callable[..., int]) -> None:
    assert tsa("data") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("absent.tsr",),
        (*TRUST, "--data", "absent"),
        ("data", "--data", "absent"),
        ("token.tsr", "--trust", "absent"),
        ("token.tsr", "--trust", "data"),
        (*TRUST, "--digest", "xyz"),
        (*TRUST, "--at", "yesterday"),
        (*TRUST, "--at", "2026-13-01"),
        (*TRUST, "--at", "0001-01-01T00:00+14:00"),
        (*TRUST, "--at", "9999-12-31T23:00-14:00"),
        (*TRUST, "--data", "data", "--digest", "00"),
        (*TRUST, "--lang", "fr"),
        (*TRUST, "--policy", "absent"),
        (*TRUST, "--policy", "data"),
        (),
    ],
)
def test_wrong_usage_and_files_that_cannot_be_opened_are_told_from_verdicts(
    tsa: Callable[..., int], words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = tsa(*words)
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert code == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert err


@pytest.mark.parametrize("moment", ["2026-06-01", "2026-06-01T00:00:00", "2026-06-01T09:00:00+09:00"])
def test_times_are_read_in_utc_unless_they_say_otherwise(
    tsa: Callable[..., int], moment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tsa(*TRUST, "--at", moment, "--json") == 0
    assert json.loads(capsys.readouterr().out)["validation_time"] == "2026-06-01T00:00:00Z"


def test_the_policy_is_chosen_by_name_or_file_and_named_in_the_report(
    tsa: Callable[..., int], files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tsa(*TRUST, *AT, "--json") == 0
    assert json.loads(capsys.readouterr().out)["policy"] == {"name": "baseline", "edition": "1"}
    assert tsa(*TRUST, *AT, "--policy", "eu-ts119312") == 0
    assert "eu-ts119312 (TS 119 312 V2.1.1)" in capsys.readouterr().out
    shipped = Path(kokuin.__file__).parents[1] / "pqc" / "policies" / "eu-ts119312.toml"
    (files / "strict.toml").write_text(shipped.read_text().replace("2030-12-31", "2020-12-31"))
    assert tsa(*TRUST, *AT, "--policy", "strict.toml", "--json") == 2
    assert json.loads(capsys.readouterr().out)["policy"]["name"] == "strict"


def test_json_does_not_depend_on_the_language(
    tsa: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    spoken = []
    for lang in LANGUAGES:
        assert tsa(*TRUST, *AT, "--json", "--lang", lang) == 0
        spoken.append(capsys.readouterr().out)
    assert spoken[0] == spoken[1]
    report = json.loads(spoken[0])
    assert report["indication"] == "PASSED"
    assert report["limits"] == ["CONTENT_NOT_COMPARED", "REVOCATION_NOT_CHECKED"]


def test_japanese_is_spoken_when_asked_for(
    tsa: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert tsa(*TRUST, *AT, "--lang", "ja") == 0
    assert capsys.readouterr().out.startswith("PASSED: タイムスタンプは有効です")


def _sections(lang: str) -> dict[str, dict[str, str]]:
    folder = Path(__file__).parents[2] / "kokuin" / "cli" / "messages"
    return tomllib.loads((folder / f"{lang}.toml").read_text(encoding="utf-8"))


def test_both_languages_have_the_same_keys_and_parameters() -> None:
    english, japanese = (
        {(section, key): value for section, keys in _sections(lang).items() for key, value in keys.items()}
        for lang in LANGUAGES
    )
    assert english.keys() == japanese.keys()
    for key, value in english.items():
        fields = {part.split("}")[0] for part in value.split("{")[1:]}
        assert {part.split("}")[0] for part in japanese[key].split("{")[1:]} == fields, key


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_code_has_a_sentence(lang: str) -> None:
    sections = _sections(lang)
    for codes in (Indication, SubIndication, Status, Limit, Existence):
        assert {code.value for code in codes} <= sections["report"].keys()
    rules = (*TOKEN_RULES, *ENCLOSING_RULES, *EVIDENCE_RULES, *LEDGER_RULES, *SEAL_RULES)
    assert {rule.id for rule in rules} == sections["check"].keys()
    assert {reason.value for reason in (*Reason, *SealReason)} == sections["reason"].keys()
    seal = {code.value for code in (*Indication, *SubIndication)}
    seal |= {f"missing_{code}" for code in Missing} | {f"stamp_role_{code}" for code in StampRole}
    assert seal == sections["seal"].keys()
    assert sections["evidence"].keys() == _OF_RECORDS
    assert text(lang, "report.PASSED")


def run(files: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    script = "import sys; from kokuin.cli.main import main; code = main(sys.argv[1:])"
    script += "; print('MODULES', *sys.modules, file=sys.stderr); sys.exit(code)"
    return subprocess.run(
        [sys.executable, "-c", script, "verify", *words],
        cwd=files,
        capture_output=True,
        check=False,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), **environment},
    )


def test_no_library_of_the_server_is_loaded(files: Path) -> None:
    ended = run(files, *TRUST, *AT, "--data", "data")
    assert ended.returncode == 0
    loaded = ended.stderr.split(b"MODULES ")[1].decode().split()
    assert "kokuin.verify.verifying" in loaded
    assert not [name for name in loaded if name.startswith("kokuin.ledger") or "ledger" in name]
    assert not {name.partition(".")[0] for name in loaded} & set(SERVER_LIBRARIES)
    assert "cryptography.x509" not in loaded


def test_output_survives_an_encoding_that_lacks_the_characters(files: Path) -> None:
    for encoding in ("ascii", "cp932"):
        ended = run(files, *TRUST, *AT, "--lang", "ja", PYTHONIOENCODING=encoding)
        assert ended.returncode == 0
        assert ended.stdout.startswith(b"PASSED: ")
        assert ended.stdout.decode(encoding)


def _told_to(files: Path, descriptor: int, *, unbuffered: bool) -> tuple[int, str]:
    """Verify a good token with standard output as given; return exit code and standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "kokuin.cli.main", "verify", *TRUST, *AT],
        cwd=files,
        env={
            **os.environ,
            "PYTHONUNBUFFERED": "1" if unbuffered else "",
            "PYTHONPATH": str(ROOT),
            "TSA_LANG": "en",
        },
        stdout=descriptor,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("unbuffered", [False, True])
def test_a_reader_that_has_gone_ends_the_command_quietly(files: Path, unbuffered: bool) -> None:  # noqa: FBT001  # a parameter of the test
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        assert _told_to(files, theirs, unbuffered=unbuffered) == (141, "")
    finally:
        os.close(theirs)


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_verdict_that_cannot_be_written_is_told_in_one_line(files: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        code, said = _told_to(files, full.fileno(), unbuffered=False)
    assert code == 3
    assert said.startswith("tsa verify: standard output: ")
    assert len(said.splitlines()) == 1


def test_closed_standard_output_leaves_the_exit_code(
    tsa: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert tsa(*TRUST, *AT) == 0
    assert tsa(*TRUST, *AT, "--digest", "00" * 32) == 1
