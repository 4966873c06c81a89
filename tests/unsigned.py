"""Unsigned attributes added to a finished token, as evidence and archive time-stamps are."""

from __future__ import annotations

from asn1crypto import cms as peer  # type: ignore[import-untyped]

from kokuin.wire import encode, oids
from tests.der import tlv


def attribute(oid: str, *values: bytes) -> bytes:
    """Return an Attribute (RFC 5652 §5.3)."""
    return tlv(0x30, encode.oid(oid), tlv(0x31, *values))


def with_unsigned(token: bytes, *attributes: bytes) -> bytes:
    """Add attributes to the one signer; the lengths are made without the code under test."""
    signed = peer.ContentInfo.load(token)["content"]
    signer = signed["signer_infos"][0].dump()
    whole = tlv(0x30, peer.SignerInfo.load(signer).contents, tlv(0xA1, *attributes))
    body = signed.contents[: -len(signed["signer_infos"].dump())] + tlv(0x31, whole)
    return tlv(0x30, encode.oid(oids.ID_SIGNED_DATA), tlv(0xA0, tlv(0x30, body)))
