"""`tsa stamp DIR --batch --trust`: its time-stamp is judged first, and carries what it is judged by."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.main import main
from kokuin.trust.certificate import read_certificate
from kokuin.trust.revocation import Revocation, RevocationReason
from kokuin.wire.cms import read_signed_data
from kokuin.wire.ers import read_evidence_record
from kokuin.wire.pem import write_block
from tests.stampinghttp import stamping
from tests.trust.evidences import P256, PQ, moment, unit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kokuin.wire.cms import SignedData
    from tests.stampinghttp import StampingServer

YEAR = time.gmtime().tm_year
ARCHIVE = unit(PQ, YEAR, 3_700)
LATER = ("--at", f"{YEAR + 7}-01-01", "--policy", "eu-ts119312", "--revocation", "required")


@pytest.fixture
def authority() -> Iterator[StampingServer]:
    with stamping(ARCHIVE) as server:
        yield server


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give files to stamp, whom to trust, and the lists of that authority."""
    for each in ("TSA_LANG", "LANG", "LC_ALL"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "archive").mkdir()
    for name in "abc":
        (tmp_path / "archive" / name).write_text(name, "ascii")
    (tmp_path / "trust").mkdir()
    (tmp_path / "root.pem").write_bytes(write_block("CERTIFICATE", ARCHIVE.root.certificate.der))
    (tmp_path / "trust/root.pem").write_bytes((tmp_path / "root.pem").read_bytes())
    (tmp_path / "trust/ca.crl").write_bytes(ARCHIVE.crl)
    return tmp_path


def stamp(authority: StampingServer, *words: str) -> int:
    return main(["stamp", "archive", "--batch", "--url", authority.url, *words])


def stamped(files: Path) -> SignedData:
    ((stamp,),) = (each.stamps for each in read_evidence_record((files / "archive/a.er").read_bytes()).chains)
    return read_signed_data(stamp.time_stamp)


def judged(*words: str) -> int:
    return main(["verify", "archive", "--trust", "root.pem", *words])


@pytest.mark.parametrize("words", [("--trust", "trust"), ("--trust", "root.pem", "--crl", "trust/ca.crl")])
def test_records_pass_years_later_by_the_root_alone_when_the_list_is_gone(
    files: Path, authority: StampingServer, words: tuple[str, ...]
) -> None:
    assert stamp(authority, *words) == 0
    (files / "trust/ca.crl").unlink()
    found = stamped(files)
    assert found.crls == (ARCHIVE.crl,)
    assert ARCHIVE.root.certificate.der in found.certificates
    assert judged(*LATER) == 0


def test_without_the_option_they_carry_what_the_authority_sends(
    files: Path, authority: StampingServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stamp(authority) == 0
    assert capsys.readouterr().err == ""
    assert not stamped(files).crls
    assert judged(*LATER) == 2
    assert judged(*LATER, "--crl", "trust") == 0


def test_that_no_list_is_at_hand_is_said(
    files: Path, authority: StampingServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stamp(authority, "--trust", "root.pem") == 0
    assert "No revocation list" in capsys.readouterr().err
    assert judged() == 0


def test_an_authority_that_nobody_trusts_gets_no_records(
    files: Path, authority: StampingServer, capsys: pytest.CaptureFixture[str]
) -> None:
    # Attack: whoever answers instead of the authority.
    authority.unit = unit(P256, YEAR)
    assert stamp(authority, "--trust", "trust") == 3
    assert "is not trusted (NO_PATH), so no record was written" in capsys.readouterr().err
    assert not list(files.rglob("*.er*"))


def test_a_unit_that_was_revoked_gets_no_records(
    files: Path, authority: StampingServer, capsys: pytest.CaptureFixture[str]
) -> None:
    # Attack: whoever has stolen a key that the authority took back since.
    issued = read_signed_data(ARCHIVE.stamp("sha512", bytes(64), moment(YEAR))).certificates
    stolen = Revocation(moment(YEAR), RevocationReason.KEY_COMPROMISE)
    taken = {read_certificate(each).serial: stolen for each in issued}
    listed = ARCHIVE.root.crl(taken, this_update=moment(YEAR), next_update=moment(YEAR + 9), number=2)
    (files / "trust/ca.crl").write_bytes(listed)
    assert stamp(authority, "--trust", "trust") == 3
    assert "REVOKED" in capsys.readouterr().err
    assert not list(files.rglob("*.er*"))


@pytest.mark.parametrize("change", ["written to", "gone"])
def test_a_file_that_changes_while_it_is_stamped_gets_no_record(
    files: Path, authority: StampingServer, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    path, made = files / "archive/b", authority.unit

    def meddle(*asked: object) -> object:
        if change == "gone":
            path.unlink()
        else:
            path.write_bytes(b"written to while the authority answered")
        return made.unit.issue(*asked)  # type: ignore[arg-type]  # as it came

    authority.unit = SimpleNamespace(unit=SimpleNamespace(issue=meddle))  # type: ignore[assignment]  # as a unit
    assert stamp(authority) == 2
    said = capsys.readouterr()
    assert "archive/b: it changed after it was hashed" in said.err
    assert "Records written: 2." in said.out
    assert sorted(each.name for each in files.rglob("*.er*")) == ["a.er", "c.er"]
    authority.unit = made
    assert stamp(authority) == 0
    assert judged() == 0


@pytest.mark.parametrize(
    "words",
    [
        ("archive/a", "--trust", "trust"),
        ("archive/a", "--crl", "trust/ca.crl"),
        ("archive", "--batch", "--crl", "trust/ca.crl"),
        ("archive", "--batch", "--trust", "nowhere"),
        ("archive", "--batch", "--trust", "trust", "--crl", "archive/a"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anybody_is_asked(
    files: Path, authority: StampingServer, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stamp", *words, "--url", authority.url]) == 3
    assert capsys.readouterr().err.startswith("tsa stamp: ")
    assert authority.asked == 0
