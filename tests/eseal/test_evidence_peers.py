"""Other programs accept a seal with evidence within its time-stamps as they do the seal without."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from asn1crypto import cms, x509  # type: ignore[import-untyped]
from pyhanko.sign.validation.generic_cms import async_validate_detached_cms
from pyhanko_certvalidator import ValidationContext

from eseal.cades_create import create
from eseal.values import Level
from tests.eseal.evidencing import EvidencedStamper
from tests.eseal.jades import material
from tests.eseal.pdf.peers_of_pdf import (
    pdfsig_says,
    pyhanko_says,
    pyhanko_says_of_archive,
    pyhanko_says_of_stamps,
    qpdf_says,
)
from tests.eseal.pki import NOW_US, seal_key, seal_pki
from tests.eseal.sealed_data import Data
from tests.eseal.test_cades_peers import DATA, openssl_verifies
from tests.eseal.test_evidence_in_seals import STAMPED, extended, seal

if TYPE_CHECKING:
    from pathlib import Path


def cades(level: Level) -> bytes:
    stamper = EvidencedStamper()
    return create(Data(DATA), (seal_key(),), NOW_US, level=level, stamper=stamper, material=material())


@pytest.mark.parametrize("level", STAMPED)
def test_pyhanko_accepts_a_pdf_and_the_time_stamps_in_it(level: Level) -> None:
    sealed = seal("pdf", level, EvidencedStamper())
    (status,) = pyhanko_says(sealed, seal_pki())
    assert status.bottom_line, status.pretty_print_details()
    assert status.timestamp_validity is not None
    assert status.timestamp_validity.trusted
    assert pyhanko_says_of_stamps(sealed, seal_pki()) == ([True] if level is Level.B_LTA else [])


def test_pyhanko_accepts_a_pdf_for_the_long_term_and_one_that_was_renewed() -> None:
    sealed = seal("pdf", Level.B_LTA, EvidencedStamper())
    assert pyhanko_says_of_archive(sealed, seal_pki()) == ["PASSED"]
    renewed = extended("pdf", sealed, Level.B_LTA, EvidencedStamper())
    assert pyhanko_says_of_stamps(renewed, seal_pki()) == [True, True]


def test_pdfsig_and_qpdf_find_nothing_wrong_with_a_pdf(tmp_path: Path) -> None:
    sealed = seal("pdf", Level.B_LTA, EvidencedStamper())
    said, _ = pdfsig_says(sealed, tmp_path)  # it looks at no document time-stamp
    assert said["Signature Validation"] == "Signature is Valid."
    assert not qpdf_says(sealed, tmp_path)


@pytest.mark.parametrize("level", STAMPED)
def test_openssl_accepts_a_seal_of_a_file(level: Level, tmp_path: Path) -> None:
    sealed = cades(level)
    assert openssl_verifies(tmp_path, sealed, beside=DATA)
    assert not openssl_verifies(tmp_path, sealed, beside=DATA + b" ")


@pytest.mark.parametrize("level", STAMPED)
def test_pyhanko_accepts_a_seal_of_a_file_and_the_time_stamp_in_it(level: Level) -> None:
    read = cms.ContentInfo.load(cades(level))
    roots = [x509.Certificate.load(seal_pki().root.certificate.der)]
    trust, of_stamps = (ValidationContext(trust_roots=roots) for _ in range(2))
    status = asyncio.run(async_validate_detached_cms(DATA, read["content"], trust, of_stamps))
    assert status.intact
    assert status.valid
    assert status.trusted
    assert status.timestamp_validity is not None
    assert status.timestamp_validity.valid
