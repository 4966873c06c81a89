from __future__ import annotations

import datetime as dt

import pytest
from asn1crypto import core  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from kokuin.wire import asn1, encode
from kokuin.wire.der import Fields, Node, children, only_child, read_node, read_whole
from kokuin.wire.errors import WireCode, WireError


def node(octets: bytes) -> Node:
    return read_node(octets, 0, len(octets))


@given(st.integers(min_value=-(2**1000), max_value=2**1000))
def test_integers_are_read_as_an_independent_writer_wrote_them(value: int) -> None:
    assert asn1.integer(node(core.Integer(value).dump())) == value


def test_integers_without_end_are_refused() -> None:
    with pytest.raises(WireError):
        asn1.integer(node(encode.tlv(0x02, b"\x01" * 129)))
    with pytest.raises(WireError):
        asn1.integer(node(b"\x02\x00"))
    assert asn1.integer(node(b"\x02\x03\x00\x00\x05")) == 5


@pytest.mark.parametrize(
    "dotted", ["0.0", "1.2.840.113549", "2.999.1", "2.5.29.37", "1.3.6.1.4.1.4294967296.7", "0.39.1"]
)
def test_identifiers_are_read_as_an_independent_writer_wrote_them(dotted: str) -> None:
    assert asn1.oid(node(core.ObjectIdentifier(dotted).dump())) == dotted
    assert asn1.oid(node(encode.oid(dotted))) == dotted


@pytest.mark.parametrize("content", [b"", b"\x81", b"\x2a\x86", b"\x2a" * 129])
def test_identifiers_cut_or_too_long_are_refused(content: bytes) -> None:
    with pytest.raises(WireError):
        asn1.oid(node(encode.tlv(0x06, content)))


@given(st.datetimes(min_value=dt.datetime(1, 1, 2), max_value=dt.datetime(9999, 12, 30)))  # noqa: DTZ001  # UTC
def test_generalized_time_agrees_with_the_calendar(moment: dt.datetime) -> None:
    whole = moment.strftime("%Y").rjust(4, "0") + moment.strftime("%m%d%H%M%S")
    fraction = f".{moment.microsecond:06d}".rstrip("0").rstrip(".")
    found = asn1.generalized_time(node(encode.tlv(0x18, f"{whole}{fraction}Z".encode())))
    expected = (moment - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)  # noqa: DTZ001  # UTC
    assert found == asn1.Moment(expected, der=True)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (b"20260601090000+0900", b"20260601000000Z"),
        (b"20260531203000-0330", b"20260601000000Z"),
        (b"2026060100Z", b"20260601000000Z"),
        (b"202606010000Z", b"20260601000000Z"),
        (b"20260601000000.500Z", b"20260601000000.5Z"),
        (b"20260601000000,5Z", b"20260601000000.5Z"),
        (b"20260531235960Z", b"20260601000000Z"),
        (b"20260601000000.1234567Z", b"20260601000000.123456Z"),
    ],
)
def test_other_spellings_of_a_time_mean_the_same(text: bytes, same: bytes) -> None:
    found, expected = (asn1.generalized_time(node(encode.tlv(0x18, value))) for value in (text, same))
    assert found.microseconds == expected.microseconds
    assert found.der == (text in {b"20260531235960Z", b"20260601000000.1234567Z"})


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"20260601000000",
        b"20261301000000Z",
        b"20260230000000Z",
        b"20260601240000Z",
        b"20260601006000Z",
        b"20260601000061Z",
        b"00000101000000Z",
        b"00010101000000+0100",
        b"99991231235959-0100",
        b"20260601000000.Z",
        b"2026060100000\xb2Z",
        b"20260601000000Z\n",
        b"20260601000000." + b"1" * 33 + b"Z",
    ],
)
def test_times_that_do_not_exist_are_refused(text: bytes) -> None:
    with pytest.raises(WireError) as caught:
        asn1.generalized_time(node(encode.tlv(0x18, text)))
    assert caught.value.code is WireCode.BAD_VALUE


@pytest.mark.parametrize(
    ("text", "year"), [(b"500101000000Z", 1950), (b"491231235959Z", 2049), (b"0001010000+0000", 2000)]
)
def test_utc_time_has_its_century(text: bytes, year: int) -> None:
    found = asn1.time(node(encode.tlv(0x17, text))).microseconds
    assert (dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=found)).year == year  # noqa: DTZ001  # UTC


def test_booleans_of_ber_and_der() -> None:
    assert asn1.boolean(node(b"\x01\x01\xff"))
    assert asn1.boolean(node(b"\x01\x01\x01"))
    assert not asn1.boolean(node(b"\x01\x01\x00"))
    with pytest.raises(WireError):
        asn1.boolean(node(b"\x01\x00"))


def test_named_bits_are_numbered_from_the_left() -> None:
    assert asn1.named_bits(node(encode.named_bits(0, 14, 25))) == {0, 14, 25}
    assert asn1.named_bits(node(b"\x03\x01\x00")) == frozenset()
    for bad in (b"\x03\x00", b"\x03\x01\x01", b"\x03\x02\x08\x00"):
        with pytest.raises(WireError):
            asn1.named_bits(node(bad))


def test_strings_of_all_kinds_become_text() -> None:
    for kind in (core.UTF8String, core.BMPString, core.UniversalString):
        assert asn1.text(node(kind("刻印").dump())) == "刻印"
    assert asn1.text(node(core.PrintableString("kokuin").dump())) == "kokuin"
    assert asn1.text(node(b"\x0c\x01\xff")) == "\ufffd"


def test_fields_come_in_order_and_none_is_left_over() -> None:
    fields = Fields(node(encode.sequence(encode.integer(1), encode.NULL)))
    assert fields.optional(0x04) is None
    assert asn1.integer(fields.take(0x02)) == 1
    with pytest.raises(WireError) as caught:
        fields.finish()
    assert caught.value.code is WireCode.TRAILING
    fields.take_any()
    fields.finish()
    with pytest.raises(WireError) as caught:
        fields.take_any()
    assert caught.value.code is WireCode.UNEXPECTED


def test_a_node_never_reaches_beyond_its_parent() -> None:
    with pytest.raises(WireError):
        children(node(b"\x30\x03\x04\x02a"))
    with pytest.raises(WireError):
        children(node(b"\x30\x04\x04\x81\x7fa"))
    with pytest.raises(WireError):
        only_child(node(b"\xa0\x04\x05\x00\x05\x00"))
    with pytest.raises(WireError):
        only_child(node(b"\xa0\x00"))
    with pytest.raises(WireError) as caught:
        read_node(b"\x30\x80\x00\x00", 0, 4)
    assert caught.value.code is WireCode.BAD_LENGTH
    with pytest.raises(WireError) as caught:
        read_whole(b"\x05\x00\x00", 0x05)
    assert caught.value.code is WireCode.TRAILING
