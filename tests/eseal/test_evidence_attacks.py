"""Sealed documents with records over their files: what came later than the proof is no older than it is."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from eseal.values import Level
from kokuin.trust.certificate import read_certificate
from kokuin.trust.report import Indication
from kokuin.trust.revocation import Revocation, RevocationReason
from kokuin.verify.content import of_octets
from kokuin.wire import oids
from kokuin.wire.cms import Attribute
from tests.eseal.evidencing import keeper, later
from tests.eseal.jades import DATA
from tests.eseal.pki import NOW, seal_key, seal_pki
from tests.eseal.test_evidence_in_seals import FORMATS, beside, judged, reasons, seal
from tests.trust.evidences import first, moment, us
from tsa.evidence.group import encode_certificate_values

if TYPE_CHECKING:
    from kokuin.trust.context import Context

VALUES = encode_certificate_values(seal_pki().chain)


def with_chain(octets: bytes, at: dt.datetime) -> bytes:
    """Return a record over a file and, in its group, over the chain of the seal's certificate."""
    infos = (Attribute(oids.ID_AA_ETS_CERT_VALUES, (VALUES,)),)
    return first(keeper(), at, octets, VALUES, infos=infos)


def by(form: str, *evidence: bytes) -> Context:
    return later(content=of_octets(DATA) if form == "cades" else None, evidence=evidence)


@pytest.mark.parametrize("form", FORMATS)
def test_an_authority_in_the_group_of_a_later_record_vouches_for_no_seal(form: str) -> None:
    """Attack: by then anybody can certify the authority that he made up when he sealed."""
    sealed = seal(form, Level.B_B, seal_pki().stamper(), replace(seal_key(), chain=()))
    at_once = judged(form, sealed, by(form, with_chain(sealed, NOW)))
    assert at_once.indication is Indication.PASSED
    late = with_chain(sealed, moment(2032))
    for evidence in ((beside(sealed), late), (late, beside(sealed))):
        report = judged(form, sealed, by(form, *evidence))
        assert report.indication is Indication.INDETERMINATE
        assert "NO_LONGER_FIT" in reasons(report)


@pytest.mark.parametrize("form", FORMATS)
def test_a_seal_of_a_stolen_key_is_open_by_the_list_in_the_record_over_its_file(form: str) -> None:
    pki = seal_pki()
    sealed = seal(form, Level.B_B, pki.stamper())
    stolen = Revocation(NOW, RevocationReason.KEY_COMPROMISE)
    crl = pki.authority.crl(
        {read_certificate(seal_key().certificate).serial: stolen},
        this_update=NOW,
        next_update=NOW + dt.timedelta(days=365),
        number=9,
    )
    record = first(replace(keeper(), crl=crl), NOW, sealed)
    at = replace(by(form), at=us(NOW))
    assert judged(form, sealed, at).indication is Indication.PASSED
    assert judged(form, sealed, replace(at, evidence=(record,))).indication is not Indication.PASSED
