"""Impossible profiles end with named blockers, and what nobody can place is listed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kokuin.service.config import load_config
from kokuin.service.migration.dryrun import DryRunRequest, rehearse
from kokuin.service.migration.report_tokens import Unknown
from pqc.profiles import load_shipped
from tests.ownpolicy import policy_text, row
from tests.service.dryruns import issue_tokens
from tests.service.inventories import token, write
from tests.softhsm import TOKEN, library
from tests.toysuite import registered

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.service.datafolder import DataFolder
    from kokuin.service.migration.report import DryRunReport
    from tests.service.running import Prepared
    from tests.softhsm import SoftHsm

BOTH = ("issue", "verify")
ENDED = policy_text(
    row(
        ("imprint", "signature-digest", "certificate-id", "tree"),
        ("sha256", "sha384", "sha512"),
        BOTH,
    ),
    row("signature", ("rsa",), BOTH, status="legacy", until="2023-12-31", bits=(0, 2048)),
    row("signature", ("ecdsa",), ("issue",), status="legacy", until="2025-12-31"),
)


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("classical").folder


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    path = tmp_path / "scratch"
    path.mkdir()
    return path


def run(folder: DataFolder, scratch: Path, profile: str, **fields: Any) -> DryRunReport:
    request = DryRunRequest(profile, 6, **fields)
    return rehearse(folder, load_config(folder.root, {}), request, scratch, lambda *_: None)


def blockers(report: DryRunReport) -> dict[str, str]:
    assert report.possible is not bool(report.consequences.blockers)
    return {each.code: each.subject for each in report.consequences.blockers}


def own(folder: DataFolder, name: str, **changes: str) -> str:
    """Write an operator's profile: `classical` with other values."""
    text = load_shipped("classical").text.replace("arc = 1\n", "arc = 50\n")
    lines = [line for line in text.splitlines() if line.partition(" =")[0] not in changes]
    folder.profiles.mkdir(exist_ok=True)
    lines += [f"{key} = {value}" for key, value in changes.items()]
    (folder.profiles / f"{name}.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return name


def operated(folder: DataFolder) -> None:
    """Let the folder be one of an operator's own CA."""
    text = folder.config.read_text(encoding="utf-8")
    assert 'pki = "development"' in text
    folder.config.write_text(text.replace('pki = "development"', 'pki = "operator"'), encoding="utf-8")


def test_an_unknown_profile(folder: DataFolder, scratch: Path) -> None:
    found = run(folder, scratch, "rot13")
    assert blockers(found) == {"PROFILE_UNKNOWN": "rot13"}
    assert found.measured.candidate is None
    assert found.diff.rows[0].before
    assert not found.diff.rows[0].after


@pytest.mark.parametrize("text", ["arc = ", "arc = 50\n", "\xff", "a" * 9000])
def test_a_profile_that_cannot_be_read(text: str, folder: DataFolder, scratch: Path) -> None:
    folder.profiles.mkdir()
    (folder.profiles / "own.toml").write_bytes(text.encode("latin-1"))
    assert blockers(run(folder, scratch, "own")) == {"PROFILE_UNFIT": "own"}


def test_rsa_2048_is_for_verifying_and_past_its_date(folder: DataFolder, scratch: Path) -> None:
    name = own(folder, "old", tst='"rsa2048-pkcs1-sha256"', certificate='"rsa2048-pkcs1-sha256"')
    assert blockers(run(folder, scratch, name)) == {"SUITE_VERIFY_ONLY": "rsa2048-pkcs1-sha256"}
    policy = folder.root / "ended.toml"
    policy.write_text(ENDED, encoding="utf-8")
    found = run(folder, scratch, name, policy=str(policy))
    assert {each.code for each in found.consequences.blockers} == {"SUITE_VERIFY_ONLY", "SUITE_FORBIDDEN"}
    assert "2023-12-31" in found.consequences.blockers[-1].detail


def test_a_suite_past_its_date_and_one_that_no_row_speaks_of(folder: DataFolder, scratch: Path) -> None:
    policy = folder.root / "ended.toml"
    policy.write_text(ENDED, encoding="utf-8")
    found = run(folder, scratch, "classical", policy=str(policy))
    assert blockers(found)["SUITE_FORBIDDEN"] == "ecdsa-p256-sha256"
    (scratch / "pq").mkdir()
    found = run(folder, scratch / "pq", "pq", policy=str(policy))
    assert blockers(found)["SUITE_NOT_IN_POLICY"] == "ml-dsa-65"
    assert found.measured.candidate is not None, "what is forbidden is measured all the same"
    assert found.measured.candidate.granted == 6


def test_a_certificate_that_would_outlive_its_algorithm(folder: DataFolder, scratch: Path) -> None:
    found = run(folder, scratch, "classical-rsa", policy="eu-ts119312")
    assert blockers(found) == {"CERTIFICATE_OUTLIVES_ALGORITHM": "rsa3072-pkcs1-sha256"}
    assert "2030-12-31" in found.consequences.blockers[0].detail


def test_a_real_certificate_that_outlives_its_algorithm(folder: DataFolder, scratch: Path) -> None:
    operated(folder)
    found = run(folder, scratch, "classical", policy="eu-ts119312")
    assert blockers(found) == {"CERTIFICATE_OUTLIVES_ALGORITHM": "ecdsa-p256-sha256"}


def test_an_operators_unit_without_key_and_certificate(folder: DataFolder, scratch: Path) -> None:
    operated(folder)
    found = run(folder, scratch, "pq")
    assert blockers(found) == {"KEY_MISSING": "pq", "CERTIFICATE_MISSING": "pq"}
    assert "tsa keys generate pq" in found.consequences.blockers[0].detail
    assert {row.item: row.state for row in found.chain}["key"] == "missing"
    assert found.measured.candidate is not None, "the trial needs no key of the operator's"


def test_a_policy_oid_that_is_taken(folder: DataFolder, scratch: Path) -> None:
    assert blockers(run(folder, scratch, own(folder, "own", arc="1"))) == {"POLICY_OID_TAKEN": "own"}


def test_an_accuracy_that_the_clock_guard_does_not_keep(folder: DataFolder, scratch: Path) -> None:
    found = run(folder, scratch, own(folder, "own", accuracy_ms="400"))
    assert blockers(found) == {"ACCURACY_NOT_GUARDED": "own"}


def test_a_device_without_the_key_and_one_without_the_suite(
    folder: DataFolder, scratch: Path, softhsm: SoftHsm
) -> None:
    module = library()
    tables = "".join(
        f'\n[signers.{name}]\nbackend = "pkcs11"\nmodule = "{module}"\ntoken = "{token_label}"\n'
        f'label = "nobody-{name}"\npin_file = "{softhsm.pin_file}"\n'
        for name, token_label in (("classical-rsa", TOKEN), ("pq", TOKEN), ("cnsa2", "no such token"))
    )
    folder.config.write_text(folder.config.read_text(encoding="utf-8") + tables, encoding="utf-8")
    made = scratch / "made"
    made.mkdir()
    found = run(folder, made, "classical-rsa")
    assert found.possible, "on a development PKI the switch makes the key in the device"
    assert {row.item: row.state for row in found.chain}["key"] == "made-at-switch"
    operated(folder)
    wanted = {
        "classical-rsa": "KEY_SLOT_MISSING",
        "pq": "DEVICE_WITHOUT_SUITE",
        "cnsa2": "KEY_SLOT_UNREACHABLE",
    }
    for name, code in wanted.items():
        place = scratch / name
        place.mkdir()
        found = run(folder, place, name)
        assert blockers(found)[code] == name
        assert found.measured.device


def test_what_the_ledger_holds_and_nobody_knows_is_listed(folder: DataFolder, scratch: Path) -> None:
    issue_tokens(folder, 6)
    signer = "ee" * 32
    write(folder, [token(number, "classical", "rot13", "md4", signer) for number in range(1, 4)])
    found = run(folder, scratch, "pq")
    assert found.inventory.tokens == 9
    assert set(found.inventory.unknown) == {
        Unknown("SUITE_UNKNOWN", "rot13", 3),
        Unknown("HASH_UNKNOWN", "md4", 3),
        Unknown("CERTIFICATE_NOT_AT_HAND", signer, 3),
    }
    assert {each.name: each.tokens for each in found.artefacts.today} == {"passed": 6, "failed": 3}
    assert found.renewal.lost == 3
    assert found.clients.refused_hashes[0].name == "md4"


def test_a_toy_suite_is_rehearsed_like_any_other(folder: DataFolder, scratch: Path) -> None:
    issue_tokens(folder, 6)
    with registered() as toy:
        name = own(folder, "toy", tst=f'"{toy.id}"')
        found = run(folder, scratch, name)
        assert found.possible
        assert found.measured.candidate is not None
        assert found.measured.candidate.granted == 6
        assert found.measured.verified == found.measured.passed == 12
        assert {row.purpose: row.after for row in found.diff.rows}["tst"] == toy.id
        assert "key:unit-toy" in found.bills.added


def test_a_profile_with_evidence_is_rehearsed_with_the_unit_that_makes_it(
    folder: DataFolder, scratch: Path
) -> None:
    found = run(folder, scratch, "hybrid")
    assert blockers(found) == {}
    assert found.measured.candidate is not None
    assert {row.subject for row in found.chain} >= {"classical", "evidence"}
    rows = {row.purpose: (row.before, row.after) for row in found.diff.rows}
    assert rows["evidence"] == ("", "evidence")
