from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokuin.wire import prescan as prescan_module
from kokuin.wire.ber import to_definite
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.prescan import REQUEST_LIMITS, TOKEN_LIMITS, Limits, Scan, prescan, prescan_often
from tests.der import tlv

SMALL = Limits(size=1_000, depth=3, elements=5)


def refused(data: bytes, limits: Limits = SMALL) -> WireCode:
    with pytest.raises(WireError) as caught:
        prescan(data, limits)
    return caught.value.code


def test_elements_and_depth_are_counted() -> None:
    assert prescan(tlv(0x30, tlv(0x30, b"\x05\x00"), b"\x05\x00"), SMALL) == Scan(4, 2, der=True)
    assert prescan(b"\x05\x00", SMALL) == Scan(1, 0, der=True)
    assert prescan(tlv(0x30, tlv(0x30)), SMALL) == Scan(2, 2, der=True)


@pytest.mark.parametrize(
    "data",
    [
        b"\x30\x80\x05\x00\x00\x00",
        b"\x30\x81\x02\x05\x00",
        b"\x30\x82\x00\x02\x05\x00",
        b"\x24\x04\x04\x02ab",
        b"\x1f\x81\x01\x81\x00",
    ],
    ids=["indefinite", "long form", "leading zero", "constructed string", "long form after a long tag"],
)
def test_what_only_ber_allows_is_noted(data: bytes) -> None:
    assert not prescan(data, SMALL).der


def test_a_long_tag_in_its_right_form_is_der() -> None:
    assert prescan(b"\x1f\x81\x01\x00", SMALL).der


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", WireCode.TRUNCATED),
        (b"\x30", WireCode.TRUNCATED),
        (b"\x30\x01", WireCode.TRUNCATED),
        (b"\x30\x03\x04\x02a", WireCode.TRUNCATED),
        (b"\x30\x02\x04\x01a", WireCode.TRUNCATED),
        (b"\x30\x80\x05\x00", WireCode.TRUNCATED),
        (b"\x30\x80\x05\x00\x00", WireCode.TRUNCATED),
        (b"\x30\x02\x30\x80\x00\x00", WireCode.TRUNCATED),
        (b"\x05\x00\x05", WireCode.TRAILING),
        (b"\x30\x80\x00\x00\x00\x00", WireCode.TRAILING),
        (b"\x30\x02\x00\x00", WireCode.BAD_TAG),
        (b"\x00\x00", WireCode.BAD_TAG),
        (b"\x1f\x81\x82\x83\x84\x05\x00", WireCode.BAD_TAG),
        (b"\x1f\x81", WireCode.TRUNCATED),
        (b"\x1f\x01", WireCode.TRUNCATED),
        (b"\x04\x80a\x00\x00", WireCode.BAD_LENGTH),
        (b"\x30\x89" + b"\x00" * 9, WireCode.BAD_LENGTH),
        (b"\x30\xfe" + b"\x00" * 126, WireCode.BAD_LENGTH),
        (b"\x30\x88\x80" + b"\x00" * 7, WireCode.TRUNCATED),
        (b"\x30\x82\x01", WireCode.TRUNCATED),
    ],
)
def test_malformed_headers_are_refused(data: bytes, code: WireCode) -> None:
    assert refused(data) is code


def test_limits_of_size_depth_and_number_are_kept() -> None:
    assert refused(tlv(0x04, bytes(1_000))) is WireCode.TOO_LARGE
    assert refused(tlv(0x30, tlv(0x30, tlv(0x30, tlv(0x30))))) is WireCode.TOO_DEEP
    assert refused(tlv(0x30, b"\x05\x00" * 5)) is WireCode.TOO_MANY
    assert prescan(tlv(0x30, b"\x05\x00" * 4), SMALL).elements == 5


