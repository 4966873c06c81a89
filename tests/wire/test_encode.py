from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from asn1crypto import core  # type: ignore[import-untyped]
from asn1crypto import pem as peer_pem
from hypothesis import example, given
from hypothesis import strategies as st

from kokuin.wire import asn1, encode
from kokuin.wire.algorithms import DIGESTS, AlgorithmIdentifier
from kokuin.wire.der import children, read_whole
from kokuin.wire.pem import read_blocks, write_block

ARC = st.integers(0, 2**70)
OIDS = st.builds(
    lambda first, second, rest: ".".join(map(str, (first, second if first == 2 else second % 40, *rest))),
    st.integers(0, 2),
    ARC,
    st.lists(ARC, max_size=5),
)


@given(value=st.integers(-(2**200), 2**200))
@example(value=-128)
@example(value=-(2**63))
@example(value=128)
@example(value=0)
def test_an_integer_has_the_octets_of_an_independent_writer_and_is_read_back(value: int) -> None:
    octets = encode.integer(value)
    assert octets == core.Integer(value).dump()
    assert asn1.integer(read_whole(octets, asn1.INTEGER)) == value


@given(dotted=OIDS)
@example(dotted="2.999.1")
@example(dotted="0.0")
def test_an_object_identifier_is_written_and_read_back(dotted: str) -> None:
    octets = encode.oid(dotted)
    assert asn1.oid(read_whole(octets, asn1.OBJECT_IDENTIFIER)) == dotted
    assert core.ObjectIdentifier.load(octets, strict=True).dotted == dotted


@pytest.mark.parametrize("text", ["", "1", "3.1", "1.40", "0.99.1", "-1.2", "1.-2", "1.2.-3", "a.b", "1..2"])
def test_what_is_no_object_identifier_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        encode.oid(text)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65_535, 65_536])
def test_lengths_are_definite_and_minimal(size: int) -> None:
    content = bytes(size)
    octets = encode.octet_string(content)
    assert octets == core.OctetString(content).dump()
    assert asn1.octet_string(read_whole(octets, asn1.OCTET_STRING)) == content
    assert encode.bit_string(content) == core.OctetBitString(content).dump()


@given(bits=st.sets(st.integers(0, 63)))
@example(bits={25})
def test_named_bits_end_with_a_bit_that_is_set(bits: set[int]) -> None:
    octets = encode.named_bits(*bits)
    assert asn1.named_bits(read_whole(octets, asn1.BIT_STRING)) == bits
    pattern = tuple(int(bit in bits) for bit in range(max(bits, default=-1) + 1))
    assert octets == core.BitString(pattern).dump()
    assert core.BitString.load(octets, strict=True).native == pattern


@given(
    moment=st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)),  # noqa: DTZ001  # Hypothesis adds the zone
)
@example(moment=datetime(2026, 1, 1, 0, 0, 0, 120_000))  # noqa: DTZ001  # UTC is added below
@example(moment=datetime(2026, 1, 1, 0, 0, 0, 0))  # noqa: DTZ001  # likewise
@example(moment=datetime(2026, 1, 1, 0, 0, 0, 1))  # noqa: DTZ001  # likewise
def test_a_time_has_the_form_of_der_and_is_read_back(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC)
    microseconds = (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    octets = encode.generalized_time(microseconds)
    found = asn1.generalized_time(read_whole(octets, asn1.GENERALIZED_TIME))
    assert (found.microseconds, found.der) == (microseconds, True)
    assert core.GeneralizedTime.load(octets, strict=True).native == aware


@given(parts=st.lists(st.binary(max_size=40).map(encode.octet_string), max_size=8))
def test_a_set_is_sorted_and_a_sequence_keeps_its_order(parts: list[bytes]) -> None:
    found = [child.octets for child in children(read_whole(encode.set_of(*parts), asn1.SET))]
    assert found == sorted(parts)
    kept = [child.octets for child in children(read_whole(encode.sequence(*parts), asn1.SEQUENCE))]
    assert kept == parts


@given(text=st.text(max_size=50))
def test_text_is_utf8(text: str) -> None:
    assert encode.utf8_string(text) == core.UTF8String(text).dump()


def test_tags_of_context_are_explicit_or_implicit() -> None:
    assert encode.explicit(3, encode.NULL) == core.Null(explicit=3).dump()
    assert encode.implicit(2, b"ab") == core.OctetString(b"ab", implicit=2).dump()
    assert core.Boolean(True).dump() == encode.TRUE


def test_an_algorithm_identifier_has_its_parameters_or_none() -> None:
    (digest, *_) = DIGESTS
    bare = encode.algorithm(AlgorithmIdentifier(digest.oid))
    assert bare == encode.sequence(encode.oid(digest.oid))
    assert encode.algorithm(AlgorithmIdentifier(digest.oid, encode.NULL)) == encode.sequence(
        encode.oid(digest.oid), encode.NULL
    )


@given(
    moment=st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31, 23, 59, 59)),  # noqa: DTZ001  # Hypothesis adds the zone
)
@example(moment=datetime(2049, 12, 31, 23, 59, 59, 999_999))  # noqa: DTZ001  # UTC is added below
@example(moment=datetime(2050, 1, 1))  # noqa: DTZ001  # likewise
def test_a_time_of_x_509_has_whole_seconds_and_two_digits_before_2050(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC)
    whole = aware.replace(microsecond=0)
    octets = encode.x509_time((aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))
    kind = core.UTCTime if moment.year < 2050 else core.GeneralizedTime
    assert octets == kind(whole).dump()
    assert kind.load(octets, strict=True).native == whole
    found = asn1.time(read_whole(octets, octets[0]))
    assert (found.microseconds, found.der) == (int(whole.timestamp()) * 1_000_000, True)


def test_letters_and_choices_are_those_of_an_independent_writer() -> None:
    assert encode.printable_string("JP") == core.PrintableString("JP").dump()
    with pytest.raises(UnicodeEncodeError):
        encode.printable_string("日本")

    class Choice(core.Enumerated):  # type: ignore[misc]  # the library has no types
        _map: ClassVar[dict[int, str]] = {0: "zero", 10: "ten"}

    assert [encode.enumerated(value) for value in (0, 10)] == [Choice(0).dump(), Choice(10).dump()]


@pytest.mark.parametrize("size", [0, 1, 47, 48, 49, 96, 5_000])
def test_armour_is_that_of_an_independent_writer_and_is_read_back(size: int) -> None:
    octets = bytes(index % 251 for index in range(size))
    block = write_block("X509 CRL", octets)
    assert block == peer_pem.armor("X509 CRL", octets)
    assert read_blocks(block, 1) == [("X509 CRL", octets)]
