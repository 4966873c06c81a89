"""Several signatures over one content that belong together: the multiple-signatures attribute (RFC 5752).

Each signature names the others, by their algorithms, their certificate and the digest of their signed
attributes, under its own signature. Whoever takes one away, because he can forge another one, is found out by
what is left; so is whoever puts something in its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eseal.rules import SEAL_REQUIRED, SealReason
from eseal.values import MAX_SEALS
from kokuin.trust.report import SubIndication
from kokuin.trust.rules import Reason
from kokuin.trust.signer import is_pinned
from kokuin.wire import asn1, encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, DIGEST_BY_OID
from kokuin.wire.cms import encode_attribute
from kokuin.wire.der import Fields, children, read_whole
from kokuin.wire.errors import WireError
from kokuin.wire.ess import encode_certificate_id, read_certificate_id
from kokuin.wire.tsp import read_algorithm
from pqc.suites import SUITES
from pqc.verifying import key_facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eseal.cms_template import CmsTemplate
    from kokuin.trust.certificate import Certificate
    from kokuin.trust.report import Check
    from kokuin.wire.algorithms import AlgorithmIdentifier
    from kokuin.wire.cms import SignerInfo
    from kokuin.wire.der import Node
    from kokuin.wire.ess import EssCertId


@dataclass(frozen=True, slots=True)
class NamedSignature:
    """What a signature says of another one.

    Attributes:
        digest: digestAlgorithm of the other's SignerInfo.
        algorithm: its signatureAlgorithm.
        attributes_digest: dotted OID of a digest, and its value over the other's signed attributes.
        certificate: the other's; None when it is not named.
    """

    digest: AlgorithmIdentifier
    algorithm: AlgorithmIdentifier
    attributes_digest: tuple[str, bytes]
    certificate: EssCertId | None


@dataclass(frozen=True, slots=True)
class Required:
    """Key names of all that must have signed (`pqc.suites.Suite.key`), and the check of who did."""

    keys: tuple[str, ...]
    checks: tuple[Check, ...]


def name_others(template: CmsTemplate, others: Sequence[tuple[CmsTemplate, bytes]]) -> bytes:
    """Attribute multiple-signatures (DER): one value for each of the other signatures (§3).

    Args:
        template: of the signature that names.
        others: of each of the others, with its signed attributes as they are without this attribute.
    """
    own = template.key.signer.suite
    values = []
    for other, attributes in others:
        suite = other.key.signer.suite
        covered = encode.sequence(
            encode.algorithm(own.digest_algorithm),
            encode.octet_string(DIGEST_BY_NAME[own.digest].of(attributes)),
        )
        named = encode_certificate_id(other.key.certificate, other.named, suite.digest_algorithm)
        digest, algorithm = encode.algorithm(suite.digest_algorithm), encode.algorithm(suite.algorithm)
        values.append(encode.sequence(digest, algorithm, covered, named))
    return encode_attribute(oids.ID_AA_MULTIPLE_SIGNATURES, *values)


class Signatures:
    """The signatures of one document, and what they say of each other."""

    def __init__(self, found: Sequence[tuple[SignerInfo, Certificate | None]]) -> None:
        """Args: every SignerInfo with its certificate, where that is known."""
        self._found = found
        self._digests: dict[tuple[int, str], bytes] = {}

    def required_by(self, place: int) -> Required:
        """Hold what the signature at a place says of the others against those that are there."""
        info, signer = self._found[place]
        if all(each.oid != oids.ID_AA_MULTIPLE_SIGNATURES for each in info.signed_attributes or ()):
            return Required((), ())
        named = _read_all(info)
        if not named:
            means = SubIndication.FORMAT_FAILURE
            return Required((), (SEAL_REQUIRED.failed(Reason.ATTRIBUTE_UNREADABLE, means),))
        keys, absent = {_key_name(info, signer)}, []
        for each in named:
            other = next((at for at in range(len(self._found)) if at != place and self._is(each, at)), None)
            name = _key_of(each.algorithm) if other is None else _key_name(*self._found[other])
            keys.add(name)
            absent += [name] if other is None else []
        checks: tuple[Check, ...] = ()
        if absent:
            means = SubIndication.SIG_CONSTRAINTS_FAILURE
            reason = SealReason.REQUIRED_SEAL_ABSENT
            checks = (SEAL_REQUIRED.failed(reason, means, algorithms=sorted(absent)),)
        return Required(tuple(sorted(keys)), checks)

    def _is(self, named: NamedSignature, place: int) -> bool:
        info, signer = self._found[place]
        if (
            named.digest.oid != info.digest_algorithm.oid
            or named.algorithm.oid != info.signature_algorithm.oid
        ):
            return False
        oid, over = named.attributes_digest
        if oid not in DIGEST_BY_OID or self._digest(place, oid) != over:
            return False
        if named.certificate is None:
            return True
        known = named.certificate.digest_oid in DIGEST_BY_OID
        return signer is not None and known and is_pinned(named.certificate, signer)

    def _digest(self, place: int, oid: str) -> bytes:
        """Digest of signed attributes without this one, which cannot cover itself (§4.3)."""
        if (place, oid) not in self._digests:
            signed = self._found[place][0].signed_attributes_der or encode.set_of()
            kept = (each.octets for each in children(read_whole(signed, asn1.SET)) if not _names_others(each))
            self._digests[place, oid] = DIGEST_BY_OID[oid].of(encode.set_of(*kept))
        return self._digests[place, oid]


def _read_all(info: SignerInfo) -> list[NamedSignature]:
    """Return what is said of other signatures; nothing where any of it cannot be read, or is too much."""
    values = info.signed_values(oids.ID_AA_MULTIPLE_SIGNATURES) or ()
    try:
        return [_read(each) for each in values] if len(values) < MAX_SEALS else []
    except WireError:
        return []


def _read(value: bytes) -> NamedSignature:
    fields = Fields(read_whole(value, asn1.SEQUENCE))
    digest = read_algorithm(fields.take_any())
    algorithm = read_algorithm(fields.take_any())
    covered = Fields(fields.take(asn1.SEQUENCE))
    by, over = read_algorithm(covered.take_any()), asn1.octet_string(covered.take_any())
    covered.finish()
    certificate = fields.optional(asn1.SEQUENCE)
    fields.finish()
    named = None if certificate is None else read_certificate_id(certificate)
    return NamedSignature(digest, algorithm, (by.oid, over), named)


def _names_others(attribute: Node) -> bool:
    return asn1.oid(children(attribute)[0]) == oids.ID_AA_MULTIPLE_SIGNATURES


def _key_name(info: SignerInfo, signer: Certificate | None) -> str:
    facts = None if signer is None else key_facts(signer.public_key)
    return _key_of(info.signature_algorithm) if facts is None else facts.name


def _key_of(algorithm: AlgorithmIdentifier) -> str:
    """Name a key by its signatures alone, as well as that can be done."""
    found = (each.key for each in SUITES.values() if each.issue and each.algorithm.oid == algorithm.oid)
    return next(found, algorithm.oid)
