"""Requests for certificates (PKCS#10, RFC 2986): ours that a real CA signs, and those of others, read."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.trust import extensions as ext
from kokuin.trust.certificate import KEY_USAGE_DIGITAL_SIGNATURE
from kokuin.trust.name import distinguished_name, unique_common_name
from kokuin.trust.signed import read_signed
from kokuin.trust.tbs import extensions, signed
from kokuin.wire import asn1, encode, oids
from kokuin.wire.der import Fields, Node, children, expect, only_child
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.pem import is_armoured, read_blocks, write_block
from kokuin.wire.prescan import Limits, prescan
from kokuin.wire.tsp import Extension, read_extensions
from pqc.verifying import SignatureOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pqc.signing import Signer

REQUEST_LIMITS = Limits(size=131_072, depth=16, elements=2_000)
"""As certificates: the largest signature schemes make requests of some 60 kB."""

_MAX_PEM_OCTETS = 2 * REQUEST_LIMITS.size
_LABELS = frozenset({"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"})


class RequestCode(StrEnum):
    """Why a request was refused."""

    UNREADABLE = "REQUEST_UNREADABLE"
    ALGORITHM = "REQUEST_ALGORITHM_UNSUPPORTED"
    """This release does not know its key or its signature algorithm."""
    NO_POSSESSION = "REQUEST_NO_POSSESSION"
    """The signature is not by the key that it asks a certificate for (RFC 2986 §3)."""


class RequestError(ValueError):
    """A request that is refused.

    Attributes:
        code: why.
        wire: what was wrong in the octets, where that was the reason.
    """

    def __init__(self, code: RequestCode, wire: WireCode | None = None) -> None:
        super().__init__(code if wire is None else f"{code} {wire}")
        self.code = code
        self.wire = wire


@dataclass(frozen=True, slots=True)
class CertificationRequest:
    """A request whose signature is by the key in it.

    Attributes:
        subject: the Name asked for (DER).
        public_key: SubjectPublicKeyInfo (DER).
        extensions: what it wishes for, by OID; the authority decides.
    """

    subject: bytes
    public_key: bytes = field(repr=False)
    extensions: Mapping[str, Extension]


def unit_request(signer: Signer, organisation: str) -> bytes:
    """PKCS#10 request (PEM) for a time-stamp unit, to be signed by the operator's CA.

    It asks for critical extendedKeyUsage timeStamping alone; the CA decides.

    Raises:
        ValueError: the organisation has not 1 to 64 characters.
    """
    return certification_request(
        signer,
        distinguished_name(organisation, unique_common_name("time-stamp unit")),
        (
            ext.key_usage(KEY_USAGE_DIGITAL_SIGNATURE),
            ext.extended_key_usage(oids.ID_KP_TIME_STAMPING, critical=True),
        ),
    )


def certification_request(signer: Signer, subject: bytes, wanted: Iterable[Extension]) -> bytes:
    """PKCS#10 request (PEM) for a Name (DER), asking for some extensions (RFC 2985 §5.4.2)."""
    attribute = encode.sequence(encode.oid(oids.ID_EXTENSION_REQUEST), encode.set_of(extensions(wanted)))
    info = encode.sequence(encode.integer(0), subject, signer.public_key, encode.explicit(0, attribute))
    return write_block("CERTIFICATE REQUEST", signed(signer, info))


def read_request(data: bytes) -> CertificationRequest:
    """Read one request, PEM or DER, and check that who made it holds the key (RFC 2986 §4.2).

    Raises:
        RequestError: with the reason.
    """
    try:
        return _read(_octets(data))
    except WireError as error:
        raise RequestError(RequestCode.UNREADABLE, error.code) from error


def _octets(data: bytes) -> bytes:
    if len(data) > _MAX_PEM_OCTETS:
        raise WireError(WireCode.TOO_LARGE, _MAX_PEM_OCTETS)
    if not is_armoured(data):
        return data
    ((label, octets), *_) = read_blocks(data, 1) or [("", b"")]
    if label not in _LABELS:
        raise WireError(WireCode.BAD_ARMOUR, 0)
    return octets


def _read(der: bytes) -> CertificationRequest:
    prescan(der, REQUEST_LIMITS)
    frame = read_signed(der)
    request = _read_info(Fields(frame.body))
    outcome = frame.signed_by(request.public_key).outcome
    if outcome is SignatureOutcome.UNSUPPORTED:
        raise RequestError(RequestCode.ALGORITHM)
    if outcome is not SignatureOutcome.VALID:
        raise RequestError(RequestCode.NO_POSSESSION)
    return request


def _read_info(fields: Fields) -> CertificationRequest:
    asn1.integer(fields.take_any())  # version: 0 is the only one
    subject = fields.take(asn1.SEQUENCE).octets
    public_key = fields.take(asn1.SEQUENCE).octets
    attributes = fields.optional(asn1.context(0))
    fields.finish()
    return CertificationRequest(subject, public_key, {} if attributes is None else _requested(attributes))


def _requested(attributes: Node) -> dict[str, Extension]:
    """Extensions of the one attribute that asks for some; who asks twice is not guessed at."""
    found: list[Extension] = []
    for attribute in children(attributes):
        fields = Fields(expect(attribute, asn1.SEQUENCE))
        if asn1.oid(fields.take_any()) == oids.ID_EXTENSION_REQUEST:
            found += read_extensions(expect(only_child(fields.take(asn1.SET)), asn1.SEQUENCE))
    by_oid = {extension.oid: extension for extension in found}
    if len(by_oid) != len(found):
        raise WireError(WireCode.BAD_VALUE, attributes.start)
    return by_oid
