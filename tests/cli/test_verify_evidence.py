"""`tsa verify` and `tsa inspect` with evidence: beside a token, named, alone, in folders and in facts."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from kokuin import __version__
from kokuin.cli.main import main
from kokuin.wire import oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.pem import write_block
from kokuin.wire.token_form import bare_token
from tests.trust.evidences import DATA, P256, PQ, again, first, moment, unit
from tests.unsigned import attribute, with_unsigned

if TYPE_CHECKING:
    from pathlib import Path

STAMPING, ARCHIVE = unit(P256, 2026, 1_500), unit(PQ, 2026)
TOKEN = STAMPING.stamp("sha512", DIGEST_BY_NAME["sha512"].of(DATA), moment(2026, 6, 1), crl=False)
RECORD = first(ARCHIVE, moment(2026, 6, 2), bare_token(TOKEN))
AT = ("--trust", "ca.pem", "--at", "2033-01-01T00:00:00Z")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a token, its document, its evidence by another name, and whom to trust."""
    for each in ("TSA_LANG", "LANG", "LC_ALL"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.chdir(tmp_path)
    roots = (each.root.certificate.der for each in (STAMPING, ARCHIVE))
    (tmp_path / "ca.pem").write_bytes(b"".join(write_block("CERTIFICATE", der) for der in roots))
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive/contract").write_bytes(DATA)
    (tmp_path / "archive/contract.tsr").write_bytes(TOKEN)
    (tmp_path / "elsewhere").write_bytes(RECORD)
    return tmp_path


def run(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["verify", *words, *AT])
    return code, capfd.readouterr().out


def test_the_record_beside_a_token_is_found(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(capfd, "archive/contract.tsr")[0] == 2
    (files / "archive/contract.tsr.er").write_bytes(RECORD)
    code, out = run(capfd, "archive/contract.tsr", "--data", "archive/contract")
    assert code == 0
    for line in (
        "Classical signatures alone: INDETERMINATE",
        "Post-quantum signatures alone: PASSED",
        "Together: PASSED",
        "(The first two say what remains",
        "Evidence record: PASSED",
        "\n    Token: PASSED\n      Time: 2026-06-02T00:00:00Z\n",
        "Existed at 2026-06-02T00:00:00Z: evidence record",
    ):
        assert line in out


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_text_says_what_was_judged_by_what_for_when_and_by_which_anchor(
    lang: str, files: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """For whoever keeps the text alone: names of certificates and of files are not unique."""
    assert run(capfd, "elsewhere", "--data", "archive/contract.tsr", "--lang", lang)[0] == 0
    out = run(capfd, "archive/contract.tsr", "--evidence", "elsewhere", "--lang", lang)[1]
    anchors = [hashlib.sha256(each.root.certificate.der).hexdigest() for each in (STAMPING, ARCHIVE)]
    for said in (
        hashlib.sha256((files / "archive/contract.tsr").read_bytes()).hexdigest(),
        f"kokuin {__version__}",
        "2033-01-01T00:00:00Z",
        "baseline",
        hashlib.sha512(DATA).hexdigest(),
        *anchors,
    ):
        assert said in out


def test_a_record_may_be_named_and_a_wrong_one_fails(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(capfd, "archive/contract.tsr", "--evidence", "elsewhere")[0] == 0
    assert run(capfd, "archive/contract.tsr", "--evidence", "ca.pem")[0] == 1
    assert run(capfd, "archive/contract.tsr", "--evidence", "nowhere")[0] == 3
    # The one that is named counts, whatever lies beside the token.
    (files / "archive/contract.tsr.er").write_bytes(b"no record")
    assert run(capfd, "archive/contract.tsr")[0] == 1
    assert run(capfd, "archive/contract.tsr", "--evidence", "elsewhere")[0] == 0


def test_a_record_within_a_token_needs_no_file(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    embedded = with_unsigned(TOKEN, attribute(oids.ID_AA_ER_INTERNAL, RECORD))
    (files / "archive/contract.tsr").write_bytes(embedded)
    assert run(capfd, "archive/contract.tsr", "--data", "archive/contract")[0] == 0


def test_a_record_alone_is_judged_with_its_data(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (files / "contract.er").write_bytes(first(ARCHIVE, moment(2026, 6, 2), DATA))
    assert run(capfd, "contract.er", "--data", "archive/contract")[0] == 0
    assert run(capfd, "contract.er", "--data", "ca.pem")[0] == 1
    assert run(capfd, "contract.er")[0] == 2


def test_what_a_late_renewal_means_is_said_in_both_languages(
    files: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    late = ("--at", "2050-01-01T00:00:00Z", "--trust", "ca.pem")
    words = ("verify", "archive/contract.tsr", "--evidence", "elsewhere", *late)
    assert main(list(words)) == 2
    assert "was not renewed before" in capfd.readouterr().out
    monkeypatch.setenv("TSA_LANG", "ja")
    assert main(list(words)) == 2
    assert "それまでに更新されていません" in capfd.readouterr().out


def test_what_came_after_the_time_of_judging_is_counted_in_both_languages(
    files: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    twice = again(again(RECORD, ARCHIVE, moment(2034)), ARCHIVE, moment(2035))
    (files / "archive/contract.tsr.er").write_bytes(twice)
    code, out = run(capfd, "archive/contract.tsr")
    assert code == 0
    for line in (
        "Archive time-stamps: 3",
        "Of these, later than the time it is judged for: 2",
        "2 archive time-stamps, from number 2 of 2034-01-01T00:00:00Z on, are later",
        "Limit: of the evidence record, what was there at the time it is judged for was judged",
    ):
        assert line in out
    monkeypatch.setenv("TSA_LANG", "ja")
    code, out = run(capfd, "archive/contract.tsr")
    assert code == 0
    for line in (
        "うち検証の基準時刻より後のもの: 2",
        "2034-01-01T00:00:00Z の 2 番以降のアーカイブタイムスタンプ 2 個は",
        "限界: 証拠記録は検証の基準時刻にあった部分だけを判定しました。",
    ):
        assert line in out
    told = summary(capfd, "archive/contract.tsr")["parts"][0]
    assert told["subject"]["later_time_stamps"] == 2
    assert told["limits"][-1] == "EVIDENCE_STAMPS_LATER"


def summary(capfd: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code, out = run(capfd, *words, "--json")
    read: dict[str, Any] = json.loads(out)
    assert code == {"PASSED": 0, "FAILED": 1, "INDETERMINATE": 2}[read["indication"]]
    return read


def test_in_a_folder_records_go_with_their_tokens_and_others_with_their_data(
    files: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert summary(capfd, "archive")["verdicts"]["INDETERMINATE"] == 1
    (files / "archive/contract.tsr.er").write_bytes(RECORD)
    (files / "archive/log.json").write_bytes(b"{}")
    (files / "archive/log.json.er").write_bytes(first(ARCHIVE, moment(2026, 6, 2), b"{}"))
    found = summary(capfd, "archive")
    assert found["verdicts"] == {"PASSED": 2, "INDETERMINATE": 0, "FAILED": 0}
    assert found["passed_over"] == {"outside": 0, "data": 2, "proof": 0, "evidence": 1, "other": 0}
    (files / "archive/log.json").write_bytes(b"{ }")
    assert summary(capfd, "archive")["verdicts"]["FAILED"] == 1
    outside = summary(capfd, "archive", "--from", "2027-01-01")
    assert (outside["tokens"], outside["passed_over"]["outside"]) == (0, 2)


def test_a_record_that_cannot_be_read_is_not_passed_over(
    files: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (files / "archive/contract.tsr.er").write_bytes(b"no record")
    assert summary(capfd, "archive")["verdicts"] == {"PASSED": 0, "INDETERMINATE": 0, "FAILED": 1}
    (files / "archive/alone.er").write_bytes(b"nor this")
    assert summary(capfd, "archive")["verdicts"]["FAILED"] == 2


def test_facts_are_judged_again_without_the_files(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ("archive/contract.tsr", "--evidence", "elsewhere", "--data", "archive/contract", "--json")
    code, out = run(capfd, *words, "--facts", "facts")
    assert code == 0
    for path in ("archive/contract", "archive/contract.tsr", "elsewhere"):
        (files / path).unlink()
    assert main(["verify", "--from-facts", "facts", "--json"]) == 0
    assert capfd.readouterr().out == out
    assert main(["verify", "--from-facts", "facts", "--evidence", "ca.pem"]) == 3


def test_facts_do_not_take_the_place_of_the_record(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (files / "archive/contract.tsr.er").write_bytes(RECORD)
    assert run(capfd, "archive/contract.tsr", "--facts", "archive/contract.tsr.er")[0] == 3
    assert (files / "archive/contract.tsr.er").read_bytes() == RECORD


@pytest.mark.parametrize(("lang", "named"), [("en", "Evidence record"), ("ja", "証拠記録")])
def test_inspect_shows_a_record_by_itself_and_within_a_token(
    files: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, lang: str, named: str
) -> None:
    monkeypatch.setenv("TSA_LANG", lang)
    assert main(["inspect", "elsewhere"]) == 0
    out = capfd.readouterr().out
    assert out.startswith(named)
    assert "reducedHashtree" in out
    (files / "embedded").write_bytes(with_unsigned(TOKEN, attribute(oids.ID_AA_ER_INTERNAL, RECORD)))
    assert main(["inspect", "embedded"]) == 0
    assert "archiveTimeStampSequence" in capfd.readouterr().out
