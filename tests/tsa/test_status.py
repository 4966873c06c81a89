from __future__ import annotations

import pytest
from asn1crypto import tsp  # type: ignore[import-untyped]

from kokuin.wire import encode
from kokuin.wire.der import children, read_whole
from kokuin.wire.tsp import read_timestamp_response
from tsa import status
from tsa.status import REFUSALS, FailInfo, PKIStatus, Refusal

EACH = pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code)


@EACH
def test_an_independent_reader_sees_status_bit_and_text(refusal: Refusal) -> None:
    octets = status.rejected(refusal)
    (info,) = children(read_whole(octets, 0x30))
    read = tsp.PKIStatusInfo.load(info.octets, strict=True)
    assert read.dump(force=True) == info.octets
    assert read["status"].native == "rejection"
    assert read["fail_info"].native == {tsp.PKIFailureInfo._map[refusal.fail_info]}
    assert read["status_string"].native == [refusal.text]


@EACH
def test_our_own_reader_agrees(refusal: Refusal) -> None:
    read = read_timestamp_response(status.rejected(refusal))
    assert (read.status, read.fail_info) == (PKIStatus.REJECTION, frozenset({refusal.fail_info}))
    assert (read.status_text, read.token) == ((refusal.text,), None)


def test_every_bit_of_rfc_3161_has_a_refusal_and_the_independent_readers_number() -> None:
    assert {refusal.fail_info for refusal in REFUSALS} == set(FailInfo)
    names = {number: name.removesuffix("s") for number, name in tsp.PKIFailureInfo._map.items()}
    assert {bit.value: bit.name.lower() for bit in FailInfo} == names  # asn1crypto has a plural
    assert {each.value: each.name.lower() for each in PKIStatus} == tsp.PKIStatus._map


def test_codes_are_unique_and_texts_say_nothing_about_our_inside() -> None:
    assert len({refusal.code for refusal in REFUSALS}) == len(REFUSALS)
    declared = {value for value in vars(status).values() if isinstance(value, Refusal)}
    assert declared == set(REFUSALS)
    for refusal in REFUSALS:
        assert refusal.text.isascii()
        assert not {"sqlite", "python", "queue", "thread"} & set(refusal.text.lower().split())


def test_granted_has_status_0_and_the_token_alone() -> None:
    token = encode.sequence(encode.oid("1.2.840.113549.1.7.2"))
    read = read_timestamp_response(status.granted(token))
    assert (read.status, read.status_text, read.fail_info) == (0, (), frozenset())
    assert read.token == token
