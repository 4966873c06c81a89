"""`tsa verify --require-ledger` with bundles as the exporter writes them, and as attackers change them."""

from __future__ import annotations

import datetime as dt
import io
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import kokuin
from kokuin.cli.main import main
from kokuin.ledger.bundle_choice import AROUND_US, around
from kokuin.ledger.bundle_sealed import Seal, SealingSink
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.witness_policy import read_policy
from kokuin.trust.records import RELEASE_SECONDS
from kokuin.verify.ledger_bundle import reader
from kokuin.verify.ledger_claim import LIMITS, Auditor, judge_claim
from pqc.envelope_suites import ENVELOPE_SUITES, KemKind
from pqc.kem import generate_kem_key
from pqc.kem_files import write_kem_key
from tests.ledger.notes import log, verifier
from tests.unsigned import attribute, with_unsigned
from tests.verify import ledgers
from tests.verify.bundles import Kept, genuine_records, keep
from tests.verify.ledgers import COMMIT_US, NOW, NOW_US, SECOND, at, authority, genuine, issue, issued_record

if TYPE_CHECKING:
    from kokuin.trust.report import Report

ROOT = Path(kokuin.__file__).parents[1]
AT = "2026-06-01T01:00:00Z"
FORGED = issue(5.0, b"back-dated with the stolen key")
GENUINE = genuine()[at(0)]
AUDITOR = Auditor(verifier(log()))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return keep(tmp_path_factory.mktemp("kept") / "ledger.db", genuine_records(other_tenant=[at(40)]))


@pytest.fixture
def folder(kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tokens, bundles, and a folder of trust with root and log keys."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TSA_LANG", "en")
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "ca.der").write_bytes(authority().certificate.der)
    (tmp_path / "trust" / "log.vkey").write_text(verifier(log()).encode())
    (tmp_path / "genuine").write_bytes(GENUINE.token)
    (tmp_path / "forged").write_bytes(FORGED.token)
    (tmp_path / "bundle").write_bytes(kept.bundle())
    return tmp_path


def tsa(*words: str) -> int:
    return main(["verify", *words, "--at", AT])


