"""Requests, responses and statements of RFC 3161 (§2.4.1, §2.4.2)."""

from __future__ import annotations

from kokuin.verify.inspecting import values
from kokuin.verify.inspecting.basic_types import (
    ALGORITHM,
    BOOLEAN,
    GENERAL_NAME,
    GENERALIZED_TIME,
    INTEGER,
    OCTETS,
    OID,
    SERIAL,
    TEXT,
    simple,
)
from kokuin.verify.inspecting.extensions import EXTENSIONS
from kokuin.verify.inspecting.syntax import Field, explicit, list_of, sequence
from kokuin.wire import asn1

_STATUSES = {
    0: "granted",
    1: "grantedWithMods",
    2: "rejection",
    3: "waiting",
    4: "revocationWarning",
    5: "revocationNotification",
}
_FAILURES = {
    0: "badAlg",
    2: "badRequest",
    5: "badDataFormat",
    14: "timeNotAvailable",
    15: "unacceptedPolicy",
    16: "unacceptedExtension",
    17: "addInfoNotAvailable",
    25: "systemFailure",
}
_IMPRINT = sequence(Field("hashAlgorithm", ALGORITHM), Field("hashedMessage", OCTETS))
_ACCURACY = sequence(
    Field("seconds", INTEGER, optional=True),
    Field("millis", INTEGER, optional=True, tag=asn1.primitive(0)),
    Field("micros", INTEGER, optional=True, tag=asn1.primitive(1)),
)
TIME_STAMP_REQ = sequence(
    Field("version", INTEGER),
    Field("messageImprint", _IMPRINT),
    Field("reqPolicy", OID, optional=True),
    Field("nonce", SERIAL, optional=True),
    Field("certReq", BOOLEAN, optional=True),
    Field("extensions", EXTENSIONS, optional=True, tag=asn1.context(0)),
)
TST_INFO = sequence(
    Field("version", INTEGER),
    Field("policy", OID),
    Field("messageImprint", _IMPRINT),
    Field("serialNumber", SERIAL),
    Field("genTime", GENERALIZED_TIME),
    Field("accuracy", _ACCURACY, optional=True),
    Field("ordering", BOOLEAN, optional=True),
    Field("nonce", SERIAL, optional=True),
    Field("tsa", explicit(0, GENERAL_NAME), optional=True),
    Field("extensions", EXTENSIONS, optional=True, tag=asn1.context(1)),
)
STATUS_INFO = sequence(
    Field("status", simple(values.numbered(_STATUSES), asn1.INTEGER)),
    Field("statusString", list_of("UTF8String", TEXT), optional=True),
    Field("failInfo", simple(values.named_bits(_FAILURES), asn1.BIT_STRING), optional=True),
)
