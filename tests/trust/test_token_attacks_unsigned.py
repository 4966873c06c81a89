"""Unsigned attributes are anybody's: they are listed, and change no verdict and no statement."""

from __future__ import annotations

import pytest

from kokuin.wire import encode, oids
from tests.trust.forge import (
    NOW_US,
    attribute,
    ess_v1,
    ess_v2,
    issue,
    judge,
    order,
    pki,
    verdict,
)

FORGED = {
    "content type": (oids.ID_CONTENT_TYPE, encode.oid(oids.ID_DATA)),
    "message digest": (oids.ID_MESSAGE_DIGEST, encode.octet_string(bytes(32))),
    "signing certificate": (oids.ID_AA_SIGNING_CERTIFICATE_V2, ess_v2(b"another certificate")),
    "signing certificate of version 1": (oids.ID_AA_SIGNING_CERTIFICATE, ess_v1(b"another certificate")),
    "algorithms": (oids.ID_CMS_ALGORITHM_PROTECT, encode.NULL),
    "signing time": (oids.ID_SIGNING_TIME, encode.generalized_time(NOW_US - 10**15)),
}


@pytest.mark.parametrize("name", FORGED)
def test_an_unsigned_attribute_is_not_taken_for_the_signed_one(name: str) -> None:
    oid, value = FORGED[name]
    plain, more = judge(order().make()), judge(order(unsigned=[attribute(oid, value)]).make())
    assert verdict(more) == ("PASSED", None)
    assert more.checks == plain.checks
    assert {**more.subject, "unsigned_attributes": []} == plain.subject
    assert more.subject["unsigned_attributes"] == [oid]


@pytest.mark.parametrize("name", ["content type", "message digest", "signing certificate"])
def test_an_unsigned_attribute_cannot_stand_in_for_a_missing_signed_one(name: str) -> None:
    oid, _ = FORGED[name]
    right = {
        oids.ID_CONTENT_TYPE: encode.oid(oids.ID_CT_TST_INFO),
        oids.ID_MESSAGE_DIGEST: encode.octet_string(bytes(32)),
        oids.ID_AA_SIGNING_CERTIFICATE_V2: ess_v2(pki().unit.der),
    }[oid]
    token = order(attributes={oid: None}, unsigned=[attribute(oid, right)]).make()
    assert verdict(judge(token)) == ("FAILED", "FORMAT_FAILURE")


def test_a_counter_signature_or_token_beside_it_is_no_second_signer() -> None:
    inner = order(gen_us=NOW_US - 10**12).make()
    beside = [
        attribute(oids.ID_AA_TIME_STAMP_TOKEN, inner),
        attribute("1.2.840.113549.1.9.6", encode.sequence()),
    ]
    report = judge(order(unsigned=beside).make())
    assert verdict(report) == ("PASSED", None)
    assert report.subject["gen_time"] == judge(order().make()).subject["gen_time"]


def test_certificates_among_the_unsigned_attributes_lend_no_trust() -> None:
    stranger = issue("Root", None, ())
    values = attribute("1.2.840.113549.1.9.16.2.23", encode.sequence(stranger.der, pki().root.der))
    report = judge(order(certificates=[pki().unit.der], unsigned=[values]).make())
    assert report.indication != "FAILED"
