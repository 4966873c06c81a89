"""Which certificate made the signature: named by the SignerInfo, and pinned by its digest.

The sid alone can be claimed by any certificate that somebody puts into the
token; the signing certificate attribute is signed, so it decides (RFC 5035 §5.4).
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.trust.baseline import REFUSED_DIGESTS, WEAK_DIGESTS
from kokuin.trust.name import display, same_name
from kokuin.trust.report import SubIndication
from kokuin.trust.rules import SIGNER, Reason
from kokuin.wire import oids
from kokuin.wire.algorithms import DIGEST_BY_OID
from kokuin.wire.cms import IssuerAndSerial
from kokuin.wire.errors import WireError
from kokuin.wire.ess import EssCertId, read_signing_certificate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kokuin.trust.certificate import Certificate
    from kokuin.trust.report import Check
    from kokuin.wire.cms import SignerInfo

_ATTRIBUTES = (oids.ID_AA_SIGNING_CERTIFICATE, oids.ID_AA_SIGNING_CERTIFICATE_V2)


@dataclass(frozen=True, slots=True)
class SignerVerdict:
    """The signer's certificate, None when it was not found or is not the one signed for; and the check."""

    certificate: Certificate | None
    check: Check


def identify_signer(signer_info: SignerInfo, candidates: Sequence[Certificate]) -> SignerVerdict:
    """Find the signer's certificate among `candidates`.

    Further ids in the attributes name the chain; certificates for them may be absent.
    """
    ids = _read_ids(signer_info)
    if not isinstance(ids, tuple):
        return SignerVerdict(None, ids)
    bad = next((check for check in map(_judge_digest, ids) if check), None)
    if bad is not None:
        return SignerVerdict(None, bad)
    named = [certificate for certificate in candidates if _named(signer_info.sid, certificate)]
    if not named:
        check = SIGNER.indeterminate(Reason.CERTIFICATE_ABSENT, SubIndication.NO_SIGNING_CERTIFICATE_FOUND)
        return SignerVerdict(None, check)
    for certificate in named:
        if all(_pinned(found, certificate) for found in ids):
            return SignerVerdict(certificate, _judge_strength(ids, certificate))
    check = SIGNER.failed(Reason.CERTIFICATE_DIFFERS, SubIndication.SIG_CONSTRAINTS_FAILURE)
    return SignerVerdict(None, check)


def _judge_digest(found: EssCertId) -> Check | None:
    """Return the check that fails because of the digest over the certificate."""
    means = SubIndication.CRYPTO_CONSTRAINTS_FAILURE
    digest = DIGEST_BY_OID.get(found.digest_oid)
    if digest is None:
        return SIGNER.indeterminate(Reason.DIGEST_UNKNOWN, means, algorithm=found.digest_oid)
    if digest.name in REFUSED_DIGESTS:
        return SIGNER.failed(Reason.DIGEST_REFUSED, means, algorithm=digest.name)
    return None


def _judge_strength(ids: tuple[EssCertId, ...], certificate: Certificate) -> Check:
    names = [DIGEST_BY_OID[found.digest_oid].name for found in ids]
    shown = display(certificate.subject)
    if WEAK_DIGESTS.issuperset(names):
        return SIGNER.weak(Reason.DIGEST_WEAK, algorithm=names[0], certificate=shown)
    return SIGNER.ok(certificate=shown)


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
    return hashlib.new(name, der, usedforsecurity=False).digest()
