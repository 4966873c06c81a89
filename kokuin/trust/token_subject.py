"""What a time-stamp token, and the certificate of its unit, say of themselves, for the reader of a report.

Nothing here is judged. What is a claim (a qcStatement, a name, a signing time) is shown as one.
"""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING

from kokuin.trust.general_name import display_general
from kokuin.trust.name import display
from kokuin.trust.report import iso_time
from kokuin.wire import asn1, oids
from kokuin.wire.algorithms import DIGEST_BY_OID
from kokuin.wire.der import Fields, children, expect, read_whole
from kokuin.wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kokuin.trust.certificate import Certificate
    from kokuin.trust.report import ReportValue
    from kokuin.trust.token import TokenFacts
    from kokuin.wire.cms import Attribute
    from kokuin.wire.tsp import Extension

MAX_LISTED = 32
"""Entries of a list that are shown; real tokens have up to ten attributes."""


def describe(facts: TokenFacts, unit: Certificate | None) -> dict[str, ReportValue]:
    """Return the subject of a token's report.

    Args:
        facts: the token.
        unit: the certificate under which it was signed; None when it is not known.

    Returns:
        Times in ISO 8601, numbers in hex, object identifiers dotted. What is absent is None or an empty list;
        what begins with `unit` is the certificate's.
    """
    info, signer = facts.tst_info, facts.signer_info
    digest = DIGEST_BY_OID.get(info.imprint.digest_oid)
    signing_time = read_signing_time(signer.signed_values(oids.ID_SIGNING_TIME))
    return {
        "policy": info.policy,
        "serial": f"{info.serial:x}",
        "gen_time": iso_time(info.gen_time.microseconds),
        "accuracy_us": None if info.accuracy is None else info.accuracy.microseconds,
        "ordering": info.ordering,
        "imprint_algorithm": info.imprint.digest_oid if digest is None else digest.name,
        "imprint": info.imprint.value.hex(),
        "nonce": None if info.nonce is None else f"{info.nonce:x}",
        "tsa": None if info.tsa is None else display_general(info.tsa),
        "extensions": [extension.oid for extension in info.extensions[:MAX_LISTED]],
        "qc_statements": qc_statements(info.extensions),
        "signing_time": None if signing_time is None else iso_time(signing_time),
        "signed_attributes": _types(signer.signed_attributes or ()),
        "unsigned_attributes": _types(signer.unsigned_attributes),
        **describe_certificate("unit", unit),
    }


@functools.lru_cache(maxsize=128)
def describe_certificate(role: str, certificate: Certificate | None) -> dict[str, ReportValue]:
    """Return what a report says of a signer's certificate, each field named after the signer's role.

    Args:
        role: `unit` or `signer`.
        certificate: None: it is not known, and the fields say so.
    """
    if certificate is None:
        names = ("", "_issuer", "_serial", "_not_before", "_not_after", "_sha256")
        return {**dict.fromkeys(role + name for name in names), f"{role}_qc_statements": []}
    return {
        role: display(certificate.subject),
        f"{role}_issuer": display(certificate.issuer),
        f"{role}_serial": f"{certificate.serial:x}",
        f"{role}_not_before": iso_time(certificate.not_before),
        f"{role}_not_after": iso_time(certificate.not_after),
        f"{role}_sha256": hashlib.sha256(certificate.der).hexdigest(),
        f"{role}_qc_statements": qc_statements(certificate.extensions.values()),
    }


def read_signing_time(values: tuple[bytes, ...] | None) -> int | None:
    """Return signing-time (RFC 5652 §11.3), microseconds since 1970 UTC; None when absent or unreadable."""
    if values is None or len(values) != 1:
        return None
    tag = values[0][0]
    try:
        return asn1.time(read_whole(values[0], tag)).microseconds
    except WireError:
        return None


def _types(attributes: tuple[Attribute, ...]) -> list[str]:
    return [attribute.oid for attribute in attributes[:MAX_LISTED]]


def qc_statements(extensions: Iterable[Extension]) -> list[str]:
    """Return the kinds of the statements (RFC 3739 §3.2.6); none of an extension that cannot be read."""
    for extension in extensions:
        if extension.oid == oids.ID_PE_QC_STATEMENTS:
            try:
                statements = children(read_whole(extension.value, asn1.SEQUENCE))[:MAX_LISTED]
                return [asn1.oid(Fields(expect(each, asn1.SEQUENCE)).take_any()) for each in statements]
            except WireError:
                return []
    return []