BOMBS = {
    "5,000 levels, indefinite": (b"\x30\x80" * 5_000, WireCode.TOO_DEEP),
    "5,000 levels, definite": (b"\x30\x84\x00\x00\x00\x00" * 5_000, WireCode.TRAILING),
    "a tag of 131 kB": (b"\x3f" + b"\xff" * 131_072 + b"\x01\x00", WireCode.BAD_TAG),
    "an identifier of 100 kB": (tlv(0x30, tlv(0x06, b"\x81" * 100_000)), WireCode.OID_TOO_LONG),
    "a million empty sequences": (tlv(0x30, b"\x30\x00" * 1_000_000), WireCode.TOO_MANY),
    "a length of 2^63": (b"\x30\x88\x7f" + b"\xff" * 7, WireCode.TRUNCATED),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_before_anything_reads_them(name: str) -> None:
    data, code = BOMBS[name]
    assert refused(data, TOKEN_LIMITS) is code
    # Cut to what a request may have, they still end at a limit and not in a reader.
    with pytest.raises(WireError):
        prescan(data[: REQUEST_LIMITS.size], REQUEST_LIMITS)


def test_a_request_that_fills_its_size_with_empty_sequences_ends_at_the_number_of_elements() -> None:
    data = tlv(0x30, b"\x30\x00" * 32_000)
    assert refused(data, REQUEST_LIMITS) is WireCode.TOO_MANY


@pytest.mark.parametrize(
    ("ber", "der"),
    [
        (b"\x30\x80\x05\x00\x00\x00", b"\x30\x02\x05\x00"),
        (b"\x30\x80\x30\x80\x00\x00\x00\x00", b"\x30\x02\x30\x00"),
        (b"\x30\x81\x02\x05\x00", b"\x30\x02\x05\x00"),
        (b"\x24\x80\x04\x01a\x04\x02bc\x00\x00", b"\x04\x03abc"),
        (b"\x24\x07\x24\x03\x04\x01a\x04\x00", b"\x04\x01a"),
        (b"\x23\x80\x03\x02\x00a\x03\x02\x04\xb0\x00\x00", b"\x03\x03\x04a\xb0"),
        (b"\xa0\x80\x24\x80\x04\x01a\x00\x00\x00\x00", b"\xa0\x03\x04\x01a"),
        (b"\x1f\x81\x01\x81\x01a", b"\x1f\x81\x01\x01a"),
    ],
)
def test_ber_becomes_definite_and_primitive(ber: bytes, der: bytes) -> None:
    prescan(ber, SMALL)
    assert to_definite(ber) == der


@pytest.mark.parametrize(
    "data",
    [
        b"\x24\x02\x05\x00",
        b"\x23\x08\x03\x02\x04\xb0\x03\x02\x00a",
        b"\x23\x02\x03\x00",
        b"\x23\x03\x04\x01a",
    ],
    ids=["another type", "unused bits inside", "empty segment", "octets as bits"],
)
def test_segments_that_do_not_fit_are_refused(data: bytes) -> None:
    prescan(data, SMALL)
    with pytest.raises(WireError):
        to_definite(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_scanned_or_refused(data: bytes) -> None:
    try:
        scan = prescan(data, SMALL)
    except WireError:
        return
    if scan.der:
        assert to_definite(data) == data


def _elements() -> st.SearchStrategy[bytes]:
    leaf = st.binary(max_size=40).map(lambda body: tlv(0x04, body))
    return st.recursive(leaf, lambda inner: st.lists(inner, max_size=4).map(lambda parts: tlv(0x30, *parts)))


def _to_indefinite(data: bytes) -> bytes:
    """Write every constructed element of DER (with lengths below 2^16) in the indefinite form."""
    parts, at = [], 0
    while at < len(data):
        size, content = data[at + 1], at + 2
        if size & 0x80:
            content += size & 0x7F
            size = int.from_bytes(data[at + 2 : content], "big")
        body = data[content : content + size]
        end = content + size
        constructed = data[at] & 0x20
        parts.append(
            data[at : at + 1] + b"\x80" + _to_indefinite(body) + b"\0\0" if constructed else data[at:end]
        )
        at = end
    return b"".join(parts)


@given(_elements())
def test_transcoding_undoes_the_indefinite_form(der: bytes) -> None:
    ber = _to_indefinite(der)
    limits = Limits(size=10**6, depth=200, elements=10**5)
    assert prescan(der, limits).der
    assert prescan(ber, limits).elements == prescan(der, limits).elements
    assert to_definite(ber) == der


@pytest.mark.parametrize("around", range(1, 8))
def test_what_was_scanned_before_changes_no_count_and_no_limit(around: int) -> None:
    certificate = tlv(0x30, tlv(0x30, *[tlv(0x30, b"\x02\x01\x01")] * 60))
    data = tlv(0x30, certificate, b"\x05\x00", certificate)
    for _ in range(around):
        data = tlv(0x30, data)
    fresh = prescan(data, TOKEN_LIMITS)
    assert fresh == Scan(around + 2 + 2 * 122, around + 4, der=True)
    assert prescan_often(certificate, TOKEN_LIMITS) == prescan_often(certificate, TOKEN_LIMITS)
    assert prescan(data, TOKEN_LIMITS) == fresh
    assert prescan(data[:-1] + b"\x02", TOKEN_LIMITS) == fresh  # another certificate, of the same form
    assert refused(data, Limits(len(data), fresh.depth, fresh.elements - 1)) is WireCode.TOO_MANY
    assert refused(data, Limits(len(data), fresh.depth - 1, fresh.elements)) is WireCode.TOO_DEEP
    for limits in (Limits(9, 64, 999), Limits(999, 2, 999), Limits(999, 64, 9)):
        with pytest.raises(WireError):
            prescan_often(certificate, limits)


def test_what_is_remembered_is_der_alone_and_ends() -> None:
    for number in range(600):
        prescan_often(tlv(0x30, b"\x04\x02" + number.to_bytes(2, "big")), SMALL)
    prescan_often(b"\x30\x80\x05\x00\x00\x00", SMALL)
    assert 0 < len(prescan_module._SCANNED) <= prescan_module._MOST
    assert all(scan.der for scan in prescan_module._SCANNED.values())
