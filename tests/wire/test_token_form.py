from __future__ import annotations

import pytest
from asn1crypto import cms as peer  # type: ignore[import-untyped]

from kokuin.wire import ber, encode, oids
from kokuin.wire.cms import read_signed_data
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.prescan import TOKEN_LIMITS
from kokuin.wire.token_form import bare_token, evidence_in, with_evidence, with_values
from tests.der import tlv
from tests.trust.forge import order
from tests.unsigned import attribute, with_unsigned

TOKEN_ATTRIBUTE = "1.2.840.113549.1.9.16.2.14"


def test_a_token_without_unsigned_attributes_keeps_every_octet() -> None:
    token = order().make()
    assert bare_token(token) == token


@pytest.mark.parametrize(
    "attributes",
    [
        (attribute("1.2.3", encode.NULL),),
        (attribute("1.2.3", encode.NULL), attribute("1.2.4", tlv(0x04, b"a" * 300), encode.NULL)),
        (attribute("1.2.3", tlv(0x04, bytes(70_000))),),
        (),
    ],
    ids=["one", "several", "longer lengths", "an empty field"],
)
def test_a_token_with_unsigned_attributes_becomes_what_it_was(attributes: tuple[bytes, ...]) -> None:
    token = order().make()
    assert bare_token(with_unsigned(token, *attributes)) == token


def test_an_independent_writer_agrees_on_the_bare_form() -> None:
    token = order().make()
    info = peer.ContentInfo.load(with_unsigned(token, attribute(TOKEN_ATTRIBUTE, token)))
    assert info["content"]["signer_infos"][0]["unsigned_attrs"].native is not None
    del info["content"]["signer_infos"][0]["unsigned_attrs"]
    expected = info.dump()
    assert bare_token(with_unsigned(token, attribute(TOKEN_ATTRIBUTE, token))) == expected == token


def test_a_token_within_an_attribute_takes_all_its_attributes_with_it() -> None:
    """A time-stamp of the signature is a token with attributes of its own, to any depth."""
    token = order().make()
    nested = token
    for _ in range(8):
        nested = with_unsigned(token, attribute(TOKEN_ATTRIBUTE, nested))
    assert bare_token(nested) == token


def test_attributes_in_ber_leave_no_trace_once_they_were_read() -> None:
    token = order().make()
    added = with_unsigned(token, attribute("1.2.3", b"\x24\x80\x04\x01a\x04\x01b\x00\x00"))
    assert bare_token(ber.definite(added, TOKEN_LIMITS)) == token


def signer(*tail: bytes, signed: bytes = b"") -> bytes:
    algorithm = encode.sequence(encode.oid("1.2.3"))
    body = (encode.integer(3), encode.implicit(0, b"key"), algorithm, signed, algorithm, tlv(4, b"s"), *tail)
    return tlv(0x30, *body)


def signed_data(*signers: bytes, crls: bytes = b"") -> bytes:
    content = tlv(0x30, encode.oid(oids.ID_CT_TST_INFO))
    body = tlv(0x30, encode.integer(3), tlv(0x31), content, crls, tlv(0x31, *signers))
    return tlv(0x30, encode.oid(oids.ID_SIGNED_DATA), tlv(0xA0, body))


def test_each_signer_loses_its_own_and_their_order_stays() -> None:
    unsigned = tlv(0xA1, attribute("1.2.3", encode.NULL))
    mixed = signed_data(signer(unsigned), signer(signed=tlv(0xA0)), signer(unsigned))
    assert bare_token(mixed) == signed_data(signer(), signer(signed=tlv(0xA0)), signer())


