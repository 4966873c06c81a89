"""What a DER object is, told from the tags of its first fields: what follows may be damaged."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.verify.inspecting import values
from kokuin.verify.inspecting.basic_types import PUBLIC_KEY
from kokuin.verify.inspecting.certificates import CERTIFICATE, CERTIFICATE_LIST, CERTIFICATION_REQUEST
from kokuin.verify.inspecting.cms import CONTENT_INFO, EVIDENCE_RECORD, TIME_STAMP_RESP
from kokuin.verify.inspecting.ocsp import OCSP_RESPONSE
from kokuin.verify.inspecting.opening import first_elements
from kokuin.verify.inspecting.private_keys import is_private_key
from kokuin.verify.inspecting.timestamps import TIME_STAMP_REQ, TST_INFO
from kokuin.wire import asn1, encode, oids

if TYPE_CHECKING:
    from kokuin.verify.inspecting.syntax import Syntax
    from kokuin.wire.der import Node


class Kind(StrEnum):
    """What a file is; the values are stable."""

    TOKEN = "timestamp-token"  # noqa: S105  # no secret
    RESPONSE = "timestamp-response"
    REQUEST = "timestamp-request"
    TST_INFO = "tst-info"
    CERTIFICATE = "certificate"
    CERTIFICATION_REQUEST = "certification-request"
    CERTIFICATE_LIST = "certificate-list"
    OCSP_RESPONSE = "ocsp-response"
    PUBLIC_KEY = "public-key"
    CMS = "cms"
    EVIDENCE = "evidence-record"
    PRIVATE_KEY = "private-key"
    PEM = "pem"
    """Several PEM blocks, or a block that cannot be read."""
    ASN1 = "asn1"
    """BER of unknown syntax, or damaged."""
    CHECKPOINT = "checkpoint"
    SIGNED_NOTE = "signed-note"
    LOG_KEYS = "log-keys"
    TLOG_PROOF = "tlog-proof"
    BUNDLE = "ledger-bundle"
    SEALED_BUNDLE = "sealed-ledger-bundle"
    FACTS = "facts"
    JSON = "json"
    UNKNOWN = "unknown"


SYNTAX_OF: dict[Kind, Syntax] = {
    Kind.TOKEN: CONTENT_INFO,
    Kind.RESPONSE: TIME_STAMP_RESP,
    Kind.REQUEST: TIME_STAMP_REQ,
    Kind.TST_INFO: TST_INFO,
    Kind.CERTIFICATE: CERTIFICATE,
    Kind.CERTIFICATION_REQUEST: CERTIFICATION_REQUEST,
    Kind.CERTIFICATE_LIST: CERTIFICATE_LIST,
    Kind.OCSP_RESPONSE: OCSP_RESPONSE,
    Kind.PUBLIC_KEY: PUBLIC_KEY,
    Kind.CMS: CONTENT_INFO,
    Kind.EVIDENCE: EVIDENCE_RECORD,
}


def kind_of(node: Node) -> Kind:
    """Return what an element is: `ASN1` when no known object begins like it."""
    if is_private_key(node):
        return Kind.PRIVATE_KEY
    kind = Kind.ASN1
    found = first_elements(node, 4).found if node.tag == asn1.SEQUENCE else []
    match [each.tag for each in found]:
        case [asn1.OBJECT_IDENTIFIER, 0xA0]:
            kind = _content_kind(found)
        case [asn1.INTEGER, asn1.OBJECT_IDENTIFIER, asn1.SEQUENCE, *_]:
            kind = Kind.TST_INFO
        case [asn1.INTEGER, asn1.SEQUENCE, *_] if _tags(found[1])[:2] == [asn1.SEQUENCE, asn1.OCTET_STRING]:
            kind = Kind.REQUEST
        case [asn1.INTEGER, asn1.SEQUENCE, *_] if _is_list_of_algorithms(found[1]):
            kind = Kind.EVIDENCE
        case [asn1.SEQUENCE, asn1.BIT_STRING]:
            kind = Kind.PUBLIC_KEY
        case [asn1.SEQUENCE, asn1.SEQUENCE, asn1.BIT_STRING]:
            kind = _signed_kind(_tags(found[0]))
        case [asn1.SEQUENCE] | [asn1.SEQUENCE, asn1.SEQUENCE] if _tags(found[0])[:1] == [asn1.INTEGER]:
            kind = Kind.RESPONSE
        case [values.ENUMERATED] | [values.ENUMERATED, 0xA0]:
            kind = Kind.OCSP_RESPONSE
    return kind


def _tags(node: Node, most: int = 8) -> list[int]:
    return [each.tag for each in first_elements(node, most).found] if node.tag & 0x20 else []


def _is_list_of_algorithms(node: Node) -> bool:
    """RFC 4998 §3.1: digestAlgorithms stands where a time-stamp request has its imprint."""
    listed = first_elements(node, 8).found
    return bool(listed) and all(
        each.tag == asn1.SEQUENCE and _tags(each)[:1] == [asn1.OBJECT_IDENTIFIER] for each in listed
    )


def _content_kind(found: list[Node]) -> Kind:
    """A token is SignedData over a TSTInfo (RFC 3161 §2.4.2); what else CMS has is CMS."""
    if found[0].octets != encode.oid(oids.ID_SIGNED_DATA):
        return Kind.CMS
    body = first_elements(found[1], 1).found
    # version, digestAlgorithms, encapContentInfo
    fields = first_elements(body[0], 3).found if body else []
    content = first_elements(fields[2], 1).found if len(fields) == 3 else []
    is_token = bool(content) and content[0].octets == encode.oid(oids.ID_CT_TST_INFO)
    return Kind.TOKEN if is_token else Kind.CMS


def _signed_kind(tags: list[int]) -> Kind:
    """Which of the structures under one signature a body belongs to (RFC 5280 §4.1, §5.1; RFC 2986 §4.2)."""
    version = tags[:1] in ([asn1.INTEGER], [asn1.context(0)])
    match tags[version:]:
        case [asn1.INTEGER, asn1.SEQUENCE, *_]:
            return Kind.CERTIFICATE
        case [asn1.SEQUENCE, asn1.SEQUENCE, asn1.UTC_TIME | asn1.GENERALIZED_TIME, *_]:
            return Kind.CERTIFICATE_LIST
        case [asn1.SEQUENCE, asn1.SEQUENCE, asn1.SEQUENCE, asn1.SEQUENCE, *_]:
            # The serial number of version 1, where others have a version.
            return Kind.CERTIFICATE
        case [asn1.SEQUENCE, asn1.SEQUENCE, *_] if version:
            return Kind.CERTIFICATION_REQUEST
    return Kind.ASN1
