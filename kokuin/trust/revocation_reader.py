"""Lists of certificates taken back, as an authority published them (RFC 5280 §5)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kokuin.trust.revocation import Revocation, RevocationReason
from kokuin.trust.signed import read_signed
from kokuin.wire import asn1, oids
from kokuin.wire.der import Fields, Node, children, only_child, read_whole
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.prescan import Limits, prescan
from kokuin.wire.tsp import Extension, read_algorithm, read_extensions
from pqc.verifying import SignatureVerdict, verify_signature

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kokuin.trust.signed import Signed

LIST_LIMITS = Limits(size=16 * 1024 * 1024, depth=16, elements=2_000_000)
"""Lists of large authorities hold some hundred thousand entries."""

ID_CE_DELTA_CRL_INDICATOR = "2.5.29.27"
ID_CE_ISSUING_DISTRIBUTION_POINT = "2.5.29.28"
_ENUMERATED = 0x0A
_REMOVE_FROM_CRL = 8
_INDIRECT = asn1.primitive(4)
"""indirectCRL of IssuingDistributionPoint (RFC 5280 §5.2.5)."""


@dataclass(frozen=True, slots=True)
class PublishedList:
    """A CertificateList.

    Attributes:
        issuer: Name (DER).
        this_update: microseconds since 1970 UTC.
        next_update: likewise; None when absent.
        revoked: by serial number. A list may cover only a part of what its issuer issued.
    """

    issuer: bytes
    this_update: int
    next_update: int | None
    revoked: Mapping[int, Revocation]
    _signed: Signed = field(repr=False)

    def signed_by(self, public_key: bytes) -> SignatureVerdict:
        """Verify the signature with a SubjectPublicKeyInfo (DER)."""
        return verify_signature(
            public_key_der=public_key,
            algorithm=self._signed.algorithm,
            digest=None,
            message=self._signed.body.octets,
            signature=self._signed.signature,
        )


def read_revocation_list(der: bytes) -> PublishedList:
    """Read one CertificateList.

    Raises:
        WireError: a limit is exceeded, the syntax is another, the algorithms inside and outside differ, or a
            critical extension stands there that is not understood (RFC 5280 §5.2, §5.3), as in a list that
            speaks for other authorities too.
    """
    prescan(der, LIST_LIMITS)
    signed = read_signed(der)
    fields = Fields(signed.body)
    fields.optional(asn1.INTEGER)
    if read_algorithm(fields.take_any()) != signed.algorithm:
        raise WireError(WireCode.BAD_VALUE, signed.body.start)
    issuer = fields.take(asn1.SEQUENCE).octets
    this_update = asn1.time(fields.take_any()).microseconds
    next_update = fields.optional(asn1.UTC_TIME) or fields.optional(asn1.GENERALIZED_TIME)
    entries = fields.optional(asn1.SEQUENCE)
    _check_extensions(fields.optional(asn1.context(0)))
    fields.finish()
    return PublishedList(
        issuer,
        this_update,
        None if next_update is None else asn1.time(next_update).microseconds,
        {} if entries is None else dict(_read_entries(entries)),
        signed,
    )


def _check_extensions(node: Node | None) -> None:
    for extension in () if node is None else read_extensions(only_child(node)):
        if extension.oid == ID_CE_ISSUING_DISTRIBUTION_POINT:
            point = children(read_whole(extension.value, asn1.SEQUENCE))
            if any(part.tag == _INDIRECT and part.value != b"\x00" for part in point):
                raise WireError(WireCode.BAD_VALUE, 0)
        elif extension.critical and extension.oid != ID_CE_DELTA_CRL_INDICATOR:
            raise WireError(WireCode.BAD_VALUE, 0)


def _read_entries(entries: Node) -> Iterator[tuple[int, Revocation]]:
    for entry in children(entries):
        fields = Fields(entry)
        serial = asn1.integer(fields.take_any())
        at = asn1.time(fields.take_any()).microseconds
        more = fields.optional(asn1.SEQUENCE)
        fields.finish()
        reason = None
        for extension in () if more is None else read_extensions(more):
            if extension.oid == oids.ID_CE_REASON_CODE:
                reason = _reason(extension)
            elif extension.critical:
                raise WireError(WireCode.BAD_VALUE, entry.start)
        if reason != _REMOVE_FROM_CRL:
            moment = dt.datetime.fromtimestamp(at // 1_000_000, dt.UTC)
            yield serial, Revocation(moment, RevocationReason(reason) if reason else None)


def _reason(extension: Extension) -> int:
    code = asn1.integer(read_whole(extension.value, _ENUMERATED), _ENUMERATED)
    if code not in {0, _REMOVE_FROM_CRL, *RevocationReason}:
        raise WireError(WireCode.BAD_VALUE, 0)
    return code