def judged(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code = tsa(*words, "--json")
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert code == {"PASSED": 0, "FAILED": 1, "INDETERMINATE": 2}[report["indication"]]
    return report


def claim(token: bytes, bundle: bytes, auditor: Auditor = AUDITOR) -> Report:
    return judge_claim(ledgers.sought(token), reader(io.BytesIO(bundle)), auditor, ledgers.context()).report


def why(report: Report) -> tuple[str, str | None]:
    reasons = [check.reason for check in report.checks if check.status not in {"ok", "weak"}]
    return report.indication, reasons[0] if reasons else None


OPEN = ("INDETERMINATE", "LEDGER_NOT_COVERED")
UNUSABLE = ("INDETERMINATE", "LEDGER_BUNDLE_UNUSABLE")


@pytest.mark.usefixtures("folder")
def test_a_genuine_token_passes_and_the_nine_limits_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    report = judged(capsys, "genuine", "--trust", "trust", "--require-ledger", "bundle")
    assert (report["indication"], report["rule"]) == ("PASSED", "all-parts")
    assert [part["indication"] for part in report["parts"]] == ["PASSED", "PASSED"]
    assert {limit.value for limit in LIMITS} < set(report["limits"])
    assert tsa("genuine", "--trust", "trust", "--require-ledger", "bundle") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "PASSED: the time-stamp is valid"
    assert "  Ledger: PASSED" in lines
    assert f"    Record of the token: {at(0)}" in lines
    assert sum(line.startswith("  Limit: ") for line in lines) == 2 + 9


def test_a_bundle_is_judged_without_what_belongs_to_a_server(folder: Path) -> None:
    """Also where there is no fcntl and no resource: the auditor's machine may run anything."""
    script = "import sys; from kokuin.cli.main import main; code = main(sys.argv[1:])"
    script += "; print('MODULES', *sys.modules, file=sys.stderr); sys.exit(code)"
    words = ("verify", "genuine", "--at", AT, "--trust", "trust", "--require-ledger", "bundle")
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    loaded = set(done.stderr.split("MODULES ")[1].split())
    assert "kokuin.ledger.bundle_check" in loaded
    forbidden = {"sqlite3", "fcntl", "resource", "sqlalchemy", "fastapi", "httpx", "pydantic", "uvicorn"}
    assert not loaded & forbidden


def test_a_sealed_bundle_wants_its_recipients_key(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = generate_kem_key(KemKind.ML_KEM_768)
    write_kem_key(folder / "private", key, None)
    with (folder / "sealed").open("wb") as file:
        sink = SealingSink(file, Seal(ENVELOPE_SUITES["ml-kem-768-cms"], key.recipient, "2.999"))
        sink.write((folder / "bundle").read_bytes())
        sink.finish()
    words = ("genuine", "--trust", "trust", "--require-ledger", "sealed")
    assert tsa(*words) == 3
    assert "the bundle is sealed" in capsys.readouterr().err
    assert tsa(*words, "--recipient-key", "bundle") == 3
    assert capsys.readouterr().err.startswith("tsa verify: bundle: ")
    report = judged(capsys, *words, "--recipient-key", "private")
    assert [part["indication"] for part in report["parts"]] == ["PASSED", "PASSED"]
    write_kem_key(folder / "other", generate_kem_key(KemKind.ML_KEM_768), None)
    report = judged(capsys, *words, "--recipient-key", "other")
    assert report["parts"][1]["indication"] == "INDETERMINATE"


@pytest.mark.usefixtures("folder")
def test_a_token_of_the_stolen_key_passes_alone_and_fails_by_the_ledger(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tsa("forged", "--trust", "trust") == 0
    assert tsa("forged", "--trust", "trust", "--require-ledger", "bundle") == 1
    said = capsys.readouterr().out
    assert "FAILED / SIG_CONSTRAINTS_FAILURE: the ledger speaks against it\n" in said
    assert "  Token: PASSED" in said
    report = judged(capsys, "forged", "--trust", "trust", "--require-ledger", "bundle")
    assert report["parts"][1]["checks"][-1]["reason"] == "NOT_IN_LEDGER"
    assert not [limit for limit in report["limits"] if "LEDGER" in limit]


def test_keys_of_the_auditors_own_are_wanted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = judged(capsys, "genuine", "--trust", "trust/ca.der", "--require-ledger", "bundle")
    assert report["parts"][1]["checks"][0]["reason"] == "LEDGER_KEYS_ABSENT"
    (folder / "keys").write_text(verifier(log("other.example/log")).encode())
    words = ("--trust", "trust", "--require-ledger", "bundle", "--log-key", "keys")
    report = judged(capsys, "genuine", *words)
    assert report["parts"][1]["checks"][0]["params"]["code"] == "ORIGIN_UNKNOWN"
    assert report["indication"] == "INDETERMINATE"


def test_the_period_to_fetch_is_said(kept: Kept, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bundle").write_bytes(kept.bundle(0, at(-100)))
    assert tsa("forged", "--trust", "trust", "--require-ledger", "bundle") == 2
    said = capsys.readouterr().out
    assert "INDETERMINATE / NO_POE" in said
    assert "from before 2026-05-31T23:59:04Z until after 2026-06-01T00:01:06Z" in said
    assert "tsa ledger export --from 2026-06-01T00:00:04Z --to 2026-06-01T00:00:06Z" in said


def period(kept: Kept, since_s: float | None, until_s: float | None) -> tuple[range, bytes]:
    """Export a period, in seconds from `NOW`."""
    since, until = (None if each is None else NOW_US + int(each * SECOND) for each in (since_s, until_s))
    with LedgerReader(kept.path) as store:
        leaves = around(store, kept.checkpoint.size, since, until)
    return leaves, kept.bundle(leaves.start, leaves.stop)


@pytest.mark.parametrize(
    ("since_s", "until_s"), [(0, 100), (0, 0), (4, 6), (-300, 300), (0, None), (None, 20)]
)
def test_a_bundle_of_a_period_decides_every_token_of_it(
    kept: Kept, since_s: float | None, until_s: float | None
) -> None:
    """The one that was issued first thing in it, and those of the stolen key."""
    leaves, bundle = period(kept, since_s, until_s)
    assert len(leaves) < kept.checkpoint.size
    assert why(claim(GENUINE.token, bundle)) == ("PASSED", None)
    assert why(claim(FORGED.token, bundle)) == ("FAILED", "NOT_IN_LEDGER")
    if since_s == 0:
        first = issue(0.0, b"first thing, with the stolen key")
        assert why(claim(first.token, bundle)) == ("FAILED", "NOT_IN_LEDGER")


def test_a_bundle_of_the_period_that_is_named_decides(kept: Kept) -> None:
    report = claim(FORGED.token, kept.bundle(0, at(-100)))
    assert why(report) == OPEN
    params = report.checks[-1].params
    begin, end = (
        (dt.datetime.fromisoformat(str(params[name])) - NOW).total_seconds()
        for name in ("fetch_from", "fetch_to")
    )
    assert why(claim(FORGED.token, period(kept, begin, end)[1])) == ("FAILED", "NOT_IN_LEDGER")


def test_a_period_that_is_exported_reaches_a_release_beyond_what_it_must() -> None:
    assert AROUND_US >= 2 * RELEASE_SECONDS * SECOND


@pytest.mark.parametrize(
    ("start", "stop", "covered"),
    [
        (at(-60), at(80) + 1, True),
        (at(-40), at(80) + 1, False),
        (at(-60), at(60) + 1, False),
        (0, at(80) + 1, True),
        (at(100), at(600), False),
        (at(0), at(0), False),
    ],
)
def test_a_range_decides_when_it_reaches_around_the_time(
    kept: Kept, start: int, stop: int, *, covered: bool
) -> None:
    expected = ("FAILED", "NOT_IN_LEDGER") if covered else OPEN
    assert why(claim(FORGED.token, kept.bundle(start, stop))) == expected


def test_a_bundle_with_one_hole_just_there_decides_nothing_but_for_what_it_shows(kept: Kept) -> None:
    """All tenants' records but one: a leaf within the bracket is there as its hash alone."""
    bundle = kept.bundle(tenant="a")
    assert why(claim(FORGED.token, bundle)) == OPEN
    assert why(claim(GENUINE.token, bundle)) == ("PASSED", None)
    assert why(claim(issue(-305.0).token, bundle)) == ("FAILED", "NOT_IN_LEDGER")


def test_a_genuine_token_with_attributes_added_later_is_found(kept: Kept) -> None:
    added = with_unsigned(GENUINE.token, attribute("0.4.0.1733.2.4", FORGED.token))
    assert why(claim(added, kept.bundle())) == ("PASSED", None)


@pytest.mark.parametrize("origin", ["log.example/kokuin/1", "thief.example/log"])
def test_a_thiefs_own_bundle_does_not_help_him(tmp_path: Path, origin: str) -> None:
    """He has every record, adds his own, and signs with log keys of his."""
    records = genuine_records()
    records.insert(at(20), (issued_record(FORGED, tenant="a"), FORGED.gen_us + COMMIT_US))
    thief = log(origin, label="thief")
    bundle = keep(tmp_path / "ledger.db", records, thief).bundle()
    assert why(claim(FORGED.token, bundle)) == UNUSABLE
    assert why(claim(FORGED.token, bundle, Auditor(verifier(thief)))) == ("PASSED", None)


def test_a_genuine_checkpoint_over_a_thiefs_records_does_not_help_him(kept: Kept, tmp_path: Path) -> None:
    """The true note, and a tree of the same size in which his token has taken another's place."""
    records = genuine_records()
    records[at(0)] = (issued_record(FORGED, tenant="a"), FORGED.gen_us + COMMIT_US)
    own = keep(tmp_path / "ledger.db", records, log(label="thief"))
    bundle = own.bundle().replace(own.checkpoint.note, kept.checkpoint.note)
    assert kept.checkpoint.note in bundle
    assert why(claim(FORGED.token, bundle)) == UNUSABLE
    # And it does not accuse the token whose place was taken.
    assert why(claim(GENUINE.token, bundle)) == UNUSABLE


def test_a_truncated_bundle_says_nothing(kept: Kept) -> None:
    bundle = kept.bundle()
    for stop in {0, 1, 511, 512, 5000, len(bundle) // 2, len(bundle) - 1024, len(bundle) - 1}:
        for token in (GENUINE.token, FORGED.token):
            assert why(claim(token, bundle[:stop])) == UNUSABLE, stop


def test_no_change_of_a_bundle_turns_a_verdict_around(kept: Kept) -> None:
    bundle, chance = kept.bundle(at(-100), at(120)), random.Random(421)  # noqa: S311  # repeatable mutations
    seen = set()
    for _ in range(150):
        place, count = chance.randrange(len(bundle)), chance.choice((0, 1, 1, 512))
        changed = bundle[:place] + chance.randbytes(chance.choice((0, count, 512))) + bundle[place + count :]
        for token, right in ((GENUINE.token, "PASSED"), (FORGED.token, "FAILED")):
            report = claim(token, changed)
            assert report.indication in {right, "INDETERMINATE"}
            seen.add(report.indication)
    assert "INDETERMINATE" in seen


def test_a_serial_number_that_was_issued_does_not_cover_another_token(tmp_path: Path) -> None:
    records = genuine_records()
    record, at_us = records[at(0)]
    records[at(0)] = (record._replace(serial=FORGED.serial), at_us)
    bundle = keep(tmp_path / "ledger.db", records).bundle()
    assert why(claim(FORGED.token, bundle)) == ("FAILED", "LEDGER_SERIAL_TAKEN")


def test_witnesses_and_time_stamps_date_the_checkpoint(tmp_path: Path) -> None:
    own = keep(tmp_path / "ledger.db", genuine_records())
    two = Auditor(verifier(log()), read_policy(ledgers.policy(2, "w1", "w2")))
    own.cosign("w1", 700)
    assert why(claim(GENUINE.token, own.bundle(), two)) == ("INDETERMINATE", "LEDGER_WITNESSES_ABSENT")
    own.cosign("w2", 730)
    own.stamp("second", 660)
    own.stamp("unit", 610)
    report = claim(GENUINE.token, own.bundle(), two)
    assert why(report) == ("PASSED", None)
    assert [(proof.code, proof.to_dict()["time"]) for proof in report.proofs_of_existence] == [
        ("LEDGER_STAMPED", "2026-06-01T00:11:01Z"),
        ("LEDGER_WITNESSED", "2026-06-01T00:12:10Z"),
    ]


def test_the_end_of_the_log_is_covered_by_its_own_date_and_a_strangers(tmp_path: Path) -> None:
    late = issue(590.0, b"back-dated")
    own = keep(tmp_path / "ledger.db", genuine_records(), signed_at_s=690)
    assert why(claim(late.token, own.bundle())) == OPEN
    own.stamp("second", 695)
    assert why(claim(late.token, own.bundle())) == ("FAILED", "NOT_IN_LEDGER")


def test_a_checkpoint_dates_only_what_is_in_it_and_the_earliest_counts(tmp_path: Path) -> None:
    own = keep(tmp_path / "ledger.db", genuine_records(), older=at(-100))
    own.stamp("second", 660)
    own.stamp("second", 630, own.older)
    bundle = own.bundle()
    early, late = genuine()[at(-200)], genuine()[at(0)]
    times = [claim(each.token, bundle).proofs_of_existence[0].to_dict()["time"] for each in (early, late)]
    assert times == ["2026-06-01T00:10:31Z", "2026-06-01T00:11:01Z"]
    own.stamp("third", 690, own.older)
    assert len(claim(early.token, own.bundle()).proofs_of_existence) == 1


def test_an_older_checkpoint_that_was_stamped_late_does_not_hide_the_newer_ones_date(tmp_path: Path) -> None:
    own = keep(tmp_path / "ledger.db", genuine_records(), older=at(-100))
    own.stamp("second", 660)
    own.stamp("second", 690, own.older)
    (proof,) = claim(genuine()[at(-200)].token, own.bundle()).proofs_of_existence
    assert proof.to_dict()["time"] == "2026-06-01T00:11:01Z"


def test_too_few_witnesses_of_an_older_checkpoint_date_nothing(tmp_path: Path) -> None:
    """Attack: one bought witness signs an early time under a checkpoint that no other has signed."""
    own = keep(tmp_path / "ledger.db", genuine_records(), older=at(-100))
    own.cosign("w1", 610, own.older)
    own.stamp("second", 640, own.older)
    own.cosign("w1", 700)
    own.cosign("w2", 730)
    two = Auditor(verifier(log()), read_policy(ledgers.policy(2, "w1", "w2")))
    proofs = claim(genuine()[at(-200)].token, own.bundle(), two).proofs_of_existence
    assert {(proof.code.value, proof.to_dict()["time"]) for proof in proofs} == {
        ("LEDGER_STAMPED", "2026-06-01T00:10:41Z"),
        ("LEDGER_WITNESSED", "2026-06-01T00:12:10Z"),
    }


def test_a_rewritten_past_makes_the_bundle_useless(kept: Kept, tmp_path: Path) -> None:
    """The older checkpoint is of another history, signed by the same log: a split view."""
    records = genuine_records()
    records[0] = (issued_record(FORGED, tenant="a"), records[0][1])
    other = keep(tmp_path / "other.db", records, older=at(-100))
    own = keep(tmp_path / "ledger.db", genuine_records(), older=at(-100))
    own.stamp("second", 640, own.older)
    bundle = own.bundle()
    assert why(claim(GENUINE.token, bundle)) == ("PASSED", None)
    split = bundle.replace(own.older.note, other.older.note)
    assert split != bundle
    assert why(claim(GENUINE.token, split)) == UNUSABLE
