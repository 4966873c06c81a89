"""CMS (RFC 5652): SignedData with its attributes, envelopes; the TimeStampResp that holds a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.verify.inspecting import values
from kokuin.verify.inspecting.attributes import attribute_of
from kokuin.verify.inspecting.basic_types import (
    ALGORITHM,
    ANY,
    GENERAL_NAMES,
    INTEGER,
    NAME,
    OCTETS,
    OID,
    SERIAL,
    TIME,
)
from kokuin.verify.inspecting.certificates import CERTIFICATE, CERTIFICATE_LIST
from kokuin.verify.inspecting.ocsp import BASIC_OCSP_RESPONSE, OCSP_RESPONSE
from kokuin.verify.inspecting.syntax import (
    Field,
    Syntax,
    choice,
    elements,
    enclosed,
    explicit,
    later,
    list_of,
    sequence,
    show,
)
from kokuin.verify.inspecting.timestamps import STATUS_INFO, TST_INFO
from kokuin.verify.inspecting.tree import Entry
from kokuin.wire import asn1, oids
from kokuin.wire.der import expect
from kokuin.wire.errors import WireCode, WireError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.verify.inspecting.walk import Walk
    from kokuin.wire.der import Node

_SEQUENCE = frozenset({asn1.SEQUENCE})


def _typed(type_name: str, content_name: str, types: Mapping[str, Syntax], unknown: Syntax) -> Syntax:
    """SEQUENCE of an OID and an optional [0] EXPLICIT content whose type the OID says."""

    def show_typed(walk: Walk, name: str, node: Node) -> Entry:
        found, more, error = elements(node, 2)
        if error is not None:
            raise error
        tags = [each.tag for each in found]
        if more or tags not in ([asn1.OBJECT_IDENTIFIER], [asn1.OBJECT_IDENTIFIER, asn1.context(0)]):
            raise WireError(WireCode.UNEXPECTED, node.start)
        kind = values.oid(type_name, found[0])
        content = explicit(0, types.get(kind.value or "", unknown))
        return Entry(name, children=(kind, *(show(walk, content_name, content, each) for each in found[1:])))

    return Syntax(_SEQUENCE, show_typed)


def _pair(type_name: str, value_name: str, types: Mapping[str, Syntax]) -> Syntax:
    """SEQUENCE of an OID and a value whose type the OID says."""

    def show_pair(walk: Walk, name: str, node: Node) -> Entry:
        found, more, error = elements(node, 2)
        if error is not None:
            raise error
        if more or len(found) != 2:
            raise WireError(WireCode.UNEXPECTED, node.start)
        kind = values.oid(type_name, expect(found[0], asn1.OBJECT_IDENTIFIER))
        value = show(walk, value_name, types.get(kind.value or "", ANY), found[1])
        return Entry(name, children=(kind, value))

    return Syntax(_SEQUENCE, show_pair)


def _content_info() -> Syntax:
    return CONTENT_INFO


def _evidence_record() -> Syntax:
    return EVIDENCE_RECORD


_TOKEN = later(_content_info, _SEQUENCE)
_RECORD = later(_evidence_record, _SEQUENCE)
_ISSUER_AND_SERIAL = sequence(Field("issuer", NAME), Field("serialNumber", SERIAL))
_SIGNER_ID = choice(
    ("issuerAndSerialNumber", _ISSUER_AND_SERIAL, None), ("subjectKeyIdentifier", OCTETS, asn1.primitive(0))
)
_ISSUER_SERIAL = sequence(Field("issuer", GENERAL_NAMES), Field("serialNumber", SERIAL))
_CERT_ID = sequence(
    Field("certHash", OCTETS),
    Field("issuerSerial", _ISSUER_SERIAL, optional=True),
)
_CERT_ID_V2 = sequence(
    Field("hashAlgorithm", ALGORITHM, optional=True),
    Field("certHash", OCTETS),
    Field("issuerSerial", _ISSUER_SERIAL, optional=True),
)
_PROTECTION = sequence(
    Field("digestAlgorithm", ALGORITHM),
    Field("signatureAlgorithm", ALGORITHM, optional=True, tag=asn1.context(1)),
    Field("macAlgorithm", ALGORITHM, optional=True, tag=asn1.context(2)),
)


def _signing_certificate(item: str, syntax: Syntax) -> Syntax:
    return sequence(Field("certs", list_of(item, syntax)), Field("policies", ANY, optional=True))


_LISTS = list_of("CertificateList", CERTIFICATE_LIST)
_REVOCATION_VALUES = sequence(
    Field("crlVals", explicit(0, _LISTS), optional=True),
    Field("ocspVals", explicit(1, list_of("BasicOCSPResponse", BASIC_OCSP_RESPONSE)), optional=True),
    Field("otherRevVals", explicit(2, ANY), optional=True),
)
_ARCHIVAL = sequence(
    Field("crl", explicit(0, _LISTS), optional=True),
    Field("ocsp", explicit(1, list_of("OCSPResponse", OCSP_RESPONSE)), optional=True),
    Field("otherRevInfo", explicit(2, ANY), optional=True),
)
_ATTRIBUTE = attribute_of(
    {
        oids.ID_CONTENT_TYPE: OID,
        oids.ID_MESSAGE_DIGEST: OCTETS,
        "1.2.840.113549.1.9.5": TIME,
        oids.ID_CMS_ALGORITHM_PROTECT: _PROTECTION,
        oids.ID_AA_SIGNING_CERTIFICATE: _signing_certificate("ESSCertID", _CERT_ID),
        oids.ID_AA_SIGNING_CERTIFICATE_V2: _signing_certificate("ESSCertIDv2", _CERT_ID_V2),
        "1.2.840.113549.1.9.16.2.14": _TOKEN,
        "1.2.840.113549.1.9.16.2.20": _TOKEN,
        "1.2.840.113549.1.9.16.2.23": list_of("Certificate", CERTIFICATE),
        "1.2.840.113549.1.9.16.2.24": _REVOCATION_VALUES,
        "1.2.840.113549.1.9.16.2.25": _TOKEN,
        "1.2.840.113549.1.9.16.2.26": _TOKEN,
        "1.2.840.113549.1.9.16.2.27": _TOKEN,
        "1.2.840.113549.1.9.16.2.48": _TOKEN,
        oids.ID_AA_ER_INTERNAL: _RECORD,
        "0.4.0.1733.2.4": _TOKEN,
        "1.2.840.113583.1.1.8": _ARCHIVAL,
        "1.3.6.1.4.1.311.3.3.1": _TOKEN,
    }
)
_ATTRIBUTES = list_of("Attribute", _ATTRIBUTE)

_SIGNER_INFO = sequence(
    Field("version", INTEGER),
    Field("sid", _SIGNER_ID),
    Field("digestAlgorithm", ALGORITHM),
    Field("signedAttrs", _ATTRIBUTES, optional=True, tag=asn1.context(0)),
    Field("signatureAlgorithm", ALGORITHM),
    Field("signature", OCTETS),
    Field("unsignedAttrs", _ATTRIBUTES, optional=True, tag=asn1.context(1)),
)
_OTHER_FORMAT = _pair("otherRevInfoFormat", "otherRevInfo", {"1.3.6.1.5.5.7.16.2": OCSP_RESPONSE})
_CERTIFICATE_CHOICE = choice(
    ("certificate", CERTIFICATE, None),
    ("extendedCertificate", ANY, asn1.context(0)),
    ("v1AttrCert", ANY, asn1.context(1)),
    ("v2AttrCert", ANY, asn1.context(2)),
    ("other", ANY, asn1.context(3)),
)
_REVOCATION_CHOICE = choice(("crl", CERTIFICATE_LIST, None), ("other", _OTHER_FORMAT, asn1.context(1)))
_ENCAPSULATED = _typed("eContentType", "eContent", {oids.ID_CT_TST_INFO: enclosed(TST_INFO)}, ANY)
SIGNED_DATA = sequence(
    Field("version", INTEGER),
    Field("digestAlgorithms", list_of("digestAlgorithm", ALGORITHM)),
    Field("encapContentInfo", _ENCAPSULATED),
    Field(
        "certificates", list_of("CertificateChoices", _CERTIFICATE_CHOICE), optional=True, tag=asn1.context(0)
    ),
    Field("crls", list_of("RevocationInfoChoice", _REVOCATION_CHOICE), optional=True, tag=asn1.context(1)),
    Field("signerInfos", list_of("SignerInfo", _SIGNER_INFO)),
)

_KEM_RECIPIENT = sequence(
    Field("version", INTEGER),
    Field("rid", _SIGNER_ID),
    Field("kem", ALGORITHM),
    Field("kemct", OCTETS),
    Field("kdf", ALGORITHM),
    Field("kekLength", INTEGER),
    Field("ukm", explicit(0, OCTETS), optional=True),
    Field("wrap", ALGORITHM),
    Field("encryptedKey", OCTETS),
)
_RECIPIENT = choice(
    ("ktri", ANY, asn1.SEQUENCE),
    ("kari", ANY, asn1.context(1)),
    ("kekri", ANY, asn1.context(2)),
    ("pwri", ANY, asn1.context(3)),
    ("ori", _pair("oriType", "oriValue", {oids.ID_ORI_KEM: _KEM_RECIPIENT}), asn1.context(4)),
)
_ENCRYPTED = sequence(
    Field("contentType", OID),
    Field("contentEncryptionAlgorithm", ALGORITHM),
    Field("encryptedContent", OCTETS, optional=True, tag=asn1.primitive(0)),
)
_AUTH_ENVELOPED = sequence(
    Field("version", INTEGER),
    Field("originatorInfo", ANY, optional=True, tag=asn1.context(0)),
    Field("recipientInfos", list_of("RecipientInfo", _RECIPIENT)),
    Field("authEncryptedContentInfo", _ENCRYPTED),
    Field("authAttrs", _ATTRIBUTES, optional=True, tag=asn1.context(1)),
    Field("mac", OCTETS),
    Field("unauthAttrs", _ATTRIBUTES, optional=True, tag=asn1.context(2)),
)
CONTENT_INFO: Syntax = _typed(
    "contentType",
    "content",
    {oids.ID_SIGNED_DATA: SIGNED_DATA, oids.ID_CT_AUTH_ENVELOPED_DATA: _AUTH_ENVELOPED},
    ANY,
)
# RFC 4998, whose module has IMPLICIT tags.
_ARCHIVE_TIME_STAMP = sequence(
    Field("digestAlgorithm", ALGORITHM, optional=True, tag=asn1.context(0)),
    Field("attributes", _ATTRIBUTES, optional=True, tag=asn1.context(1)),
    Field(
        "reducedHashtree",
        list_of("PartialHashtree", list_of("hash", OCTETS)),
        optional=True,
        tag=asn1.context(2),
    ),
    Field("timeStamp", CONTENT_INFO),
)
EVIDENCE_RECORD = sequence(
    Field("version", INTEGER),
    Field("digestAlgorithms", list_of("digestAlgorithm", ALGORITHM)),
    Field("cryptoInfos", _ATTRIBUTES, optional=True, tag=asn1.context(0)),
    Field("encryptionInfo", ANY, optional=True, tag=asn1.context(1)),
    Field(
        "archiveTimeStampSequence",
        list_of("ArchiveTimeStampChain", list_of("ArchiveTimeStamp", _ARCHIVE_TIME_STAMP)),
    ),
)
TIME_STAMP_RESP = sequence(Field("status", STATUS_INFO), Field("timeStampToken", CONTENT_INFO, optional=True))
