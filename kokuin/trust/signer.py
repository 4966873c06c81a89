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
from kokuin.trust.rules import SIGNER, Reason
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
    from kokuin.wire.cms import SignerInfo

_ATTRIBUTES = (oids.ID_AA_SIGNING_CERTIFICATE, oids.ID_AA_SIGNING_CERTIFICATE_V2)


@dataclass(frozen=True, slots=True)
class SignerVerdict:
    """The signer's certificate, None when it was not found or is not the one signed for; and the check."""

    certificate: Certificate | None
    check: Check


def identify_signer(
    signer_info: SignerInfo, candidates: Sequence[Certificate], constraints: Constraints
) -> SignerVerdict:
    """Find the signer's certificate among `candidates`.

    Further ids in the attributes name the chain; certificates for them may be absent.
    """
    ids = _read_ids(signer_info)
    if not isinstance(ids, tuple):
        return SignerVerdict(None, ids)
    digests = [judge_digest(SIGNER, found.digest_oid, Role.CERTIFICATE_ID, constraints) for found in ids]
    for found, check in zip(ids, digests, strict=True):
        if check.status is Status.FAILED or found.digest_oid not in DIGEST_BY_OID:
            return SignerVerdict(None, check)
    named = [certificate for certificate in candidates if _named(signer_info.sid, certificate)]
    if not named:
        check = SIGNER.indeterminate(Reason.CERTIFICATE_ABSENT, SubIndication.NO_SIGNING_CERTIFICATE_FOUND)
        return SignerVerdict(None, check)
    for certificate in named:
        if all(_pinned(found, certificate) for found in ids):
            return SignerVerdict(certificate, _judge_strength(digests, certificate))
    check = SIGNER.failed(Reason.CERTIFICATE_DIFFERS, SubIndication.SIG_CONSTRAINTS_FAILURE)
    return SignerVerdict(None, check)


def _judge_strength(digests: list[Check], certificate: Certificate) -> Check:
    """The fittest of the ids decides: each of them alone pins the certificate."""
    shown = display(certificate.subject)
    order = (Status.OK, Status.WEAK, Status.INDETERMINATE)
    best = min(digests, key=lambda check: order.index(check.status))
    ends = tuple(end for check in digests for end in check.ends)
    if best.status is Status.OK:
        return SIGNER.ok(certificate=shown).resting_on(*ends)
    return replace(best, params={**best.params, "certificate": shown}, ends=ends)


def _read_ids(signer_info: SignerInfo) -> tuple[EssCertId, ...] | Check:
    """Return the first id of each signing certificate attribute, or the check that failed."""
    ids = []
    for oid in _ATTRIBUTES:
        values = signer_info.signed_values(oid)
        if values is None:
            continue
        try:
            ids.append(read_signing_certificate(values[0], oid)[0])
        except (WireError, IndexError):
            return SIGNER.failed(Reason.ATTRIBUTE_UNREADABLE, SubIndication.FORMAT_FAILURE, attribute=oid)
    if not ids:
        return SIGNER.failed(Reason.ATTRIBUTE_ABSENT, SubIndication.FORMAT_FAILURE)
    return tuple(ids)


def _named(sid: IssuerAndSerial | bytes, certificate: Certificate) -> bool:
    if isinstance(sid, IssuerAndSerial):
        return sid.serial == certificate.serial and same_name(sid.issuer, certificate.issuer)
    return sid == certificate.subject_key_id


def _pinned(found: EssCertId, certificate: Certificate) -> bool:
    if _digest(DIGEST_BY_OID[found.digest_oid].name, certificate.der) != found.digest:
        return False
    return found.issuer_serial is None or _named(found.issuer_serial, certificate)


@functools.lru_cache(maxsize=256)
def _digest(name: str, der: bytes) -> bytes:
    return DIGEST_BY_NAME[name].of(der)
