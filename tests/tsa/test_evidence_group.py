from __future__ import annotations

import hashlib

import pytest
from asn1crypto import cms  # type: ignore[import-untyped]
from asn1crypto import ocsp as ocsp_peer
from asn1crypto import x509 as x509_peer

from kokuin.trust.context import RevocationData
from kokuin.wire import encode
from kokuin.wire.der import children, read_whole
from kokuin.wire.errors import WireError
from kokuin.wire.token_form import with_evidence
from tests.trust.forge import order, pki
from tests.trust.revoking import answer, crl
from tests.tsa.evidence_made import read, token_over, top
from tsa.evidence.group import Material, encode_certificate_values, encode_revocation_values, sidecar_group
from tsa.evidence.records import make_record
from tsa.evidence.tree import HashTree

CERTIFICATES = encode_certificate_values([pki().unit.der, pki().authority.der, pki().root.der])


def sha512(data: bytes) -> bytes:
    return hashlib.sha512(data).digest()


def test_certificates_and_revocation_data_have_the_syntax_of_rfc_5126() -> None:
    lists, answers = (crl(pki().authority), crl(pki().root)), (answer(pki().authority, pki().unit),)
    octets = encode_revocation_values(RevocationData(lists, answers))
    assert octets is not None
    found = cms.CertificateSet.load(b"\x31" + CERTIFICATES[1:])
    assert [each.chosen.dump() for each in found] == [pki().unit.der, pki().authority.der, pki().root.der]
    assert isinstance(found[0].chosen, x509_peer.Certificate)
    first, second = children(read_whole(octets, 0x30))
    assert first.octets == encode.explicit(0, encode.sequence(*lists))
    (basic,) = children(children(second)[0])
    expected = ocsp_peer.OCSPResponse.load(answers[0])["response_bytes"]["response"].parsed.dump()
    assert (second.tag, basic.octets) == (0xA1, expected)
    # One that stands alone already stays as it is.
    assert encode_revocation_values(RevocationData(lists, (expected,))) == octets


def test_nothing_of_revocations_is_no_value() -> None:
    assert encode_revocation_values(RevocationData()) is None
    (info,) = Material(CERTIFICATES).infos
    assert (info.oid, info.values) == ("1.2.840.113549.1.9.16.2.23", (CERTIFICATES,))


@pytest.mark.parametrize("octets", [b"", b"\x30\x03\x0a\x01\x06"], ids=["empty", "tryLater"])
def test_what_answers_nothing_is_refused(octets: bytes) -> None:
    with pytest.raises(WireError):
        encode_revocation_values(RevocationData((), (octets,)))


@pytest.mark.parametrize("document", [None, sha512(b"the document")])
def test_a_record_beside_a_token_covers_token_material_and_document(document: bytes | None) -> None:
    token, values = order().make(), encode_revocation_values(RevocationData((crl(pki().authority),)))
    material = Material(CERTIFICATES, values)
    assert values is not None
    group = sidecar_group("sha512", token, material.hashes("sha512"), document)
    expected = {sha512(token), sha512(CERTIFICATES), sha512(values)} | ({document} if document else set())
    assert set(group) == expected
    tree = HashTree("sha512", [group, (sha512(b"another"),)])
    record = read(make_record(tree, 0, token_over(tree), material.infos))
    assert [(info.oid[-2:], info.values) for info in record.crypto_infos] == [
        ("23", (CERTIFICATES,)),
        ("24", (values,)),
    ]
    reduced = record.chains[0].stamps[0].reduced
    assert reduced is not None
    assert set(reduced[0]) == expected
    assert top("sha512", reduced, group) == tree.root


def test_evidence_within_the_token_does_not_change_what_is_covered() -> None:
    token = order().make()
    embedded = with_evidence(token, encode.sequence())
    assert sidecar_group("sha512", embedded, ()) == (sha512(token),) == sidecar_group("sha512", token, ())
