"""What is sealed passes the judgement of the other side of the house, at the level that was asked for."""

from __future__ import annotations

import io

import pytest

from eseal.pdf.extending import extend_pdf
from eseal.pdf.orders import PdfSealOrder, VisibleSeal
from eseal.pdf.refusals import PdfRefusal, PdfRefusedError
from eseal.pdf.sealing import PdfSealer
from eseal.values import Level
from kokuin.trust.context import Context
from kokuin.trust.report import Indication, Report
from kokuin.verify.verifying import verify_bytes
from tests.eseal.pdf.plain import compressed_pages, pages
from tests.eseal.pdf.test_sealing import material, sealed, stamping
from tests.eseal.pki import EVERY, NOW_US, seal_key, seal_pki

HOUR_US = 3_600 * 1_000_000


def judged(document: bytes) -> Report:
    return verify_bytes(document, Context(NOW_US + HOUR_US, seal_pki().trust))


def levels(report: Report) -> list[object]:
    return [part.subject["level"] for part in report.parts]


@pytest.mark.parametrize("suite", EVERY)
@pytest.mark.parametrize("level", [Level.B_B, Level.B_LTA])
def test_seals_of_every_suite_pass(suite: str, level: Level) -> None:
    report = judged(sealed(pages(), level, seal_key(suite)))
    assert report.indication is Indication.PASSED
    assert levels(report) == [level]


@pytest.mark.parametrize("level", Level)
def test_both_of_two_seals_pass_at_every_level(level: Level) -> None:
    report = judged(sealed(compressed_pages(), level, seal_key(), seal_key("ml-dsa-65")))
    assert report.indication is Indication.PASSED
    assert levels(report) == [level, level]


RAISES = [(low, high) for low in Level for high in Level if high.rank > low.rank or high is Level.B_LTA]


@pytest.mark.parametrize(("low", "high"), RAISES)
def test_extended_seals_pass_at_their_new_level(low: Level, high: Level) -> None:
    stream = io.BytesIO(sealed(pages(), low))
    extend_pdf(stream, high, stamping(), material())
    report = judged(stream.getvalue())
    assert report.indication is Indication.PASSED
    assert levels(report) == [high]


@pytest.mark.parametrize("level", [Level.B_T, Level.B_LTA])
def test_a_seal_over_other_octets_is_not_extended(level: Level) -> None:
    """Attack: a time-stamp and validation data make a forgery look as if somebody had looked at it."""
    forged = sealed(pages(), Level.B_B).replace(b"/Count 1", b"/Count 2", 1)
    stream = io.BytesIO(forged)
    with pytest.raises(PdfRefusedError) as refused:
        extend_pdf(stream, level, stamping(), material())
    assert refused.value.code is PdfRefusal.SEAL_NOT_RIGHT
    assert stream.getvalue() == forged


def test_a_visible_seal_passes() -> None:
    stream = io.BytesIO(pages(2))
    visible = VisibleSeal(-1, (300, 60, 540, 140), "Sealed", "https://verify.example.jp/s/7f3a")
    order = PdfSealOrder(
        Level.B_LTA, NOW_US, reason="Sealed", location="Tokyo", material=material(), visible=visible
    )
    PdfSealer((seal_key(), seal_key("ml-dsa-44")), stamping()).seal(stream, order)
    report = judged(stream.getvalue())
    assert report.indication is Indication.PASSED
    assert levels(report) == [Level.B_LTA, Level.B_LTA]
    assert report.parts[0].subject["reason"] == "Sealed"
    assert report.parts[0].subject["location"] == "Tokyo"
