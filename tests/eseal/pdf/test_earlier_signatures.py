"""A seal never breaks what is there: earlier signatures, certifications and locks, made by pyHanko."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.keys import load_certs_from_pemder_data, load_private_key_from_pemder_data
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import (
    FieldMDPAction,
    FieldMDPSpec,
    MDPPerm,
    SigFieldSpec,
    SigSeedSubFilter,
    SigSeedValFlags,
    SigSeedValueSpec,
    append_signature_field,
)
from pyhanko.sign.signers import PdfSignatureMetadata, SimpleSigner, sign_pdf
from pyhanko_certvalidator.registry import SimpleCertificateStore

from eseal.pdf.extending import extend_pdf
from eseal.pdf.orders import PdfSealOrder, VisibleSeal
from eseal.pdf.refusals import PdfRefusal, PdfRefusedError
from eseal.pdf.sealing import PdfSealer
from eseal.values import Level
from pqc.suites import suite
from tests.eseal.pdf.peers_of_pdf import pdfsig_says, pyhanko_says, pyhanko_says_of_stamps, qpdf_says
from tests.eseal.pdf.plain import pages
from tests.eseal.pdf.test_sealing import material, stamping
from tests.eseal.pki import NOW_US, P256, seal_key, seal_pki
from tests.pqc.keys import key_of

if TYPE_CHECKING:
    from pathlib import Path

PADES = "ETSI.CAdES.detached"
BOX = (300, 60, 540, 140)
NO_CHANGES, FORM_FILLING, ANNOTATIONS = MDPPerm.NO_CHANGES, MDPPerm.FILL_FORMS, MDPPerm.ANNOTATE


def by_another(
    document: bytes,
    name: str = "Author",
    *,
    certify: MDPPerm | None = None,
    specs: tuple[SigFieldSpec, ...] = (),
) -> bytes:
    """A document signed by pyHanko with a key of the same authority, after fields were made."""
    key, private = seal_key(), key_of(suite(P256))
    pkcs8 = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    certificates = [next(iter(load_certs_from_pemder_data(der))) for der in (key.certificate, *key.chain)]
    signer = SimpleSigner(
        signing_cert=certificates[0],
        signing_key=load_private_key_from_pemder_data(pkcs8, None),
        cert_registry=SimpleCertificateStore.from_certs(certificates),
    )
    writer = IncrementalPdfFileWriter(io.BytesIO(document))
    for spec in specs:
        append_signature_field(writer, spec)
    how = PdfSignatureMetadata(
        name,
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        certify=certify is not None,
        docmdp_permissions=certify or FORM_FILLING,
    )
    return bytes(sign_pdf(writer, how, signer).getbuffer())


def with_field(spec: SigFieldSpec) -> bytes:
    stream = io.BytesIO(pages())
    writer = IncrementalPdfFileWriter(stream)
    append_signature_field(writer, spec)
    writer.write_in_place()
    return stream.getvalue()


def seal(
    document: bytes, *, level: Level = Level.B_B, field: str | None = None, visible: VisibleSeal | None = None
) -> bytes:
    stream = io.BytesIO(document)
    order = PdfSealOrder(level, NOW_US, field=field, visible=visible, material=material())
    PdfSealer((seal_key(),), stamping()).seal(stream, order)
    return stream.getvalue()


def refused(
    code: PdfRefusal, document: bytes, *, field: str | None = None, visible: VisibleSeal | None = None
) -> None:
    stream = io.BytesIO(document)
    with pytest.raises(PdfRefusedError) as raised:
        PdfSealer((seal_key(),)).seal(stream, PdfSealOrder(Level.B_B, NOW_US, field=field, visible=visible))
    assert raised.value.code is code
    assert stream.getvalue() == document


def all_good(document: bytes, folder: Path) -> None:
    for status in pyhanko_says(document, seal_pki()):
        assert status.bottom_line, status.summary()
    assert all(pyhanko_says_of_stamps(document, seal_pki()))
    # Empty fields and document time-stamps have no outcome in pdfsig.
    said = [each for each in pdfsig_says(document, folder) if each.get("Signature Type") == PADES]
    assert {each["Signature Validation"] for each in said} == {"Signature is Valid."}
    assert qpdf_says(document, folder) == ""


@pytest.mark.parametrize("certify", [None, FORM_FILLING, ANNOTATIONS])
@pytest.mark.parametrize("level", [Level.B_B, Level.B_LTA])
def test_signatures_of_others_stay_good_after_a_seal(
    certify: MDPPerm | None, level: Level, tmp_path: Path
) -> None:
    octets = seal(by_another(pages(), certify=certify), level=level)
    assert len(pyhanko_says(octets, seal_pki())) == 2
    all_good(octets, tmp_path)


def test_a_certification_that_allows_no_changes_refuses_a_seal_but_not_time_stamps(tmp_path: Path) -> None:
    document = by_another(pages(), certify=NO_CHANGES)
    refused(PdfRefusal.NO_CHANGES_ALLOWED, document)
    stream = io.BytesIO(document)
    extend_pdf(stream, Level.B_LTA, stamping(), material())
    all_good(stream.getvalue(), tmp_path)


def test_a_visible_seal_is_refused_where_it_would_change_a_certified_page() -> None:
    visible = VisibleSeal(1, BOX, "Sealed")
    refused(PdfRefusal.VISIBLE_FORBIDDEN, by_another(pages(), certify=FORM_FILLING), visible=visible)


def test_a_visible_seal_after_a_plain_signature_is_allowed(tmp_path: Path) -> None:
    octets = seal(by_another(pages()), visible=VisibleSeal(1, BOX, "Sealed"))
    all_good(octets, tmp_path)


def test_a_field_that_the_author_left_for_it_takes_a_visible_seal(tmp_path: Path) -> None:
    waiting = SigFieldSpec("Seal", box=BOX)
    document = by_another(pages(), certify=FORM_FILLING, specs=(waiting,))
    octets = seal(document, field="Seal", visible=VisibleSeal(1, (0, 0, 1, 1), "Sealed"))
    assert [each["Signature Field Name"] for each in pdfsig_says(octets, tmp_path)].count("Seal") == 1
    all_good(octets, tmp_path)


def test_a_signature_that_locks_all_fields_refuses_a_further_seal() -> None:
    lock = FieldMDPSpec(FieldMDPAction.ALL)
    document = by_another(pages(), specs=(SigFieldSpec("Author", field_mdp_spec=lock),))
    refused(PdfRefusal.FIELD_LOCKED, document)


def test_a_signature_that_locks_one_field_refuses_a_seal_in_it_alone(tmp_path: Path) -> None:
    lock = FieldMDPSpec(FieldMDPAction.INCLUDE, ["Locked"])
    specs = (SigFieldSpec("Author", field_mdp_spec=lock), SigFieldSpec("Locked"), SigFieldSpec("Free"))
    document = by_another(pages(), specs=specs)
    refused(PdfRefusal.FIELD_LOCKED, document, field="Locked")
    all_good(seal(document, field="Free"), tmp_path)


def test_what_the_maker_of_a_field_wants_locked_is_locked() -> None:
    spec = SigFieldSpec(
        "Last", field_mdp_spec=FieldMDPSpec(FieldMDPAction.ALL), doc_mdp_update_value=NO_CHANGES
    )
    octets = seal(with_field(spec), field="Last")
    (status,) = pyhanko_says(octets, seal_pki())
    assert status.bottom_line, status.summary()
    refused(PdfRefusal.NO_CHANGES_ALLOWED, octets)
    # Time-stamps and validation data are no changes (ISO 32000-2, table 257).
    stream = io.BytesIO(octets)
    extend_pdf(stream, Level.B_LTA, stamping(), material())
    (status,) = pyhanko_says(stream.getvalue(), seal_pki())
    assert status.bottom_line, status.summary()


def test_a_field_that_is_signed_takes_no_second_signature() -> None:
    refused(PdfRefusal.FIELD_TAKEN, seal(pages(), field="Mine"), field="Mine")


def test_a_field_of_another_kind_is_refused() -> None:
    text = b"<</FT/Tx/T(Name)/Type/Annot/Subtype/Widget/Rect[0 0 0 0]>>"
    document = pages(catalog=b"/AcroForm<</Fields[5 0 R]>>", more=[text])
    refused(PdfRefusal.FIELD_UNUSABLE, document, field="Name")


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 129])
def test_names_that_are_none_are_refused(name: str) -> None:
    refused(PdfRefusal.FIELD_UNUSABLE, pages(), field=name)


def test_a_field_whose_seed_value_makes_demands_is_refused() -> None:
    demands = SigSeedValueSpec(flags=SigSeedValFlags.SUBFILTER, subfilters=[SigSeedSubFilter.PADES])
    refused(
        PdfRefusal.FIELD_UNUSABLE, with_field(SigFieldSpec("Seal", seed_value_dict=demands)), field="Seal"
    )


def test_a_new_seal_takes_a_name_that_is_free(tmp_path: Path) -> None:
    octets = seal(seal(with_field(SigFieldSpec("Seal1"))))
    assert [each["Signature Field Name"] for each in pdfsig_says(octets, tmp_path)] == [
        "Seal1",
        "Seal2",
        "Seal3",
    ]
