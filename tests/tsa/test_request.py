"""What is wrong with a request that cannot be read: told so that its sender finds the place."""

from __future__ import annotations

import pytest

from kokuin.wire import encode
from kokuin.wire.algorithms import DIGEST_BY_NAME
from tsa import status
from tsa.request import read_request

_ALGORITHM = encode.sequence(encode.oid(DIGEST_BY_NAME["sha256"].oid), encode.NULL)
_FIELDS = encode.integer(1) + encode.sequence(_ALGORITHM, encode.octet_string(bytes(32)))
_GOOD = encode.sequence(_FIELDS)
_INDEFINITE = b"\x30\x80" + _FIELDS + b"\0\0"


@pytest.mark.parametrize("tail", [b"\n", b"\0", _GOOD])
@pytest.mark.parametrize("whole", [_GOOD, _INDEFINITE])
def test_octets_behind_a_request_are_called_that(whole: bytes, tail: bytes) -> None:
    assert read_request(whole + tail) is status.TRAILING


@pytest.mark.parametrize(
    "fields",
    [
        _FIELDS + encode.utf8_string("more"),
        _FIELDS + encode.TRUE + encode.integer(7),
        _FIELDS + encode.implicit(0, b""),
        encode.integer(1) + encode.sequence(_ALGORITHM, encode.octet_string(bytes(32)), encode.NULL),
    ],
    ids=["unknown", "nonce behind certReq", "extensions in the primitive form", "in the imprint"],
)
def test_a_field_too_many_within_a_request_is_no_octet_behind_it(fields: bytes) -> None:
    assert read_request(encode.sequence(fields)) is status.UNREADABLE
