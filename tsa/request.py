"""TimeStampReq, read fast when it is what nearly every client sends, else tolerantly.

RFC 3161 §2.4.1::

    TimeStampReq ::= SEQUENCE {
        version         INTEGER { v1(1) },
        messageImprint  MessageImprint,
        reqPolicy       TSAPolicyId              OPTIONAL,
        nonce           INTEGER                  OPTIONAL,
        certReq         BOOLEAN                  DEFAULT FALSE,
        extensions  [0] IMPLICIT Extensions      OPTIONAL }

The fast reader knows one shape: DER, short lengths, a known digest. Whatever
departs from it goes to the bounded BER reader, so the fast one never decides
that something is wrong.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from kokuin.wire import encode
from kokuin.wire.algorithms import DIGESTS
from kokuin.wire.ber import definite
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.prescan import REQUEST_LIMITS
from kokuin.wire.tsp import TimeStampReq, read_oid, read_timestamp_request
from tsa import status

if TYPE_CHECKING:
    from kokuin.wire.algorithms import DigestAlgorithm
    from tsa.status import Refusal

_CERT_REQ = b"\x01\x01\xff"


def _head(digest: DigestAlgorithm, parameters: bytes) -> bytes:
    """Return what stands between a request's own header and its digest: version and hashAlgorithm."""
    algorithm = encode.sequence(encode.oid(digest.oid), parameters)
    imprint = encode.sequence(algorithm, encode.octet_string(bytes(digest.size)))
    return encode.integer(1) + imprint[: -digest.size]


_HEADS: dict[bytes, tuple[str, bytes | None, int]] = {
    _head(digest, parameters): (digest.oid, parameters or None, digest.size)
    for digest in DIGESTS
    for parameters in (encode.NULL, b"")
}
"""The beginnings that the fast reader knows → OID of the digest, its parameters, its length."""


def read_request(octets: bytes) -> TimeStampReq | Refusal:
    """Read a request body; what cannot be read is a refusal with badDataFormat.

    Args:
        octets: the HTTP body, at most the transport's limit.
    """
    request = _read_fast(octets)
    if request is not None:
        return request
    if not octets:
        return status.EMPTY
    try:
        whole = definite(octets, REQUEST_LIMITS)
    except WireError as error:
        return status.TRAILING if error.code is WireCode.TRAILING else status.UNREADABLE
    try:
        return read_timestamp_request(whole)
    except WireError:
        return status.UNREADABLE


def _read_fast(octets: bytes) -> TimeStampReq | None:
    """Return None for everything but the one common shape."""
    size = len(octets)
    if size < 26 or size > 129 or octets[0] != 0x30 or octets[1] != size - 2:
        return None
    start = 11 + octets[8]  # after the hashAlgorithm, whose length that octet is, and the digest's header
    known = _HEADS.get(octets[2:start])
    if known is None:
        return None
    digest_oid, parameters, length = known
    at = start + length
    imprint = octets[start:at]
    policy, nonce, nonce_der = None, None, None
    if octets[at : at + 1] == b"\x06":
        policy, at = _read_policy(octets, at)
    if octets[at : at + 1] == b"\x02":
        nonce, nonce_der, at = _read_nonce(octets, at)
    cert_req = octets[at : at + 3] == _CERT_REQ
    # A field that was cut short, or not understood, ends elsewhere than the request.
    if at + 3 * cert_req != size:
        return None
    return TimeStampReq(1, digest_oid, parameters, imprint, policy, nonce, nonce_der, cert_req, ())


def _read_policy(octets: bytes, at: int) -> tuple[str | None, int]:
    """Return reqPolicy and where the next field begins; an odd one is left for the tolerant reader."""
    end = at + 2 + octets[at + 1] if at + 1 < len(octets) else at
    policy = _policy(octets[at:end])
    return (policy, end) if policy else (None, at)


@functools.lru_cache(maxsize=256)
def _policy(der: bytes) -> str | None:
    try:
        return read_oid(der)
    except WireError:
        return None


def _read_nonce(octets: bytes, at: int) -> tuple[int | None, bytes | None, int]:
    """Return the nonce as number and as DER, and where the next field begins."""
    end = at + 2 + octets[at + 1] if at + 1 < len(octets) else at
    nonce = int.from_bytes(octets[at + 2 : end], "big", signed=True)
    # X.690 §8.3.2: a non-minimal integer is echoed as the tolerant reader decides.
    minimal = end - at == (nonce + (nonce < 0)).bit_length() // 8 + 3
    return (nonce, octets[at:end], end) if minimal else (None, None, at)
