"""Extensions of certificates, lists, requests and tokens, each by its OID (RFC 5280 §4.2, §5.2, §5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.verify.inspecting import values
from kokuin.verify.inspecting.basic_types import (
    ALGORITHM,
    ANY,
    BOOLEAN,
    GENERAL_NAME,
    GENERAL_NAMES,
    GENERALIZED_TIME,
    INTEGER,
    NULL,
    OCTETS,
    OID,
    SERIAL,
    TEXT,
    simple,
)
from kokuin.verify.inspecting.syntax import (
    Field,
    Syntax,
    choice,
    elements,
    enclosed,
    explicit,
    list_of,
    sequence,
    show,
)
from kokuin.verify.inspecting.tree import Entry
from kokuin.wire import asn1, oids
from kokuin.wire.errors import WireCode, WireError

if TYPE_CHECKING:
    from kokuin.verify.inspecting.walk import Walk
    from kokuin.wire.der import Node

_KEY_USAGES = dict(
    enumerate(
        (
            "digitalSignature",
            "nonRepudiation",
            "keyEncipherment",
            "dataEncipherment",
            "keyAgreement",
            "keyCertSign",
            "cRLSign",
            "encipherOnly",
            "decipherOnly",
        )
    )
)
_REASON_FLAGS = dict(
    enumerate(
        (
            "unused",
            "keyCompromise",
            "cACompromise",
            "affiliationChanged",
            "superseded",
            "cessationOfOperation",
            "certificateHold",
            "privilegeWithdrawn",
            "aACompromise",
        )
    )
)
_REASONS = {
    **_REASON_FLAGS,
    0: "unspecified",
    7: "unused",
    8: "removeFromCRL",
    9: "privilegeWithdrawn",
    10: "aACompromise",
}
REASON = simple(values.numbered(_REASONS), values.ENUMERATED)

_AUTHORITY_KEY = sequence(
    Field("keyIdentifier", OCTETS, optional=True, tag=asn1.primitive(0)),
    Field("authorityCertIssuer", GENERAL_NAMES, optional=True, tag=asn1.context(1)),
    Field("authorityCertSerialNumber", SERIAL, optional=True, tag=asn1.primitive(2)),
)
_CONSTRAINTS = sequence(
    Field("cA", BOOLEAN, optional=True), Field("pathLenConstraint", INTEGER, optional=True)
)
_PERIOD = sequence(
    Field("notBefore", GENERALIZED_TIME, optional=True, tag=asn1.primitive(0)),
    Field("notAfter", GENERALIZED_TIME, optional=True, tag=asn1.primitive(1)),
)
_POINT_NAME = choice(
    ("fullName", GENERAL_NAMES, asn1.context(0)), ("nameRelativeToCRLIssuer", ANY, asn1.context(1))
)
_POINT = sequence(
    Field("distributionPoint", explicit(0, _POINT_NAME), optional=True),
    Field("reasons", simple(values.named_bits(_REASON_FLAGS)), optional=True, tag=asn1.primitive(1)),
    Field("cRLIssuer", GENERAL_NAMES, optional=True, tag=asn1.context(2)),
)
_POINTS = list_of("DistributionPoint", _POINT)
_ISSUING_POINT = sequence(
    Field("distributionPoint", explicit(0, _POINT_NAME), optional=True),
    Field("onlyContainsUserCerts", BOOLEAN, optional=True, tag=asn1.primitive(1)),
    Field("onlyContainsCACerts", BOOLEAN, optional=True, tag=asn1.primitive(2)),
    Field("onlySomeReasons", simple(values.named_bits(_REASON_FLAGS)), optional=True, tag=asn1.primitive(3)),
    Field("indirectCRL", BOOLEAN, optional=True, tag=asn1.primitive(4)),
    Field("onlyContainsAttributeCerts", BOOLEAN, optional=True, tag=asn1.primitive(5)),
)
_QUALIFIER = sequence(Field("policyQualifierId", OID), Field("qualifier", ANY))
_POLICY = sequence(
    Field("policyIdentifier", OID),
    Field("policyQualifiers", list_of("PolicyQualifierInfo", _QUALIFIER), optional=True),
)
_MAPPING = sequence(Field("issuerDomainPolicy", OID), Field("subjectDomainPolicy", OID))
_POLICY_CONSTRAINTS = sequence(
    Field("requireExplicitPolicy", INTEGER, optional=True, tag=asn1.primitive(0)),
    Field("inhibitPolicyMapping", INTEGER, optional=True, tag=asn1.primitive(1)),
)
_SUBTREES = list_of(
    "GeneralSubtree",
    sequence(
        Field("base", GENERAL_NAME),
        Field("minimum", INTEGER, optional=True, tag=asn1.primitive(0)),
        Field("maximum", INTEGER, optional=True, tag=asn1.primitive(1)),
    ),
)
_NAME_CONSTRAINTS = sequence(
    Field("permittedSubtrees", _SUBTREES, optional=True, tag=asn1.context(0)),
    Field("excludedSubtrees", _SUBTREES, optional=True, tag=asn1.context(1)),
)
_ACCESS = list_of(
    "AccessDescription", sequence(Field("accessMethod", OID), Field("accessLocation", GENERAL_NAME))
)
_QC_STATEMENTS = list_of(
    "QCStatement", sequence(Field("statementId", OID), Field("statementInfo", ANY, optional=True))
)
_CRL_ID = sequence(
    Field("crlUrl", explicit(0, TEXT), optional=True),
    Field("crlNum", explicit(1, INTEGER), optional=True),
    Field("crlTime", explicit(2, GENERALIZED_TIME), optional=True),
)
_RELATED = sequence(Field("hashAlgorithm", ALGORITHM), Field("hashValue", OCTETS))

BY_OID: dict[str, Syntax] = {
    oids.ID_CE_SUBJECT_KEY_IDENTIFIER: OCTETS,
    oids.ID_CE_KEY_USAGE: simple(values.named_bits(_KEY_USAGES), asn1.BIT_STRING),
    oids.ID_CE_PRIVATE_KEY_USAGE_PERIOD: _PERIOD,
    "2.5.29.17": GENERAL_NAMES,
    "2.5.29.18": GENERAL_NAMES,
    oids.ID_CE_BASIC_CONSTRAINTS: _CONSTRAINTS,
    oids.ID_CE_CRL_NUMBER: INTEGER,
    oids.ID_CE_REASON_CODE: REASON,
    "2.5.29.23": OID,
    "2.5.29.24": GENERALIZED_TIME,
    "2.5.29.27": INTEGER,
    "2.5.29.28": _ISSUING_POINT,
    "2.5.29.29": GENERAL_NAMES,
    "2.5.29.30": _NAME_CONSTRAINTS,
    "2.5.29.31": _POINTS,
    "2.5.29.32": list_of("PolicyInformation", _POLICY),
    "2.5.29.33": list_of("PolicyMapping", _MAPPING),
    oids.ID_CE_AUTHORITY_KEY_IDENTIFIER: _AUTHORITY_KEY,
    "2.5.29.36": _POLICY_CONSTRAINTS,
    oids.ID_CE_EXT_KEY_USAGE: list_of("KeyPurposeId", OID),
    "2.5.29.46": _POINTS,
    "2.5.29.54": INTEGER,
    "2.5.29.60": GENERALIZED_TIME,
    "1.3.6.1.5.5.7.1.1": _ACCESS,
    oids.ID_PE_QC_STATEMENTS: _QC_STATEMENTS,
    "1.3.6.1.5.5.7.1.11": _ACCESS,
    oids.ID_PE_RELATED_CERT: _RELATED,
    oids.ID_PKIX_OCSP_NONCE: OCTETS,
    "1.3.6.1.5.5.7.48.1.3": _CRL_ID,
    oids.ID_PKIX_OCSP_NOCHECK: NULL,
    "1.3.6.1.5.5.7.48.1.6": GENERALIZED_TIME,
}
"""What the value of an extension is."""


def _extension(walk: Walk, name: str, node: Node) -> Entry:
    """RFC 5280 §4.1: extnID, critical, extnValue; the value is shown as its OID says."""
    found, more, error = elements(node, 3)
    if error is not None:
        raise error
    tags = [each.tag for each in found]
    if more or tags not in _EXTENSION_TAGS:
        raise WireError(WireCode.UNEXPECTED, node.start)
    shown = values.oid(name, found[0])
    critical = len(found) == 3 and found[1].value != b"\x00"
    note = ", ".join(filter(None, (shown.note, "critical" if critical else None)))
    known = BY_OID.get(shown.value or "")
    value = show(walk, "extnValue", ANY if known is None else enclosed(known), found[-1])
    return Entry(name, shown.value, note or None, children=(value,))


_EXTENSION_TAGS = (
    [asn1.OBJECT_IDENTIFIER, asn1.OCTET_STRING],
    [asn1.OBJECT_IDENTIFIER, asn1.BOOLEAN, asn1.OCTET_STRING],
)

EXTENSION = Syntax(frozenset({asn1.SEQUENCE}), _extension)
EXTENSIONS = list_of("Extension", EXTENSION)
