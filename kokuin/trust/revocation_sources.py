"""Revocation data and certificates that a token carries beside its signer's chain.

Nobody signed most of the places where they stand, and all of it is only
material: a list or an answer counts by its own signature.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kokuin.trust.context import RevocationData
from kokuin.trust.revocation_statement import Shelf, shelf_of
from kokuin.wire import asn1, oids
from kokuin.wire.der import children, expect, only_child, read_whole
from kokuin.wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kokuin.trust.token import TokenFacts
    from kokuin.wire.cms import Attribute, SignedData, SignerInfo

MAX_CARRIED = 16
"""Lists, and as many answers, of a token that are looked at; each may cost a signature to verify."""


def shelves_for(*data: RevocationData) -> tuple[Shelf, ...]:
    """Return what is at hand, the verifier's before what the token carries, each where there is anything."""
    return tuple(shelf_of(each) for each in data if each != RevocationData())


def carried_revocation(facts: TokenFacts) -> RevocationData:
    """Return what a token carries of revocations; what cannot be read is left out."""
    held = held_revocation(facts.signed_data, facts.signer_info)
    return RevocationData(held.lists[:MAX_CARRIED], held.answers[:MAX_CARRIED])


def held_revocation(signed_data: SignedData, info: SignerInfo) -> RevocationData:
    """Return all that a SignedData holds of revocations; what cannot be read is left out.

    In SignedData.crls (RFC 5652 §10.2.1, OCSP answers by RFC 5940 §2.1), in the unsigned attribute
    revocation-values (RFC 5126 §6.3.4) and in the signed attribute that PDF has (ISO 32000-1 §12.8.3.3.2).
    """
    held = RevocationData(
        tuple(dict.fromkeys(signed_data.crls)), tuple(dict.fromkeys(signed_data.ocsp_answers))
    )
    return held.with_more(revocation_of((*info.unsigned_attributes, *(info.signed_attributes or ()))))


def revocation_of(attributes: Iterable[Attribute]) -> RevocationData:
    """Return what attributes of these kinds hold of revocations; what cannot be read is left out."""
    lists: list[bytes] = []
    answers: list[bytes] = []
    for attribute in attributes:
        if attribute.oid in {oids.ID_AA_ETS_REVOCATION_VALUES, oids.ADBE_REVOCATION_INFO_ARCHIVAL}:
            for tag, octets in _values(attribute):
                (lists if tag == asn1.context(0) else answers).append(octets)
    return RevocationData(tuple(dict.fromkeys(lists)), tuple(dict.fromkeys(answers)))


def carried_certificates(facts: TokenFacts) -> tuple[bytes, ...]:
    """Return every certificate (DER) of a token."""
    return held_certificates(facts.signed_data, facts.signer_info)


def held_certificates(signed_data: SignedData, info: SignerInfo) -> tuple[bytes, ...]:
    """Return every certificate (DER) of a SignedData: its own, then the values of RFC 5126 §6.3.3."""
    return (*signed_data.certificates, *certificates_of(info.unsigned_attributes))


def certificates_of(attributes: Iterable[Attribute]) -> tuple[bytes, ...]:
    """Return the certificates (DER) in attributes of this kind."""
    found: list[bytes] = []
    for attribute in attributes:
        if attribute.oid == oids.ID_AA_ETS_CERT_VALUES:
            for value in attribute.values:
                found += certificate_values(value)
    return tuple(found)


def certificate_values(value: bytes) -> list[bytes]:
    """Return what CertificateValues (DER, RFC 5126 §6.3.3) holds; nothing where it cannot be read."""
    try:
        return [child.octets for child in children(read_whole(value, asn1.SEQUENCE))]
    except WireError:
        return []


def revocation_values(value: bytes) -> RevocationData:
    """Return what RevocationValues (DER, RFC 5126 §6.3.4) holds, as far as it can be read."""
    found = list(_choices(value))
    lists = (octets for tag, octets in found if tag == asn1.context(0))
    answers = (octets for tag, octets in found if tag == asn1.context(1))
    return RevocationData(tuple(dict.fromkeys(lists)), tuple(dict.fromkeys(answers)))


def _values(attribute: Attribute) -> Iterator[tuple[int, bytes]]:
    """Yield what RevocationValues and RevocationInfoArchival hold: [0] lists, [1] answers."""
    for value in attribute.values:
        yield from _choices(value)


def _choices(value: bytes) -> Iterator[tuple[int, bytes]]:
    with contextlib.suppress(WireError):
        for choice in children(read_whole(value, asn1.SEQUENCE)):
            if choice.tag in {asn1.context(0), asn1.context(1)}:
                held = children(expect(only_child(choice), asn1.SEQUENCE))
                yield from ((choice.tag, each.octets) for each in held)
