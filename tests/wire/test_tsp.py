from __future__ import annotations

import pytest
from asn1crypto import tsp as peer  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from kokuin.wire import encode
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.tsp import Extension, read_oid, read_timestamp_request, read_timestamp_response

SHA256 = "2.16.840.1.101.3.4.2.1"
IMPRINT = encode.sequence(encode.sequence(encode.oid(SHA256), encode.NULL), encode.octet_string(bytes(32)))


def request(*fields: bytes, version: int = 1) -> bytes:
    return encode.sequence(encode.integer(version), IMPRINT, *fields)


def refused(data: bytes) -> WireCode:
    with pytest.raises(WireError) as caught:
        read_timestamp_request(data)
    return caught.value.code


@given(
    policy=st.none() | st.just("1.3.6.1.4.1.32473.1"),
    nonce=st.none() | st.integers(min_value=-(2**70), max_value=2**160),
    cert_req=st.booleans(),
    extensions=st.lists(st.booleans(), max_size=2),
)
def test_a_request_is_read_as_an_independent_writer_wrote_it(
    policy: str | None,
    nonce: int | None,
    cert_req: bool,  # noqa: FBT001  # Hypothesis passes it by name
    extensions: list[bool],
) -> None:
    fields = {
        "version": 1,
        "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": b"i" * 32},
        "req_policy": policy,
        "nonce": nonce,
        "cert_req": cert_req,
    }
    if extensions:
        fields["extensions"] = [
            {"extn_id": f"1.3.6.1.4.1.32473.{number}", "critical": critical, "extn_value": b"v"}
            for number, critical in enumerate(extensions)
        ]
    found = read_timestamp_request(
        peer.TimeStampReq({key: value for key, value in fields.items() if value is not None}).dump()
    )
    assert (found.version, found.digest_oid, found.imprint) == (1, SHA256, b"i" * 32)
    assert (found.policy, found.nonce, found.cert_req) == (policy, nonce, cert_req)
    assert found.nonce_der == (None if nonce is None else encode.integer(nonce))
    assert [extension.critical for extension in found.extensions] == extensions


def test_a_request_in_the_indefinite_form_is_the_same_request() -> None:
    der = request(encode.integer(7), encode.TRUE)
    assert read_timestamp_request(b"\x30\x80" + der[2:] + b"\x00\x00") == read_timestamp_request(der)


def test_values_are_left_to_whoever_decides() -> None:
    found = read_timestamp_request(request(version=2))
    assert found.version == 2
    odd = encode.sequence(encode.sequence(encode.oid("1.2.3")), encode.octet_string(b"short"))
    found = read_timestamp_request(encode.sequence(encode.integer(1), odd))
    assert (found.digest_oid, found.imprint_parameters, found.imprint) == ("1.2.3", None, b"short")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", WireCode.TRUNCATED),
        (request()[:-1], WireCode.TRUNCATED),
        (request() + b"\x00", WireCode.TRAILING),
        (request() + request(), WireCode.TRAILING),
        (request(encode.octet_string(b"?")), WireCode.TRAILING),
        (request(encode.TRUE, encode.integer(1)), WireCode.TRAILING),
        (encode.sequence(IMPRINT), WireCode.UNEXPECTED),
        (encode.sequence(encode.integer(1)), WireCode.UNEXPECTED),
        (encode.set_of(request()), WireCode.UNEXPECTED),
        (request(encode.tlv(0x02, b"\x01" * 129)), WireCode.BAD_VALUE),
        (request(encode.tlv(0x02, b"")), WireCode.BAD_VALUE),
        (request(encode.explicit(0, encode.NULL)), WireCode.UNEXPECTED),
        (b"\x30\x80" * 5_000, WireCode.TOO_DEEP),
        (encode.sequence(encode.octet_string(bytes(65_536))), WireCode.TOO_LARGE),
    ],
)
def test_what_is_no_request_is_refused(data: bytes, code: WireCode) -> None:
    assert refused(data) is code


def test_an_extension_is_written_as_it_was_read() -> None:
    for extension in (
        Extension("1.2.3", critical=True, value=b"v"),
        Extension("1.2.3", critical=False, value=b""),
    ):
        assert read_timestamp_request(request(encode.explicit(0, extension.encode()))).extensions == (
            extension,
        )


def test_a_response_of_refusal_is_read() -> None:
    info = encode.sequence(
        encode.integer(2), encode.sequence(encode.utf8_string("no")), encode.named_bits(14)
    )
    found = read_timestamp_response(encode.sequence(info))
    assert (found.status, found.status_text, found.token) == (2, ("no",), None)
    assert found.fail_info == {14}


def test_read_oid_reads_one_identifier_and_nothing_else() -> None:
    assert read_oid(encode.oid("1.2.3")) == "1.2.3"
    for bad in (encode.oid("1.2.3") + b"\x00", encode.NULL, b""):
        with pytest.raises(WireError):
            read_oid(bad)
