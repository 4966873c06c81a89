"""`tsa trust` as a user meets it, and `tsa verify` with what it keeps."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from kokuin.cli.main import main
from kokuin.trust.anchors import load_trust
from tests.trust.archives import make_zip
from tests.trust.forge import AUTHORITY, NOW, UNIT, issue, order, pki

if TYPE_CHECKING:
    from pathlib import Path

AT = NOW.isoformat()


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TSA_LANG", "en")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token.tsr"
    path.write_bytes(order().make())
    return path


def told(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> Any:
    """Run a command and return its JSON."""
    assert main(["trust", *words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main([*words]) == 3
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    return line


def judged(
    capsys: pytest.CaptureFixture[str], token: Path, trust: str = "tsa-trust", at: str = AT
) -> tuple[str, str | None]:
    """Return the verdict, and the reason of the check of the path."""
    main(["verify", str(token), "--trust", trust, "--at", at, "--json"])
    report = json.loads(capsys.readouterr().out)
    (path,) = (check for check in report["checks"] if check["id"] == "path")
    return report["indication"], path.get("reason")


def test_what_is_added_is_trusted_and_nothing_else(
    tmp_path: Path, token: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = issue("Stranger", None, AUTHORITY)
    (tmp_path / "stranger.pem").write_bytes(stranger.pem)
    (tmp_path / "root.cer").write_bytes(pki().root.der)
    assert told(capsys, 0, "add", "stranger.pem")["certificates"][0]["outcome"] == "added"
    assert judged(capsys, token) == ("INDETERMINATE", "NO_PATH")
    answer = told(capsys, 0, "add", "root.cer", "--source", "a floppy disk")
    assert [(each["role"], each["source"]) for each in answer["certificates"]] == [
        ("anchor", "a floppy disk")
    ]
    assert judged(capsys, token) == ("PASSED", None)


def test_entering_the_same_again_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "root.pem").write_bytes(pki().root.pem + pki().authority.pem)
    first = told(capsys, 0, "add", "root.pem", "--until", "2030-12-31")
    before = {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "tsa-trust").iterdir()
    }
    again = told(capsys, 0, "add", "root.pem")
    assert [each["outcome"] for each in first["certificates"]] == ["added", "added"]
    assert [each["outcome"] for each in again["certificates"]] == ["unchanged", "unchanged"]
    assert before == {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "tsa-trust").iterdir()
    }


def test_dates_bound_the_trust_and_the_report_says_so(
    tmp_path: Path, token: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "root.pem").write_bytes(pki().root.pem)
    day = NOW.date().isoformat()
    assert told(capsys, 0, "add", "root.pem", "--until", day)["certificates"][0]["until"].startswith(day)
    assert judged(capsys, token) == ("PASSED", None)
    told(capsys, 0, "add", "root.pem", "--until", "2026-05-31")
    assert judged(capsys, token) == ("INDETERMINATE", "ANCHOR_NO_LONGER_TRUSTED")
    told(capsys, 0, "add", "root.pem", "--until", "2027-01-01", "--from", "2026-06-02")
    assert judged(capsys, token) == ("INDETERMINATE", "ANCHOR_NOT_YET_TRUSTED")


@pytest.mark.parametrize(
    ("word", "until"),
    [
        ("2030-12-31", "2030-12-31T23:59:59.999999Z"),
        ("20301231", "2030-12-31T23:59:59.999999Z"),
        ("9999-12-31", "9999-12-31T23:59:59.999999Z"),
        ("2030-12-31T12:00", "2030-12-31T12:00:00Z"),
        ("2030-12-31T12:00+09:00", "2030-12-31T03:00:00Z"),
    ],
)
def test_the_last_day_counts_to_its_end_and_times_are_utc(
    word: str, until: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "root.pem").write_bytes(pki().root.pem)
    (entry,) = told(capsys, 0, "add", "root.pem", "--until", word, "--from", "2026-06-01")["certificates"]
    assert (entry["from"], entry["until"]) == ("2026-06-01T00:00:00Z", until)
    assert load_trust(tmp_path / "tsa-trust").periods[0].ends is not None


def test_a_pin_trusts_one_certificate_that_no_anchor_vouches_for(
    tmp_path: Path, token: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "chain.pem").write_bytes(pki().authority.pem + pki().unit.pem)
    assert "2 certificates" in complaint(capsys, "trust", "pin", "chain.pem")
    told(capsys, 0, "add", "chain.pem")
    assert judged(capsys, token) == ("INDETERMINATE", "NO_ANCHOR")
    sha256 = told(capsys, 0, "list")["certificates"][1]["sha256"]
    colons = ":".join(sha256[at : at + 2] for at in range(0, 64, 2)).upper()
    pinned = told(capsys, 0, "pin", "chain.pem", "--sha256", colons)["certificates"]
    assert [(each["outcome"], each["role"], each["sha256"]) for each in pinned] == [
        ("changed", "pin", sha256)
    ]
    assert judged(capsys, token) == ("PASSED", None)
    assert "does not hold" in complaint(capsys, "trust", "pin", "chain.pem", "--sha256", "0" * 64)


def test_a_self_signed_unit_is_trusted_by_a_pin_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unit = issue("Lonely unit", None, UNIT)
    (tmp_path / "unit.pem").write_bytes(unit.pem)
    (tmp_path / "lonely.tsr").write_bytes(order(signer=unit, certificates=[unit.der]).make())
    refused = told(capsys, 1, "add", "unit.pem")
    assert refused["omitted"] == [{"name": "unit.pem", "reason": "NO_AUTHORITY"}]
    assert not (tmp_path / "tsa-trust").exists()
    told(capsys, 0, "pin", "unit.pem")
    assert judged(capsys, tmp_path / "lonely.tsr") == ("PASSED", None)


def test_the_ministrys_archive_is_imported_with_its_hash_and_date(
    tmp_path: Path, token: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        "時刻認証業務/ルート認証局.cer": pki().root.der,
        "時刻認証業務/証明書表/ソの中間.crt": pki().authority.pem,
        "時刻認証業務/お読みください.txt": "説明".encode("cp932"),
    }
    sha256 = make_zip(tmp_path / "サービス.zip", files, encoding="cp932")
    answer = told(capsys, 0, "import", "サービス.zip")
    archive = {"name": "サービス.zip", "sha256": sha256, "dated": "2023-02-16"}
    assert answer["archive"] == archive
    assert [(each["role"], each["archive"]) for each in answer["certificates"]] == [
        ("anchor", archive),
        ("helper", archive),
    ]
    assert answer["omitted"] == [{"name": "時刻認証業務/お読みください.txt", "reason": "OTHER_KIND"}]
    assert judged(capsys, token) == ("PASSED", None)
    again = told(capsys, 0, "import", "サービス.zip")
    assert {each["outcome"] for each in again["certificates"]} == {"unchanged"}


def test_an_archive_of_nothing_to_trust_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_zip(tmp_path / "units.zip", {"unit.cer": pki().unit.der, "broken.cer": b"0\x00"})
    assert main(["trust", "import", "units.zip"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "not taken: broken.cer: no certificate that can be read" in lines
    assert any("Nothing of this is trusted by itself" in line for line in lines)
    (tmp_path / "no.zip").write_bytes(b"PK\x03\x04")
    assert "no zip archive" in complaint(capsys, "trust", "import", "no.zip")


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_store_travels_in_one_file(
    lang: str, tmp_path: Path, token: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "root.pem").write_bytes(pki().root.pem)
    told(capsys, 0, "add", "root.pem", "--until", "2026-06-01T00:00:00Z")
    assert main(["trust", "list", "-o", "store.json", "--lang", lang]) == 0
    assert "2026-06-01T00:00:00Z" in capsys.readouterr().out
    assert judged(capsys, token, "store.json") == ("PASSED", None)
    later = "2026-06-01T00:00:01Z"
    assert judged(capsys, token, "store.json", later) == ("INDETERMINATE", "ANCHOR_NO_LONGER_TRUSTED")
    folder, file = told(capsys, 0, "list"), told(capsys, 0, "list", "--store", "store.json")
    assert folder["certificates"] == file["certificates"]
    changed = json.loads((tmp_path / "store.json").read_bytes())
    changed["certificates"][0]["certificate"] = base64.b64encode(pki().unit.der).decode()
    (tmp_path / "store.json").write_text(json.dumps(changed))
    assert "is not the certificate" in complaint(capsys, "verify", str(token), "--trust", "store.json")


def test_a_store_is_written_over_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "root.pem").write_bytes(pki().root.pem)
    told(capsys, 0, "add", "root.pem")
    (tmp_path / "store.json").write_bytes(b"other")
    assert "nothing is overwritten" in complaint(capsys, "trust", "list", "-o", "store.json")
    assert (tmp_path / "store.json").read_bytes() == b"other"
    assert main(["trust", "list", "-o", "/dev/null"]) == 0


def test_a_file_that_was_changed_is_refused_and_one_that_was_dropped_in_is_ignored_and_named(
    tmp_path: Path, token: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = issue("Stranger", None, AUTHORITY)
    (tmp_path / "stranger.pem").write_bytes(stranger.pem)
    told(capsys, 0, "add", "stranger.pem")
    store = tmp_path / "tsa-trust"
    (store / "dropped.pem").write_bytes(pki().root.pem)
    main(["verify", str(token), "--trust", str(store), "--at", AT])
    printed = capsys.readouterr()
    assert printed.out.startswith("INDETERMINATE")
    assert "dropped.pem" in printed.err
    assert told(capsys, 1, "list")["unlisted"] == ["dropped.pem"]
    (listed,) = (file for file in store.glob("*.pem") if file.name != "dropped.pem")
    listed.write_bytes(pki().root.pem)
    line = complaint(capsys, "verify", str(token), "--trust", str(store))
    assert listed.name in line
    assert told(capsys, 0, "add", "stranger.pem")["certificates"][0]["outcome"] == "changed"
    listed.unlink()
    assert "missing" in complaint(capsys, "verify", str(token), "--trust", str(store))


def test_a_list_does_not_end_the_trust_in_a_folder_of_certificates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "ca.pem").write_bytes(pki().root.pem)
    line = complaint(capsys, "trust", "add", "folder/ca.pem", "--store", "folder")
    assert "no list" in line
    assert not (folder / "trust.json").exists()
    shown = told(capsys, 0, "list", "--store", "folder")
    assert (shown["listed"], [each["role"] for each in shown["certificates"]]) == (False, ["anchor"])


@pytest.mark.parametrize(
    "words",
    [
        ("--until", "tomorrow"),
        ("--from", "9999-99-99"),
        ("--until", "0001-01-01T00:00+23:00"),
        ("--source", "\x1b[31m"),
        ("--from", "2026-01-02", "--until", "2026-01-01"),
    ],
)
def test_terms_that_cannot_be_meant_are_refused(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "root.pem").write_bytes(pki().root.pem)
    with contextlib.suppress(SystemExit):
        assert main(["trust", "add", "root.pem", *words]) == 3
    assert "\x1b" not in capsys.readouterr().err
    assert not (tmp_path / "tsa-trust").exists()


def test_a_bag_of_certificates_is_taken(
    tmp_path: Path, token: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = [pki().authority.x509, pki().root.x509]
    (tmp_path / "chain.p7b").write_bytes(pkcs7.serialize_certificates(chain, Encoding.DER))
    assert judged(capsys, token, "chain.p7b") == ("PASSED", None)
    told(capsys, 0, "add", "chain.p7b")
    assert judged(capsys, token) == ("PASSED", None)
