"""OCSP answers (RFC 6960 §4.2.1)."""

from __future__ import annotations

from kokuin.verify.inspecting import values
from kokuin.verify.inspecting.basic_types import (
    ALGORITHM,
    BITS,
    GENERALIZED_TIME,
    INTEGER,
    NAME,
    NULL,
    OCTETS,
    OID,
    SERIAL,
    simple,
)
from kokuin.verify.inspecting.certificates import CERTIFICATE
from kokuin.verify.inspecting.extensions import EXTENSIONS, REASON
from kokuin.verify.inspecting.syntax import Field, choice, enclosed, explicit, list_of, sequence
from kokuin.wire import asn1

_STATUSES = {
    0: "successful",
    1: "malformedRequest",
    2: "internalError",
    3: "tryLater",
    5: "sigRequired",
    6: "unauthorized",
}
_CERT_ID = sequence(
    Field("hashAlgorithm", ALGORITHM),
    Field("issuerNameHash", OCTETS),
    Field("issuerKeyHash", OCTETS),
    Field("serialNumber", SERIAL),
)
_REVOKED = sequence(
    Field("revocationTime", GENERALIZED_TIME), Field("revocationReason", explicit(0, REASON), optional=True)
)
_STATUS = choice(
    ("good", NULL, asn1.primitive(0)),
    ("revoked", _REVOKED, asn1.context(1)),
    ("unknown", NULL, asn1.primitive(2)),
)
_SINGLE = sequence(
    Field("certID", _CERT_ID),
    Field("certStatus", _STATUS),
    Field("thisUpdate", GENERALIZED_TIME),
    Field("nextUpdate", explicit(0, GENERALIZED_TIME), optional=True),
    Field("singleExtensions", explicit(1, EXTENSIONS), optional=True),
)
_RESPONDER = choice(
    ("byName", explicit(1, NAME), asn1.context(1)), ("byKey", explicit(2, OCTETS), asn1.context(2))
)
_DATA = sequence(
    Field("version", explicit(0, INTEGER), optional=True),
    Field("responderID", _RESPONDER),
    Field("producedAt", GENERALIZED_TIME),
    Field("responses", list_of("SingleResponse", _SINGLE)),
    Field("responseExtensions", explicit(1, EXTENSIONS), optional=True),
)
BASIC_OCSP_RESPONSE = sequence(
    Field("tbsResponseData", _DATA),
    Field("signatureAlgorithm", ALGORITHM),
    Field("signature", BITS),
    Field("certs", explicit(0, list_of("Certificate", CERTIFICATE)), optional=True),
)
_BYTES = sequence(Field("responseType", OID), Field("response", enclosed(BASIC_OCSP_RESPONSE)))
OCSP_RESPONSE = sequence(
    Field("responseStatus", simple(values.numbered(_STATUSES), values.ENUMERATED)),
    Field("responseBytes", explicit(0, _BYTES), optional=True),
)
