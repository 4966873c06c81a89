"""TimeStampReq written octet by octet, good and bad, without any code of ours."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

from asn1crypto import cms, core, tsp  # type: ignore[import-untyped]

from tests.der import tlv

DATA = b"stamped"
DIGESTS = {
    "md5": "1.2.840.113549.2.5",
    "sha1": "1.3.14.3.2.26",
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}
NULL = b"\x05\x00"
CERT_REQ = b"\x01\x01\xff"
POLICY = "1.3.6.1.4.1.32473.1"


def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER."""
    octets: bytes = core.ObjectIdentifier(dotted).dump()
    return octets


def integer(value: int) -> bytes:
    """INTEGER."""
    octets: bytes = core.Integer(value).dump()
    return octets


def imprint(digest: str = "sha256", value: bytes | None = None, parameters: bytes = NULL) -> bytes:
    """The messageImprint of `DATA`, or of another value."""
    hashed = hashlib.new(digest, DATA).digest() if value is None else value
    return tlv(0x30, tlv(0x30, oid(DIGESTS[digest]), parameters), tlv(0x04, hashed))


def extension(dotted: str, value: bytes, *, critical: bool = False) -> bytes:
    """One Extension."""
    return tlv(0x30, oid(dotted), CERT_REQ if critical else b"", tlv(0x04, value))


def query(  # noqa: PLR0913  # one keyword a field of the request
    *,
    version: int = 1,
    message_imprint: bytes | None = None,
    policy: str | None = None,
    nonce: int | None = 0x0123456789ABCDEF,
    certificates: bool = True,
    extensions: tuple[bytes, ...] = (),
) -> bytes:
    """A TimeStampReq in DER."""
    return tlv(
        0x30,
        integer(version),
        message_imprint or imprint(),
        oid(policy) if policy else b"",
        integer(nonce) if nonce is not None else b"",
        CERT_REQ if certificates else b"",
        tlv(0xA0, *extensions) if extensions else b"",
    )


class _Response(core.Sequence):  # type: ignore[misc]
    """asn1crypto's TimeStampResp takes the token for mandatory; RFC 3161 §2.4.2 does not."""

    _fields: ClassVar[list[Any]] = [
        ("status", tsp.PKIStatusInfo),
        ("time_stamp_token", cms.ContentInfo, {"optional": True}),
    ]


def read(body: bytes) -> Any:
    """Read a TimeStampResp with asn1crypto; octets after it are an error."""
    return _Response.load(body, strict=True)


def refusal(body: bytes) -> tuple[str, set[str], str]:
    """Return status, failInfo bits and text of a response without a token."""
    response = read(body)
    status = response["status"]
    assert response["time_stamp_token"].native is None
    return status["status"].native, status["fail_info"].native, " ".join(status["status_string"].native)


def granted(body: bytes) -> Any:
    """Return the token of a response that grants one, as asn1crypto's ContentInfo."""
    response = read(body)
    assert response["status"].native == {"status": "granted", "status_string": None, "fail_info": None}
    return response["time_stamp_token"]


def tst_info(token: Any) -> Any:
    """Return the TSTInfo inside a token."""
    return token["content"]["encap_content_info"]["content"].parsed


def serial_of(body: bytes) -> str:
    """Return the serial number of a granted token as the ledger writes it."""
    return f"{tst_info(granted(body))['serial_number'].native:032x}"
