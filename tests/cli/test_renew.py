"""`tsa renew` on files: planned, renewed by an authority over HTTP, and told in both languages."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.cli.folder_locks import FolderBusyError, held
from kokuin.cli.main import main
from kokuin.cli.renew_places import name_files
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.ers import read_evidence_record
from kokuin.wire.pem import write_block
from tests.ownpolicy import policy_text, row
from tests.stampinghttp import stamping
from tests.trust.evidences import DATA, P256, PQ, first, moment, unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stampinghttp import StampingServer

YEAR = time.gmtime().tm_year
STAMPING, ARCHIVE = unit(P256, YEAR, 1_800), unit(PQ, YEAR)
TOKENS = 5


@pytest.fixture
def authority() -> Iterator[StampingServer]:
    with stamping(ARCHIVE) as server:
        yield server


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive of tokens, and whom to trust."""
    for each in ("TSA_LANG", "LANG", "LC_ALL"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.chdir(tmp_path)
    roots = (each.root.certificate.der for each in (STAMPING, ARCHIVE))
    (tmp_path / "ca.pem").write_bytes(b"".join(write_block("CERTIFICATE", der) for der in roots))
    (tmp_path / "archive/2026").mkdir(parents=True)
    for number in range(TOKENS):
        data = DATA + b"%d" % number
        name = f"archive/{'2026/' if number % 2 else ''}{number}"
        (tmp_path / name).write_bytes(data)
        token = STAMPING.stamp("sha256", DIGEST_BY_NAME["sha256"].of(data), moment(YEAR))
        (tmp_path / f"{name}.tsr").write_bytes(token)
    return tmp_path


DUE = ("--before", f"{YEAR + 9}-01-01T00:00:00Z", "--trust", "ca.pem")


def run(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["renew", *words, *DUE])
    return code, capfd.readouterr().out


def summary(capfd: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    found, out = run(capfd, *words, "--json")
    assert found == code
    read: dict[str, Any] = json.loads(out)
    return read


def records(folder: Path) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*.er"))


def test_a_plan_says_what_when_and_how_much_and_does_nothing(
    files: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = sorted(files.rglob("*"))
    code, out = run(capfd, "archive", "--plan")
    assert code == 0
    assert "Nothing was done." in out
    assert "Needed: 1 time-stamps" in out
    assert f"5 tokens without evidence: a record until {YEAR + 4}-12-" in out
    found = summary(capfd, "archive", "--plan")
    assert found["acts"]["new-record"] == TOKENS
    assert found["signatures"] == 1
    assert found["due"][0]["cause"] == "UNIT_EXPIRES"
    assert sorted(files.rglob("*")) == before


def test_octets_of_a_plan_are_about_those_that_are_written(
    files: Path, capfd: pytest.CaptureFixture[str], authority: StampingServer
) -> None:
    planned = summary(capfd, "archive", "--plan")["octets"]
    run(capfd, "archive", "--url", authority.url)
    written = sum(each.stat().st_size for each in files.rglob("*.er"))
    assert 0.7 < written / planned < 1.4


def test_all_are_renewed_by_one_time_stamp_and_verify_later(
    files: Path, capfd: pytest.CaptureFixture[str], authority: StampingServer
) -> None:
    code, out = run(capfd, "archive", "--url", authority.url)
    assert (code, authority.asked) == (0, 1)
    assert "5 renewed by 1 time-stamps." in out
    assert records(files / "archive") == [
        "0.tsr.er",
        "2.tsr.er",
        "2026/1.tsr.er",
        "2026/3.tsr.er",
        "4.tsr.er",
    ]
    later = ("--trust", "ca.pem", "--at", f"{YEAR + 7}-01-01T00:00:00Z")
    assert main(["verify", "archive/2026/1.tsr", "--data", "archive/2026/1", *later]) == 0
    assert main(["verify", "archive", *later]) == 0
    # The journal stays as what was done, and nothing is due any more.
    assert len(list((files / "archive").glob("tsa-renew-*.jsonl"))) == 1
    assert not (files / "archive/tsa-renew.part").exists()
    capfd.readouterr()
    again = summary(capfd, "archive", "--url", authority.url)
    assert (again["acts"]["not-yet"], again["outcomes"], authority.asked) == (TOKENS, {}, 1)


def test_a_list_names_tokens_and_a_folder_takes_the_records(
    files: Path, capfd: pytest.CaptureFixture[str], authority: StampingServer
) -> None:
    rows = "token,data\n0.tsr,0\n2026/1.tsr,2026/1\n"
    (files / "list.csv").write_text(rows, encoding="utf-8")
    words = ("archive", "--manifest", "list.csv", "--out", "records", "--url", authority.url)
    assert summary(capfd, *words)["outcomes"] == {"renewed": 2}
    assert records(files) == ["records/0.tsr.er", "records/2026/1.tsr.er"]
    # Attack: a path of the list that leads out of the folder of records.
    (files / "list.csv").write_text("token\n../archive/2.tsr\n2.tsr\n", encoding="utf-8")
    found = summary(capfd, *words, code=2)
    assert found["refused"] == [{"token": "../archive/2.tsr", "act": "too-late", "reason": "PATH_OUTSIDE"}]
    assert found["outcomes"] == {"renewed": 1}
    (files / "list.csv").write_text("toke\n", encoding="utf-8")
    assert run(capfd, *words)[0] == 3


def test_files_may_be_named_and_a_record_stands_for_its_token(
    files: Path, capfd: pytest.CaptureFixture[str], authority: StampingServer
) -> None:
    (files / "archive/odd").write_bytes((files / "archive/2.tsr").read_bytes())
    words = ("archive/0.tsr", "archive/2026/1.tsr", "archive/odd", "--url", authority.url)
    assert summary(capfd, *words)["outcomes"] == {"renewed": 3}
    assert records(files) == ["archive/0.tsr.er", "archive/2026/1.tsr.er", "archive/odd.er"]
    stamps = [
        read_evidence_record((files / f"archive/{name}.er").read_bytes()).chains[0].stamps[0]
        for name in ("0.tsr", "odd")
    ]
    listed = {len(each.reduced[0]) for each in stamps if each.reduced}
    # Token, chain, lists and document; or the same without a document.
    assert listed == {4, 3}
    assert summary(capfd, "archive/0.tsr.er", "--plan")["acts"]["not-yet"] == 1


def test_the_folder_itself_by_another_name_may_take_the_records(
    files: Path, capfd: pytest.CaptureFixture[str], authority: StampingServer
) -> None:
    (files / "link").symlink_to("archive")
    assert summary(capfd, "archive", "--out", "link", "--plan")["acts"]["new-record"] == TOKENS
    assert summary(capfd, "archive", "--out", "link", "--url", authority.url)["outcomes"] == {
        "renewed": TOKENS
    }
    assert len(records(files / "archive")) == TOKENS


def test_what_is_passed_over_is_counted_by_plan_and_renewal_alike(
    files: Path, capfd: pytest.CaptureFixture[str], authority: StampingServer
) -> None:
    for words in (("--out", "records"), ()):
        for act in (("--plan",), ("--url", authority.url), ("--plan",)):
            # Nor is the journal of this renewal, or of the one before, a file of the archive.
            beside = TOKENS + len(records(files / "archive"))
            assert summary(capfd, "archive", *words, *act)["passed_over"] == beside


def test_what_is_named_twice_is_covered_once(
    files: Path, capfd: pytest.CaptureFixture[str], authority: StampingServer
) -> None:
    (files / "archive/0.tsr.er").write_bytes(b"a record, by its name")
    words = ("archive/0.tsr", "archive/0.tsr.er", "./archive/0.tsr", "archive/2.tsr")
    assert sum(summary(capfd, *words, "--plan", code=2)["acts"].values()) == 2
    (files / "archive/0.tsr.er").unlink()
    words = ("archive/2026", "archive/2026/1.tsr", "archive", "archive/")
    found = summary(capfd, *words, "--url", authority.url)
    assert (found["acts"]["new-record"], found["outcomes"]) == (TOKENS, {"renewed": TOKENS})


def test_a_token_by_any_name_and_its_record_are_one(
    files: Path, capfd: pytest.CaptureFixture[str], authority: StampingServer
) -> None:
    short = unit(PQ, YEAR, 2_500)
    with (files / "ca.pem").open("ab") as file:
        file.write(write_block("CERTIFICATE", short.root.certificate.der))
    (files / "odd").mkdir()
    (files / "odd/token.p7s").write_bytes((files / "archive/0.tsr").read_bytes())
    with stamping(short) as soon:
        assert summary(capfd, "odd", "--url", soon.url)["outcomes"] == {"renewed": 1}
    assert summary(capfd, "odd", "--plan")["acts"]["time-stamp-renewal"] == 1
    assert summary(capfd, "odd/token.p7s.er", "--plan")["acts"]["time-stamp-renewal"] == 1
    assert summary(capfd, "odd", "--url", authority.url)["outcomes"] == {"renewed": 1}
    record = read_evidence_record((files / "odd/token.p7s.er").read_bytes())
    assert [len(each.stamps) for each in record.chains] == [2]


def test_records_beside_documents_go_on(
    files: Path, capfd: pytest.CaptureFixture[str], authority: StampingServer
) -> None:
    short = unit(PQ, YEAR, 1_500)
    with (files / "ca.pem").open("ab") as file:
        file.write(write_block("CERTIFICATE", short.root.certificate.der))
    (files / "kept").mkdir()
    (files / "kept/a").write_bytes(DATA)
    (files / "kept/a.er").write_bytes(first(short, moment(YEAR), DATA))
    assert summary(capfd, "kept", "--url", authority.url)["outcomes"] == {"renewed": 1}
    record = read_evidence_record((files / "kept/a.er").read_bytes())
    assert [len(each.stamps) for each in record.chains] == [2]
    assert (
        main(["verify", "kept/a.er", "--data", "kept/a", "--trust", "ca.pem", "--at", f"{YEAR + 7}-01-01"])
        == 0
    )


def test_what_cannot_be_renewed_is_named_and_makes_it_2(
    files: Path, capfd: pytest.CaptureFixture[str], authority: StampingServer
) -> None:
    (files / "archive/0").write_bytes(b"other")
    code, out = run(capfd, "archive", "--url", authority.url)
    assert code == 2
    assert "Cannot be renewed: 1\n  0.tsr: it does not pass now (CONTENT_DIFFERS)" in out
    assert "4 renewed" in out


def test_what_cannot_be_renewed_is_not_said_to_hold(
    files: Path, capfd: pytest.CaptureFixture[str], authority: StampingServer
) -> None:
    for number in range(0, TOKENS, 2):
        (files / f"archive/{number}").write_bytes(b"other")
    (files / "archive/2026").rename(files / "elsewhere")
    code, out = run(capfd, "archive", "--url", authority.url)
    assert code == 2
    assert "Nothing ends" not in out
    assert "Cannot be renewed: 3" in out
    assert authority.asked == 0


def test_a_refusal_is_told_and_the_next_run_goes_on(
    files: Path, capfd: pytest.CaptureFixture[str], authority: StampingServer
) -> None:
    authority.refuses = True
    code, out = run(capfd, "archive", "--url", authority.url)
    assert code == 1
    assert "Refused by the authority" in out
    assert main(["renew", "archive", "--url", authority.url, "--json", *DUE]) == 1
    said = capfd.readouterr()
    assert said.out == ""
    assert "Refused by the authority" in said.err
    assert run(capfd, "archive", "--url", "http://127.0.0.1:1/tsa")[0] == 3
    assert (files / "archive/tsa-renew.part").exists()
    authority.refuses = False
    # By other terms it is another renewal.
    assert main(["renew", "archive", "--url", authority.url, *DUE, "--digest", "sha3-512"]) == 3
    assert "digest" in capfd.readouterr().err
    assert run(capfd, "archive", "--url", authority.url)[0] == 0
    assert len(records(files)) == TOKENS


def test_a_full_disk_is_told_with_the_file_and_nobody_is_asked(
    files: Path,
    capfd: pytest.CaptureFixture[str],
    authority: StampingServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        assert main(["renew", "archive", "--url", authority.url, *DUE]) == 3
    assert "archive/tsa-renew.part: No space left on device" in capfd.readouterr().err
    assert authority.asked == 0
    assert run(capfd, "archive", "--url", authority.url)[0] == 0


def test_an_authority_that_nobody_trusts_covers_nothing(
    files: Path, capfd: pytest.CaptureFixture[str], authority: StampingServer
) -> None:
    (files / "ca.pem").write_bytes(write_block("CERTIFICATE", STAMPING.root.certificate.der))
    assert main(["renew", "archive", "--url", authority.url, *DUE]) == 3
    assert "is not trusted (NO_PATH)" in capfd.readouterr().err
    assert not records(files)


def test_two_at_work_in_one_folder_or_in_folders_within_it_are_kept_apart(
    files: Path, capfd: pytest.CaptureFixture[str], authority: StampingServer
) -> None:
    (files / "link").symlink_to("archive/2026")
    words = ("--url", authority.url, *DUE)
    for busy, wanted in (
        ("archive", "archive"),
        ("archive", "archive/2026"),
        ("archive", "archive/2026/1.tsr"),
        ("archive/2026", "archive"),
        ("archive/2026", "link"),
        ("archive/0.tsr", "archive/2026"),
    ):
        with name_files([Path(busy)], None, None).held():
            assert main(["renew", wanted, *words]) == 3
            assert "another renewal is at work" in capfd.readouterr().err
            assert main(["stamp", wanted, "--batch", "--url", authority.url]) == 3
    assert authority.asked == 0
    assert not list(files.rglob("tsa-renew*"))
    # Beside each other they work, and one of several folders is no stranger to another one.
    (files / "archive/2025").mkdir()
    with name_files([Path("archive/2025"), Path("archive/2025/../2025")], None, None).held():
        assert main(["renew", "archive/2026", *words]) == 0
    assert main(["renew", "archive/2026/1.tsr", "archive/0.tsr", *words]) == 0


def test_many_folders_are_locked_by_the_one_that_holds_them(files: Path) -> None:
    folders = [files / f"archive/f{number}" for number in range(100)]
    for each in folders:
        each.mkdir()
    with held(folders), pytest.raises(FolderBusyError), held([files / "archive/2026"]):
        pass
    with held(folders[:2]), held(folders[2:4]):
        pass


def test_a_process_that_was_killed_holds_no_folder(files: Path) -> None:
    code = "import os, signal, sys, pathlib\nfrom kokuin.cli.folder_locks import held\n"
    code += "with held([pathlib.Path('archive')]): os.kill(os.getpid(), signal.SIGKILL)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    with held([files / "archive"]):
        pass


@pytest.mark.parametrize("left", [b"", b'{"batch":1,"ter'])
def test_a_journal_that_was_hardly_begun_needs_nobodys_hand(
    files: Path, capfd: pytest.CaptureFixture[str], authority: StampingServer, left: bytes
) -> None:
    # Crash point: killed between the name of the journal and its first line, before anybody was asked.
    (files / "archive/tsa-renew.part").write_bytes(left)
    assert summary(capfd, "archive", "--url", authority.url)["outcomes"] == {"renewed": TOKENS}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "name tokens or folders"),
        (("archive", "archive/2026", "--manifest", "list.csv"), "name one folder"),
        (("nowhere",), "nowhere"),
        (("archive", "--policy", "house.toml", "--before", f"{YEAR + 10}-01-01"), "choose another --digest"),
        (("archive", "--before", "soon"), "--before"),
        (("archive", "--within", "0"), "--within"),
    ],
)
def test_what_cannot_be_used_is_refused(
    files: Path, capfd: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    (files / "house.toml").write_text(
        policy_text(row(("imprint", "tree"), ["sha512"], ["verify"], until=f"{YEAR + 8}-12-31")),
        encoding="utf-8",
    )
    try:
        code = main(["renew", *words, "--plan", "--trust", "ca.pem"])
    except SystemExit as error:
        code = int(str(error.code))
    assert code == 3
    assert told in capfd.readouterr().err


def test_it_is_told_in_japanese(
    files: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TSA_LANG", "ja")
    code, out = run(capfd, "archive", "--plan")
    assert code == 0
    assert "更新は行っていません" in out
    assert "証拠記録のないトークン 5 件" in out


def test_names_do_not_reach_the_terminal_as_they_are(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    # Attack: a file whose name clears the screen.
    (files / "archive/\x1b[2J.tsr").write_bytes(b"no token")
    _, out = run(capfd, "archive", "--plan")
    assert "\x1b" not in out
    assert "\\x1b[2J.tsr" in out
