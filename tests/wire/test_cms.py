from __future__ import annotations

import pytest
from asn1crypto import cms as peer  # type: ignore[import-untyped]

from kokuin.wire import encode, oids
from kokuin.wire.cms import IssuerAndSerial, SignedData, read_signed_data
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.ess import read_signing_certificate
from kokuin.wire.pem import is_armoured, read_blocks
from tests.trust.forge import ess_v1, ess_v2, order, pki


def test_signed_data_agrees_with_an_independent_reader() -> None:
    token = order().make()
    found, expected = read_signed_data(token), peer.ContentInfo.load(token)["content"]
    signer = expected["signer_infos"][0]
    assert found.content == bytes(expected["encap_content_info"]["content"])
    assert list(found.certificates) == [choice.chosen.dump() for choice in expected["certificates"]]
    info = found.signer_infos[0]
    assert info.sid == IssuerAndSerial(
        pki().unit.certificate.issuer, signer["sid"].chosen["serial_number"].native
    )
    assert info.signed_attributes_der == signer["signed_attrs"].untag().dump(force=True)
    assert info.signature == signer["signature"].native
    assert [each.oid for each in info.signed_attributes or ()] == [
        each["type"].dotted for each in signer["signed_attrs"]
    ]


def test_signed_attributes_keep_the_order_in_which_they_were_signed() -> None:
    """Authorities exist that do not sort the SET; what they signed is what they sent."""
    attributes = [encode.sequence(encode.oid(oid), encode.set_of(encode.NULL)) for oid in ("1.2.9", "1.2.3")]
    signer = encode.sequence(
        encode.integer(3),
        encode.implicit(0, b"key"),
        encode.sequence(encode.oid("1.2.3")),
        encode.tlv(0xA0, b"".join(attributes)),
        encode.sequence(encode.oid("1.2.3")),
        encode.octet_string(b"s"),
    )
    found = read_signed_data(signed_data(signers=signer)).signer_infos[0]
    assert found.signed_attributes_der == encode.tlv(0x31, b"".join(attributes))
    assert found.sid == b"key"


def signed_data(*, signers: bytes = b"", certificates: bytes = b"", content: bytes = b"") -> bytes:
    body = encode.sequence(
        encode.integer(3),
        encode.set_of(),
        encode.sequence(encode.oid(oids.ID_CT_TST_INFO), content),
        certificates,
        encode.tlv(0x31, signers),
    )
    return encode.sequence(encode.oid(oids.ID_SIGNED_DATA), encode.explicit(0, body))


def test_other_kinds_of_certificates_are_left_out() -> None:
    kinds = encode.explicit(0, encode.sequence(encode.NULL) + encode.explicit(1, encode.NULL))
    assert read_signed_data(signed_data(certificates=kinds)).certificates == (encode.sequence(encode.NULL),)


def test_detached_content_is_none_and_other_content_is_refused() -> None:
    assert read_signed_data(signed_data()).content is None
    with pytest.raises(WireError):
        read_signed_data(signed_data(content=encode.explicit(0, encode.NULL)))


@pytest.mark.parametrize(
    "octets",
    [
        encode.sequence(encode.oid(oids.ID_DATA), encode.explicit(0, encode.NULL)),
        encode.sequence(encode.oid(oids.ID_SIGNED_DATA)),
        encode.sequence(encode.oid(oids.ID_SIGNED_DATA), encode.explicit(0, encode.NULL)),
        signed_data(signers=encode.NULL),
        signed_data(signers=encode.sequence(encode.integer(1))),
    ],
)
def test_what_is_no_signed_data_is_refused(octets: bytes) -> None:
    with pytest.raises(WireError) as caught:
        read_signed_data(octets)
    assert caught.value.code is WireCode.UNEXPECTED


def test_an_attribute_given_twice_has_no_values() -> None:
    token = order(
        more_attributes=[encode.sequence(encode.oid("1.2.3"), encode.set_of(encode.NULL))] * 2
    ).make()
    data: SignedData = read_signed_data(token)
    assert data.signer_infos[0].signed_values("1.2.3") is None
    assert data.signer_infos[0].signed_values(oids.ID_CONTENT_TYPE) == (encode.oid(oids.ID_CT_TST_INFO),)


def test_signing_certificates_of_both_versions_are_read() -> None:
    first = read_signing_certificate(ess_v1(b"c"), oids.ID_AA_SIGNING_CERTIFICATE)
    assert [len(found.digest) for found in first] == [20]
    second = read_signing_certificate(ess_v2(b"c", b"d"), oids.ID_AA_SIGNING_CERTIFICATE_V2)
    assert [found.digest_oid[-3:] for found in second] == ["2.1", "2.1"]
    with pytest.raises(WireError):
        read_signing_certificate(encode.sequence(encode.sequence()), oids.ID_AA_SIGNING_CERTIFICATE)


def test_pem_blocks_are_read_with_text_around_them() -> None:
    text = b"hello\n-----BEGIN A-----\nAA\nEC\n-----END A-----\nbye\n"
    assert is_armoured(text)
    assert read_blocks(text, 1) == [("A", b"\x00\x01\x02")]
    assert read_blocks(b"-----BEGIN A-----\nAAEC\n-----END B-----\n", 1) == []
    for bad, code in ((text.replace(b"AA", b"A"), WireCode.BAD_ARMOUR), (text * 2, WireCode.TOO_MANY)):
        with pytest.raises(WireError) as caught:
            read_blocks(bad, 1)
        assert caught.value.code is code


def test_armour_is_found_behind_a_long_text_and_never_within_der() -> None:
    block = b"-----BEGIN A-----\nAAEC\n-----END A-----\n"
    assert is_armoured(b"Certificate: as openssl x509 -text prints it\n" * 200 + block)
    assert not is_armoured(encode.sequence(encode.octet_string(block)))
