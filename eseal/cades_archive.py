"""Archive time-stamps of CAdES: what they cover, by way of an index of digests (EN 319 122-1 §5.5).

The index stands in the time-stamp token itself, as an unsigned attribute. It lists digests of the
certificates, the revocation data and the unsigned attributes that were there; the token's imprint covers the
index, the sealed data and the SignerInfo. So certificates and revocation data may be added later without
breaking it, and what is listed can neither be changed nor taken away.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from eseal.cms_parts import read_parts
from kokuin.trust.report import Check
from kokuin.trust.token import read_token
from kokuin.wire import asn1, encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, DIGEST_BY_OID, AlgorithmIdentifier
from kokuin.wire.cms import encode_attribute
from kokuin.wire.der import Fields, Node, children, expect, read_whole
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.tsp import read_algorithm

if TYPE_CHECKING:
    from eseal.cms_parts import SignedDataParts, SignerParts

_SHA256 = "2.16.840.1.101.3.4.2.1"
_VERSIONS = (oids.ID_AA_ATS_HASH_INDEX_V3, oids.ID_AA_ATS_HASH_INDEX_V2, oids.ID_AA_ATS_HASH_INDEX)


@dataclass(frozen=True, slots=True)
class UnsignedValue:
    """One value of an unsigned attribute.

    Attributes:
        oid: attrType, dotted.
        value: DER of the value.
        attribute: DER of the whole Attribute.
    """

    oid: str
    value: bytes
    attribute: bytes


@dataclass(frozen=True, slots=True)
class HashIndex:
    """ATSHashIndex of one of its three versions.

    Attributes:
        digest: name of its digest.
        certificates: digests of CertificateChoices.
        crls: digests of RevocationInfoChoices.
        unsigned: digests of unsigned attributes.
        by_value: each of those is of an attribute's value (version 3); else of a whole Attribute.
        der: the whole of it.
    """

    digest: str
    certificates: frozenset[bytes]
    crls: frozenset[bytes]
    unsigned: frozenset[bytes]
    by_value: bool
    der: bytes


class Digests:
    """Digests of what the indexes of one SignedData may list; each is made once for many indexes."""

    def __init__(self, parts: SignedDataParts) -> None:
        """Args: the SignedData."""
        self._parts = parts
        self._known: dict[str, tuple[dict[bytes, bytes], dict[bytes, bytes]]] = {}

    def has_all(self, index: HashIndex) -> bool:
        """Whether all certificates and revocation data that are listed are there (§5.5.2)."""
        certificates, crls = self._by_digest(index.digest)
        return index.certificates <= certificates.keys() and index.crls <= crls.keys()

    def listed(self, index: HashIndex) -> frozenset[bytes]:
        """Certificates, lists and answers (DER) that an index lists, of which all are there."""
        certificates, crls = self._by_digest(index.digest)
        return frozenset(
            (*(certificates[each] for each in index.certificates), *(crls[each] for each in index.crls))
        )

    def _by_digest(self, digest: str) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
        if digest not in self._known:
            of = DIGEST_BY_NAME[digest].of
            certificates = {of(each): each for each in self._parts.certificates}
            self._known[digest] = (certificates, {of(each): _told(each) for each in self._parts.crls})
        return self._known[digest]


def _told(choice: bytes) -> bytes:
    """Return the list or answer in a RevocationInfoChoice (RFC 5652 §10.2.1); else the choice as it is."""
    try:
        fields = Fields(read_whole(choice, asn1.context(1)))
        fields.take_any()
        return fields.take_any().octets
    except WireError:
        return choice


class UnsignedDigests:
    """Digests of the unsigned attributes of one SignerInfo, as indexes list them."""

    def __init__(self, values: tuple[UnsignedValue, ...]) -> None:
        """Args: every value of them."""
        self._values = values
        self._places: dict[tuple[str, bool], dict[bytes, list[int]]] = {}

    def places(self, index: HashIndex) -> frozenset[int] | None:
        """Places of the values that an index lists; None: one that it lists is not there (§5.5.2)."""
        by_digest = self._by_digest(index.digest, by_value=index.by_value)
        if not index.unsigned <= by_digest.keys():
            return None
        return frozenset(place for each in index.unsigned for place in by_digest[each])

    def _by_digest(self, digest: str, *, by_value: bool) -> dict[bytes, list[int]]:
        if (digest, by_value) not in self._places:
            # An Attribute with a thousand values is one Attribute, and is not hashed a thousand times.
            of = functools.cache(DIGEST_BY_NAME[digest].of)
            found: dict[bytes, list[int]] = {}
            for place, value in enumerate(self._values):
                found.setdefault(of(_listed(value) if by_value else value.attribute), []).append(place)
            self._places[digest, by_value] = found
        return self._places[digest, by_value]


def unsigned_values(signer: SignerParts) -> tuple[UnsignedValue, ...]:
    """Return every value of every unsigned attribute, in the order found.

    Raises:
        WireError: another syntax.
    """
    found = []
    for attribute in signer.unsigned:
        fields = Fields(read_whole(attribute, asn1.SEQUENCE))
        oid = asn1.oid(fields.take_any())
        values = children(fields.take(asn1.SET))
        fields.finish()
        found += [UnsignedValue(oid, each.octets, attribute) for each in values]
    return tuple(found)


def make_index(parts: SignedDataParts, signer: SignerParts, digest: str) -> bytes:
    """ATSHashIndexV3 (DER) of what is there now (§5.5.2).

    Args:
        parts: the SignedData.
        signer: the SignerInfo of it that is time-stamped.
        digest: name of the digest, that of the time-stamp's imprint.

    Raises:
        WireError: an unsigned attribute cannot be read.
    """
    algorithm = DIGEST_BY_NAME[digest]
    listed = (parts.certificates, parts.crls, [_listed(each) for each in unsigned_values(signer)])
    identifier = encode.algorithm(AlgorithmIdentifier(algorithm.oid, algorithm.parameters))
    return encode.sequence(
        identifier,
        *(
            encode.sequence(*(encode.octet_string(algorithm.of(each)) for each in entries))
            for entries in listed
        ),
    )


def archive_covered(
    parts: SignedDataParts, signer: SignerParts, content_digest: bytes, index: bytes
) -> bytes:
    """Return the octets that the imprint of an archive-time-stamp-v3 is made of (§5.5.3).

    Args:
        parts: the SignedData.
        signer: the SignerInfo of it that is time-stamped.
        content_digest: digest of the sealed data by the digest of the imprint.
        index: DER of the ATSHashIndex.
    """
    return parts.content_type + content_digest + signer.fields + index


def with_index(token: bytes, index: bytes) -> bytes:
    """Return a TimeStampToken (DER) with an ats-hash-index-v3 in its SignerInfo.

    Raises:
        WireError: it is no SignedData with one signer.
    """
    parts = read_parts(token)
    if len(parts.signers) != 1:
        raise WireError(WireCode.UNEXPECTED, 0)
    attribute = encode_attribute(oids.ID_AA_ATS_HASH_INDEX_V3, index)
    return replace(parts, signers=(parts.signers[0].with_attribute(attribute),)).encode()


def read_index(token: bytes) -> HashIndex | None:
    """Return the index in an archive-time-stamp-v3.

    Returns:
        None: there is none, or more than one, or none that can be read, or its digest is not that of the
        time-stamp's imprint.
    """
    facts = read_token(token)
    if isinstance(facts, Check):
        return None
    try:
        values = unsigned_values(read_parts(token).signers[0])
        found = [each for each in values if each.oid in _VERSIONS]
        index = _read_index(found[0]) if len(found) == 1 else None
    except WireError:
        return None
    # §5.5.2 wants the same. Attack: a list by a weak digest, under the imprint of a strong one.
    same = index is not None and DIGEST_BY_NAME[index.digest].oid == facts.tst_info.imprint.digest_oid
    return index if same else None


def _read_index(found: UnsignedValue) -> HashIndex | None:
    fields = children(read_whole(found.value, asn1.SEQUENCE))
    algorithm = AlgorithmIdentifier(_SHA256)
    if len(fields) == 4:
        algorithm = read_algorithm(fields.pop(0))
    digest = DIGEST_BY_OID.get(algorithm.oid)
    if len(fields) != 3 or digest is None:
        return None
    certificates, crls, unsigned = (_digests(each) for each in fields)
    by_value = found.oid == oids.ID_AA_ATS_HASH_INDEX_V3
    return HashIndex(digest.name, certificates, crls, unsigned, by_value, found.value)


def _digests(node: Node) -> frozenset[bytes]:
    return frozenset(asn1.octet_string(each) for each in children(expect(node, asn1.SEQUENCE)))


def _listed(value: UnsignedValue) -> bytes:
    return encode.oid(value.oid) + value.value
