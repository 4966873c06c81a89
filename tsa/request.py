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
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.tsp import TimeStampReq, read_oid, read_timestamp_request
from tsa import status

if TYPE_CHECKING:
    from tsa.status import Refusal

_VERSION_1 = b"\x02\x01\x01\x30"
_CERT_REQ = b"\x01\x01\xff"

_IMPRINTS: dict[bytes, tuple[str, bytes | None, int]] = {
    encode.sequence(encode.oid(digest.oid), parameters): (digest.oid, parameters or None, digest.size)
    for digest in DIGESTS
    for parameters in (encode.NULL, b"")
}
"""DER of the hashAlgorithms that the fast reader knows → OID, parameters, length of the digest."""


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
        return read_timestamp_request(octets)
    except WireError as error:
        return status.TRAILING if error.code is WireCode.TRAILING else status.UNREADABLE


def _read_fast(octets: bytes) -> TimeStampReq | None:
    """Return None for everything but the one common shape."""
    size = len(octets)
    if size < 26 or size > 129 or octets[0] != 0x30 or octets[1] != size - 2 or octets[2:6] != _VERSION_1:
        return None
    end = 7 + octets[6]
    algorithm_end = 9 + octets[8]
    known = _IMPRINTS.get(octets[7:algorithm_end])
    if known is None:
        return None
    digest_oid, parameters, length = known
    if end != algorithm_end + 2 + length or octets[algorithm_end : algorithm_end + 2] != bytes((4, length)):
        return None
    if end > size:
        return None
    policy, at = _read_policy(octets, end)
    nonce, nonce_der, at = _read_nonce(octets, at)
    cert_req = octets[at : at + 3] == _CERT_REQ
    if at + 3 * cert_req != size:
        return None
    imprint = octets[algorithm_end + 2 : end]
    return TimeStampReq(1, digest_oid, parameters, imprint, policy, nonce, nonce_der, cert_req, ())


def _read_policy(octets: bytes, at: int) -> tuple[str | None, int]:
    """Return reqPolicy and where the next field begins; an odd one is left for the tolerant reader."""
    if octets[at : at + 1] != b"\x06":
        return None, at
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
    if octets[at : at + 1] != b"\x02":
        return None, None, at
    end = at + 2 + octets[at + 1] if at + 1 < len(octets) else at
    nonce = int.from_bytes(octets[at + 2 : end], "big", signed=True)
    nonce_der = octets[at:end]
    # X.690 §8.3.2: a non-minimal integer is echoed as the tolerant reader decides.
    return (nonce, nonce_der, end) if encode.integer(nonce) == nonce_der else (None, None, at)
