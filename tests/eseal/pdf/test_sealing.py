"""PAdES seals are accepted by programs that know nothing of us."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from eseal.pdf.extending import extend_pdf, level_of
from eseal.pdf.orders import PdfSealOrder
from eseal.pdf.refusals import PdfRefusal, PdfRefusedError
from eseal.pdf.sealing import PdfSealer
from eseal.pdf.stamping import Stamping
from eseal.values import Level, Material, StampUnavailableError
from tests.eseal.pdf.peers_of_pdf import (
    pdfsig_says,
    pyhanko_says,
    pyhanko_says_of_archive,
    pyhanko_says_of_stamps,
    qpdf_says,
)
from tests.eseal.pdf.plain import compressed_pages, pages
from tests.eseal.pki import CLASSICAL, ED25519, ML_DSA, NOW_US, P256, seal_key, seal_pki

if TYPE_CHECKING:
    from pathlib import Path

    from eseal.values import SealKey

PLAIN = {"table": pages(3), "stream": compressed_pages(), "no last line end": pages().rstrip(b"\n")}
KNOWN_TO_PYHANKO = (*CLASSICAL, *ML_DSA)
KNOWN_TO_POPPLER = tuple(each for each in CLASSICAL if each != ED25519)  # NSS has no Ed25519 in CMS


def stamping(suite: str = P256) -> Stamping:
    return Stamping(seal_pki().stamper(suite))


def material() -> Material:
    pki = seal_pki()
    certificates = (*pki.chain, pki.root.certificate.der, pki.stamper().certificate.der)
    return Material(certificates, pki.revocation())


def sealed(document: bytes, level: Level, *keys: SealKey, field: str | None = None) -> bytes:
    stream = io.BytesIO(document)
    sealer = PdfSealer(keys or (seal_key(),), stamping())
    sealer.seal(stream, PdfSealOrder(level, NOW_US, field=field, material=material()))
    return stream.getvalue()


@pytest.mark.parametrize("suite", KNOWN_TO_PYHANKO)
@pytest.mark.parametrize("level", [Level.B_B, Level.B_LTA])
def test_pyhanko_accepts_the_seal_of_every_suite_that_it_knows(suite: str, level: Level) -> None:
    document = sealed(pages(), level, seal_key(suite))
    (status,) = pyhanko_says(document, seal_pki())
    assert status.bottom_line, status.summary()
    assert status.trusted


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("document", PLAIN.values(), ids=PLAIN)
def test_pyhanko_accepts_every_level_in_every_kind_of_file(document: bytes, level: Level) -> None:
    octets = sealed(document, level)
    (status,) = pyhanko_says(octets, seal_pki())
    assert status.bottom_line, status.summary()
    assert (status.timestamp_validity is not None) is (level is not Level.B_B)
    assert pyhanko_says_of_stamps(octets, seal_pki()) == [True] * (level is Level.B_LTA)
    assert octets.startswith(document)


@pytest.mark.parametrize("suite", [P256, "ml-dsa-65"])
def test_pyhanko_finds_all_that_long_term_validation_needs_in_the_document(suite: str) -> None:
    assert pyhanko_says_of_archive(sealed(pages(), Level.B_LTA, seal_key(suite)), seal_pki()) == ["PASSED"]


@pytest.mark.parametrize("suite", KNOWN_TO_POPPLER)
def test_pdfsig_accepts_classical_seals(suite: str, tmp_path: Path) -> None:
    (said,) = pdfsig_says(sealed(pages(), Level.B_T, seal_key(suite)), tmp_path)
    assert said["Signature Validation"] == "Signature is Valid."
    assert said["Signature Type"] == "ETSI.CAdES.detached"


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("document", PLAIN.values(), ids=PLAIN)
def test_poppler_and_qpdf_accept_every_level(document: bytes, level: Level, tmp_path: Path) -> None:
    octets = sealed(document, level)
    said = pdfsig_says(octets, tmp_path)
    assert said[0]["Signature Validation"] == "Signature is Valid."
    assert qpdf_says(octets, tmp_path) == ""


def test_two_independent_seals_stand_in_fields_of_their_own(tmp_path: Path) -> None:
    document = sealed(pages(), Level.B_LTA, seal_key(), seal_key("ml-dsa-65"))
    first, second = pyhanko_says(document, seal_pki())
    assert first.bottom_line, first.summary()
    assert second.bottom_line, second.summary()
    assert [status.md_algorithm for status in (first, second)] == ["sha256", "sha512"]
    assert qpdf_says(document, tmp_path) == ""


@pytest.mark.parametrize("low", Level)
@pytest.mark.parametrize("high", Level)
def test_every_level_is_extended_to_every_higher_one(low: Level, high: Level, tmp_path: Path) -> None:
    document = sealed(pages(), low, seal_key(), seal_key("ml-dsa-44"))
    stream = io.BytesIO(document)
    if high.rank <= low.rank and high is not Level.B_LTA:
        with pytest.raises(PdfRefusedError, match=PdfRefusal.LEVEL_REACHED):
            extend_pdf(stream, high, stamping(), material())
        assert stream.getvalue() == document
        return
    assert extend_pdf(stream, high, stamping(), material()) is low
    octets = stream.getvalue()
    assert octets.startswith(document)
    assert level_of(stream) is high
    assert all(status.bottom_line for status in pyhanko_says(octets, seal_pki()))
    assert all(pyhanko_says_of_stamps(octets, seal_pki()))
    assert qpdf_says(octets, tmp_path) == ""


def test_an_archive_is_renewed_as_often_as_is_wanted() -> None:
    stream = io.BytesIO(sealed(pages(), Level.B_LTA))
    for renewals in range(1, 4):
        extend_pdf(stream, Level.B_LTA, stamping("ml-dsa-65" if renewals == 2 else P256), material())
        assert pyhanko_says_of_stamps(stream.getvalue(), seal_pki()) == [True] * (renewals + 1)
    assert pyhanko_says_of_archive(stream.getvalue(), seal_pki()) == ["PASSED"]


@pytest.mark.parametrize("level", Level)
def test_contents_have_the_octets_that_they_need(level: Level) -> None:
    rooms = stamping()
    sealer = PdfSealer((seal_key(),), rooms)
    order = PdfSealOrder(level, NOW_US, material=material())
    sealer.seal(io.BytesIO(pages()), order)
    stream = io.BytesIO(pages())
    sealer.seal(stream, order)
    octets = stream.getvalue()
    for contents in octets.split(b"/Contents <")[1:]:
        value = bytes.fromhex(contents.partition(b">")[0].decode())
        header = 4 + int.from_bytes(value[2:4], "big")
        assert value[:2] == b"\x30\x82"
        assert len(value) - header <= 24  # ECDSA's DER, and a token's fraction of a second
        assert not any(value[header:])


def test_a_token_larger_than_the_room_is_asked_for_once_more() -> None:
    stamper = seal_pki().stamper("ml-dsa-87")
    rooms = Stamping(stamper, room=500)
    stream = io.BytesIO(pages())
    PdfSealer((seal_key(),), rooms).seal(stream, PdfSealOrder(Level.B_T, NOW_US))
    assert len(stamper.stamped) == 2
    (status,) = pyhanko_says(stream.getvalue(), seal_pki())
    assert status.bottom_line, status.summary()
    PdfSealer((seal_key(),), rooms).seal(io.BytesIO(pages()), PdfSealOrder(Level.B_T, NOW_US))
    assert len(stamper.stamped) == 3


def test_a_seal_that_gets_no_time_stamp_leaves_no_octet() -> None:
    class Away:
        digest = "sha256"

        def stamp(self, imprint: bytes) -> bytes:  # noqa: ARG002  # the port has it
            raise StampUnavailableError("away")

    stream = io.BytesIO(pages())
    with pytest.raises(StampUnavailableError):
        PdfSealer((seal_key(),), Stamping(Away())).seal(stream, PdfSealOrder(Level.B_T, NOW_US))
    assert stream.getvalue() == pages()
    with pytest.raises(StampUnavailableError):
        PdfSealer((seal_key(),)).seal(stream, PdfSealOrder(Level.B_T, NOW_US))
    assert stream.getvalue() == pages()


def test_material_is_asked_for_before_anything_is_signed() -> None:
    stream = io.BytesIO(pages())
    for missing in (None, Material()):
        with pytest.raises(PdfRefusedError, match=PdfRefusal.NO_MATERIAL):
            PdfSealer((seal_key(),), stamping()).seal(
                stream, PdfSealOrder(Level.B_LT, NOW_US, material=missing)
            )
        assert stream.getvalue() == pages()


def test_the_same_material_is_stored_once() -> None:
    stream = io.BytesIO(sealed(pages(), Level.B_LT))
    before = len(stream.getvalue())
    certificate = seal_pki().root.certificate.der
    extend_pdf(stream, Level.B_LTA, stamping(), material())
    assert stream.getvalue().count(certificate) == 1
    assert len(stream.getvalue()) > before


def test_a_file_is_sealed_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "plain.pdf"
    path.write_bytes(pages())
    with path.open("r+b") as stream:
        PdfSealer((seal_key(),), stamping()).seal(
            stream, PdfSealOrder(Level.B_LTA, NOW_US, material=material())
        )
    (status,) = pyhanko_says(path.read_bytes(), seal_pki())
    assert status.bottom_line, status.summary()


def test_an_unsealed_document_is_not_extended() -> None:
    with pytest.raises(PdfRefusedError, match=PdfRefusal.NOT_SEALED):
        extend_pdf(io.BytesIO(pages()), Level.B_T, stamping())
