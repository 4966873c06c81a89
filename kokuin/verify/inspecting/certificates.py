"""Certificates (RFC 5280 §4.1), requests for them (RFC 2986) and lists of revoked ones (RFC 5280 §5.1)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from kokuin.verify.inspecting import values
from kokuin.verify.inspecting.attributes import attribute_of
from kokuin.verify.inspecting.basic_types import (
    ALGORITHM,
    BITS,
    INTEGER,
    NAME,
    PUBLIC_KEY,
    SERIAL,
    TIME,
    simple,
)
from kokuin.verify.inspecting.extensions import EXTENSIONS
from kokuin.verify.inspecting.syntax import Field, Syntax, explicit, list_of, sequence, show_fields
from kokuin.verify.inspecting.tree import Entry
from kokuin.wire import asn1, oids

if TYPE_CHECKING:
    from kokuin.verify.inspecting.walk import Walk
    from kokuin.wire.der import Node

_VERSIONS = {0: "v1", 1: "v2", 2: "v3"}
_VERSION = simple(values.numbered(_VERSIONS), asn1.INTEGER)

_VALIDITY = sequence(Field("notBefore", TIME), Field("notAfter", TIME))
_TBS_CERTIFICATE = sequence(
    Field("version", explicit(0, _VERSION), optional=True),
    Field("serialNumber", SERIAL),
    Field("signature", ALGORITHM),
    Field("issuer", NAME),
    Field("validity", _VALIDITY),
    Field("subject", NAME),
    Field("subjectPublicKeyInfo", PUBLIC_KEY),
    Field("issuerUniqueID", BITS, optional=True, tag=asn1.primitive(1)),
    Field("subjectUniqueID", BITS, optional=True, tag=asn1.primitive(2)),
    Field("extensions", explicit(3, EXTENSIONS), optional=True),
)
_CERTIFICATE_FIELDS = (
    Field("tbsCertificate", _TBS_CERTIFICATE),
    Field("signatureAlgorithm", ALGORITHM),
    Field("signatureValue", BITS),
)


def _certificate(walk: Walk, name: str, node: Node) -> Entry:
    """Return the certificate, with the digest by which people compare it."""
    fingerprint = hashlib.sha256(node.octets).hexdigest()
    entries = show_fields(walk, _CERTIFICATE_FIELDS, node)
    return Entry(name, children=(Entry("SHA-256", fingerprint), *entries))


CERTIFICATE = Syntax(frozenset({asn1.SEQUENCE}), _certificate)

_REVOKED = sequence(
    Field("userCertificate", SERIAL),
    Field("revocationDate", TIME),
    Field("crlEntryExtensions", EXTENSIONS, optional=True),
)
_TBS_CERT_LIST = sequence(
    Field("version", _VERSION, optional=True),
    Field("signature", ALGORITHM),
    Field("issuer", NAME),
    Field("thisUpdate", TIME),
    Field("nextUpdate", TIME, optional=True),
    Field("revokedCertificates", list_of("revokedCertificate", _REVOKED), optional=True),
    Field("crlExtensions", explicit(0, EXTENSIONS), optional=True),
)
CERTIFICATE_LIST = sequence(
    Field("tbsCertList", _TBS_CERT_LIST),
    Field("signatureAlgorithm", ALGORITHM),
    Field("signatureValue", BITS),
)

_REQUESTED = attribute_of({oids.ID_EXTENSION_REQUEST: EXTENSIONS})
_REQUEST_INFO = sequence(
    Field("version", INTEGER),
    Field("subject", NAME),
    Field("subjectPKInfo", PUBLIC_KEY),
    Field("attributes", list_of("Attribute", _REQUESTED), tag=asn1.context(0)),
)
CERTIFICATION_REQUEST = sequence(
    Field("certificationRequestInfo", _REQUEST_INFO),
    Field("signatureAlgorithm", ALGORITHM),
    Field("signature", BITS),
)
