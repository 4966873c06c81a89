"""Any octets that call themselves a PDF get a verdict, in bounded time and memory."""

from __future__ import annotations

import pytest

from eseal.pdf.find import find
from eseal.profile import Format
from eseal.rules import SealReason
from eseal.values import Found
from kokuin.trust.report import Check, Indication, Status
from tests.eseal.fuzz_judging import judge_pdf as judge
from tests.eseal.fuzz_judging import run_judging
from tests.eseal.pdf.bombs import BOMBS
from tests.eseal.pdf.handmade import sealed
from tests.eseal.pdf.plain import pages
from tests.offline import offline


def test_600_damaged_pdfs_get_a_verdict_and_none_passes_that_should_not() -> None:
    run = run_judging(Format.PDF, 7, 600)
    assert not run.violations, [what for what, _ in run.violations]
    assert sum(count for verdict, count in run.verdicts.items() if verdict.startswith("FAILED")) > 300


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_gets_a_verdict_within_bounds(name: str) -> None:
    octets = BOMBS[name]()
    # A careless reader takes minutes for each of them, and runs into the suite's time limit.
    report = judge(octets)
    assert str(SealReason.READER_FAILED) not in report.to_json()


@pytest.mark.parametrize("cut", range(0, 400, 7))
def test_a_sealed_file_that_ends_early_does_not_pass(cut: int) -> None:
    assert judge(sealed()[: len(sealed()) - 1 - cut]).indication is not Indication.PASSED or cut == 0


@pytest.mark.parametrize(
    "octets", [b"", b"%PDF-", b"%PDF-1.7\n%%EOF", b"%PDF-1.7\nstartxref\n0\n%%EOF\n", b"x" * 5_000]
)
def test_what_is_no_pdf_is_named(octets: bytes) -> None:
    found = find(octets, None)
    assert isinstance(found, Check)
    assert found.status is Status.FAILED


def test_an_encrypted_file_is_open_and_says_so() -> None:
    document = pages().replace(b"/Root 1 0 R", b"/Root 1 0 R/Encrypt<</Filter/Standard/V 4>>")
    report = judge(document)
    assert any(check.reason == SealReason.ENCRYPTED for check in report.checks)
    assert report.indication is not Indication.PASSED


def test_a_file_without_any_signature_is_no_sealed_file() -> None:
    found = find(pages(), None)
    assert isinstance(found, Found)
    assert not found.seals


def test_judging_asks_nobody_on_the_network() -> None:
    with offline() as tried:
        assert judge(sealed()).indication is Indication.PASSED
    assert not tried
