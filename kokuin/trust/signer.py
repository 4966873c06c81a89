"""Which certificate made the signature: named by the SignerInfo, and pinned by its digest.

The sid alone can be claimed by any certificate that somebody puts into the
token; the signing certificate attribute is signed, so it decides (RFC 5035 §5.4).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kokuin.trust.fitness import judge_digest
from kokuin.trust.name import display, same_name
from kokuin.trust.report import Status, SubIndication
from kokuin.trust.rules import CERTIFICATE_IDS, SIGNER, Reason
from kokuin.wire import oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, DIGEST_BY_OID
from kokuin.wire.cms import IssuerAndSerial
from kokuin.wire.errors import WireError
from kokuin.wire.ess import EssCertId, read_signing_certificate
from pqc.policies import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kokuin.trust.certificate import Certificate
    from kokuin.trust.fitness import Constraints
    from kokuin.trust.report import Check
    from kokuin.wire.cms import Attribute, SignerInfo

MAX_FURTHER_IDS = 32
"""Ids after the first that are looked at; real tokens have two or three."""

_ATTRIBUTES = (oids.ID_AA_SIGNING_CERTIFICATE, oids.ID_AA_SIGNING_CERTIFICATE_V2)


@dataclass(frozen=True, slots=True)
class SignerVerdict:
    """What is known of the signer.

    Attributes:
        certificate: None when it was not found or is not the one signed for.
        checks: first of the signer, then of further certificates that are named, where there are any.
    """

    certificate: Certificate | None
    checks: tuple[Check, ...]


def identify_signer(
    signer_info: SignerInfo, candidates: Sequence[Certificate], constraints: Constraints
) -> SignerVerdict:
    """Find the signer's certificate among `candidates`.

    Further ids in the attributes name the chain; certificates for them may be absent.
    """
    attributes = read_ids(naming_attributes(signer_info))
    if not isinstance(attributes, tuple):
        return SignerVerdict(None, (attributes,))
    ids = [found[0] for found in attributes]
    digests = [judge_digest(SIGNER, found.digest_oid, Role.CERTIFICATE_ID, constraints) for found in ids]
    for found, check in zip(ids, digests, strict=True):
        if check.status is Status.FAILED or found.digest_oid not in DIGEST_BY_OID:
            return SignerVerdict(None, (check,))
    named = all_named(signer_info.sid, candidates)
    if not named:
        check = SIGNER.indeterminate(Reason.CERTIFICATE_ABSENT, SubIndication.NO_SIGNING_CERTIFICATE_FOUND)
        return SignerVerdict(None, (check,))
    for certificate in named:
        if all(is_pinned(found, certificate) for found in ids):
            further = [found for attribute in attributes for found in attribute[1:]]
            checks = (_judge_strength(digests, certificate), *_judge_further(further, candidates))
            return SignerVerdict(certificate, checks)
    check = SIGNER.failed(Reason.CERTIFICATE_DIFFERS, SubIndication.SIG_CONSTRAINTS_FAILURE)
    return SignerVerdict(None, (check,))


def naming_attributes(signer_info: SignerInfo) -> tuple[Attribute, ...]:
    """Return the signed attributes that pin the signer's certificate: beside the sid, all that names it."""
    return tuple(each for each in signer_info.signed_attributes or () if each.oid in _ATTRIBUTES)


def _judge_strength(digests: list[Check], certificate: Certificate) -> Check:
    """The fittest of the ids decides: each of them alone pins the certificate."""
    shown = display(certificate.subject)
    order = (Status.OK, Status.WEAK, Status.INDETERMINATE)
    best = min(digests, key=lambda check: order.index(check.status))
    ends = tuple(end for check in digests for end in check.ends)
    if best.status is Status.OK:
        return SIGNER.ok(certificate=shown).resting_on(*ends)
    return replace(best, params={**best.params, "certificate": shown}, ends=ends)


def _judge_further(ids: list[EssCertId], candidates: Sequence[Certificate]) -> tuple[Check, ...]:
    """Hold the ids after the first against the certificates that they name.

    RFC 5035 §5.4 lets them limit the path. Authorities send ids of certificates that nobody has, and have
    their own issuers certified anew: what decides is the path to the verifier's anchor. An id of a
    certificate that is here, and is another one, is named.
    """
    if not ids:
        return ()
    by_serial: dict[int, list[Certificate]] = {}
    for certificate in candidates:
        by_serial.setdefault(certificate.serial, []).append(certificate)
    for found in ids[:MAX_FURTHER_IDS]:
        if found.issuer_serial is None or found.digest_oid not in DIGEST_BY_OID:
            continue
        named = [each for each in by_serial.get(found.issuer_serial.serial, ()) if _is_of(found, each)]
        if named and not any(is_pinned(found, certificate) for certificate in named):
            return (CERTIFICATE_IDS.weak(Reason.CHAIN_DIFFERS, certificate=display(named[0].subject)),)
    return (CERTIFICATE_IDS.ok(count=len(ids)),)


def _is_of(found: EssCertId, certificate: Certificate) -> bool:
    return found.issuer_serial is not None and _named(found.issuer_serial, certificate)


def read_ids(naming: tuple[Attribute, ...]) -> tuple[tuple[EssCertId, ...], ...] | Check:
    """Return the ids of each signing certificate attribute, or the check that failed.

    RFC 5035 §3: one instance of an attribute at most, with one value; a second one could say otherwise.
    """
    attributes = []
    for oid in _ATTRIBUTES:
        found = [attribute.values for attribute in naming if attribute.oid == oid]
        if not found:
            continue
        if len(found) != 1 or len(found[0]) != 1:
            return SIGNER.failed(Reason.ATTRIBUTE_ABSENT, SubIndication.FORMAT_FAILURE)
        try:
            attributes.append(read_signing_certificate(found[0][0], oid))
        except WireError:
            return SIGNER.failed(Reason.ATTRIBUTE_UNREADABLE, SubIndication.FORMAT_FAILURE, attribute=oid)
    if not attributes:
        return SIGNER.failed(Reason.ATTRIBUTE_ABSENT, SubIndication.FORMAT_FAILURE)
    return tuple(attributes)


def all_named(sid: IssuerAndSerial | bytes, candidates: Sequence[Certificate]) -> list[Certificate]:
    """Return the certificates that the sid of a SignerInfo names; anybody may have claimed that name."""
    if isinstance(sid, IssuerAndSerial):
        # A store has hundreds of certificates, of which the number leaves next to none.
        candidates = [certificate for certificate in candidates if certificate.serial == sid.serial]
    return [certificate for certificate in candidates if _named(sid, certificate)]


def _named(sid: IssuerAndSerial | bytes, certificate: Certificate) -> bool:
    if isinstance(sid, IssuerAndSerial):
        return sid.serial == certificate.serial and same_name(sid.issuer, certificate.issuer)
    return sid == certificate.subject_key_id


def is_pinned(found: EssCertId, certificate: Certificate) -> bool:
    """Whether an id is a certificate's: by its digest, a known one, and by its issuer where that is named."""
    if _digest(DIGEST_BY_OID[found.digest_oid].name, certificate.der) != found.digest:
        return False
    return found.issuer_serial is None or _named(found.issuer_serial, certificate)


@functools.lru_cache(maxsize=256)
def _digest(name: str, der: bytes) -> bytes:
    return DIGEST_BY_NAME[name].of(der)