def test_nothing_else_that_has_the_same_tag_is_taken() -> None:
    """The crls are [1] as well: a stripper that took them would let two different tokens have one hash."""
    decoy = tlv(0xA1, attribute("1.2.3", encode.NULL))
    signed = tlv(0xA0, attribute("1.2.3", decoy))
    crls = tlv(0xA1, tlv(0x30, decoy))
    found = bare_token(signed_data(signer(decoy, signed=signed), crls=crls))
    assert found == signed_data(signer(signed=signed), crls=crls)
    assert read_signed_data(found).signer_infos[0].signed_attributes_der == b"\x31" + signed[1:]


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (b"", WireCode.TRUNCATED),
        (encode.NULL, WireCode.UNEXPECTED),
        (encode.sequence(encode.oid(oids.ID_DATA), encode.explicit(0, encode.NULL)), WireCode.UNEXPECTED),
        (signed_data(signer()) + b"\x00", WireCode.TRAILING),
        (signed_data(signer(tlv(0xA1), tlv(0xA1))), WireCode.TRAILING),
        (signed_data(signer(tlv(0xA2))), WireCode.TRAILING),
        (signed_data(encode.NULL), WireCode.UNEXPECTED),
        (signed_data(signer()[:-1]), WireCode.TRUNCATED),
        (signed_data(tlv(0x30, encode.integer(3))), WireCode.UNEXPECTED),
        (b"\x30\x80\x00\x00", WireCode.BAD_LENGTH),
        (tlv(0x30, bytes(TOKEN_LIMITS.size)), WireCode.TOO_LARGE),
    ],
)
def test_what_is_no_token_is_refused(octets: bytes, code: WireCode) -> None:
    with pytest.raises(WireError) as caught:
        bare_token(octets)
    assert caught.value.code == code


RECORD = tlv(0x30, encode.integer(1), tlv(0x04, b"evidence"))


def test_evidence_goes_into_a_token_and_comes_out_again() -> None:
    token = order().make()
    embedded = with_evidence(token, RECORD)
    assert embedded == with_unsigned(token, attribute(oids.ID_AA_ER_INTERNAL, RECORD))
    assert evidence_in(embedded) == (RECORD,)
    assert evidence_in(token) == ()
    assert bare_token(embedded) == token
    info = peer.ContentInfo.load(embedded, strict=True)["content"]["signer_infos"][0]
    assert [each["type"].dotted for each in info["unsigned_attrs"]] == ["1.2.840.113549.1.9.16.2.49"]
    assert info["unsigned_attrs"][0]["values"][0].dump() == RECORD


def test_newer_evidence_takes_the_place_of_the_old_and_others_stay() -> None:
    token = order().make()
    others = (attribute("1.2.3", encode.NULL), attribute(TOKEN_ATTRIBUTE, token))
    held = with_evidence(with_unsigned(token, *others), tlv(0x30))
    renewed = with_evidence(held, RECORD)
    assert evidence_in(held) == (tlv(0x30),)
    assert evidence_in(renewed) == (RECORD,)
    found = read_signed_data(renewed).signer_infos[0].unsigned_attributes
    assert {each.oid for each in found} == {"1.2.3", TOKEN_ATTRIBUTE, oids.ID_AA_ER_INTERNAL}
    assert bare_token(renewed) == token


@pytest.mark.parametrize("signers", [(), (signer(), signer())], ids=["none", "two"])
def test_evidence_is_for_a_token_of_one_signer(signers: tuple[bytes, ...]) -> None:
    with pytest.raises(WireError):
        with_evidence(signed_data(*signers), RECORD)
    with pytest.raises(WireError):
        evidence_in(signed_data(*signers))


def test_unsigned_attributes_that_are_none_are_refused_with_evidence_too() -> None:
    with pytest.raises(WireError):
        with_evidence(with_unsigned(order().make(), b"\x05\x00"), RECORD)


def test_an_independent_reader_finds_further_certificates_and_lists_and_the_same_signature() -> None:
    token = order().make()
    one, two = tlv(0x30, tlv(0x02, b"\x01")), tlv(0x30, tlv(0x02, b"\x02"))
    more = with_values(token, [one], [two, one, two])
    before = peer.ContentInfo.load(token, strict=True)["content"]
    after = peer.ContentInfo.load(more, strict=True)["content"]
    held = {each.dump() for each in before["certificates"] or ()}
    assert {each.dump() for each in after["certificates"]} == held | {one}
    assert [each.dump() for each in after["crls"]] == [one, two]
    for name in ("digest_algorithms", "encap_content_info", "signer_infos"):
        assert after[name].dump() == before[name].dump()
    assert with_values(more, [one], [two]) == more


def test_values_are_added_to_a_token_and_to_nothing_else() -> None:
    for octets in (b"", tlv(0x30), order().make() + b"\x00"):
        with pytest.raises(WireError):
            with_values(octets, [], [])
