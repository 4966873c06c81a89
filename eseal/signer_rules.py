"""What the certificate of a seal must be, and when the seal may have been made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eseal.rules import SEAL_KEY_USAGE, SEAL_TIME, SEAL_VALIDITY, SealReason
from kokuin.trust.certificate import KEY_USAGE_DIGITAL_SIGNATURE, KEY_USAGE_NON_REPUDIATION
from kokuin.trust.horizon import certificate_ends
from kokuin.trust.report import End, Ending, SubIndication, iso_time
from kokuin.trust.rules import Reason
from kokuin.trust.token_checks import CLOCK_SKEW
from kokuin.wire import oids

if TYPE_CHECKING:
    from kokuin.trust.certificate import Certificate
    from kokuin.trust.report import Check, ReportValue

_SIGNING = frozenset({KEY_USAGE_DIGITAL_SIGNATURE, KEY_USAGE_NON_REPUDIATION})
_SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
_CODE_SIGNING = "1.3.6.1.5.5.7.3.3"
_CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"

SEALING = frozenset(
    {
        "1.3.6.1.5.5.7.3.36",  # documentSigning, RFC 9336
        "1.3.6.1.5.5.7.3.4",  # emailProtection
        _CLIENT_AUTH,
        "1.3.6.1.4.1.311.10.3.12",  # Microsoft's document signing
        "1.2.840.113583.1.1.5",  # Adobe's
    }
)
"""Purposes by which authorities limit those below them that may certify seals."""
_NEVER = frozenset({oids.ID_KP_TIME_STAMPING, oids.ID_KP_OCSP_SIGNING})
"""A key that stamps or answers signs what others give it: nothing of that is meant as a seal."""
_OTHERS = frozenset({_SERVER_AUTH, _CODE_SIGNING})

_CHAIN = SubIndication.CHAIN_CONSTRAINTS_FAILURE


def judge_use(certificate: Certificate) -> Check:
    """KeyUsage and extendedKeyUsage: the key was meant to sign documents.

    EN 319 412-2 §4.3.2 wants nonRepudiation of seals; a post-quantum key has its signing bits by RFC 9881 §5.
    Certificates with digitalSignature alone are in wide use, so that is named and passes.
    """
    usage, purposes = certificate.key_usage, certificate.ext_key_usage
    if usage is not None and not usage & _SIGNING:
        return SEAL_KEY_USAGE.indeterminate(SealReason.SEAL_KEY_USAGE, _CHAIN)
    if purposes is not None:
        named = set(purposes.purposes)
        # Certificates of servers have clientAuth beside serverAuth: that alone makes no seal of them.
        if named & _NEVER or (named & _OTHERS and named <= _OTHERS | {_CLIENT_AUTH}):
            return SEAL_KEY_USAGE.indeterminate(SealReason.NOT_FOR_SEALS, _CHAIN)
    if certificate.is_authority:
        if usage is None:
            # Its key may sign certificates: whoever has them signed gets signatures of the key.
            return SEAL_KEY_USAGE.indeterminate(SealReason.NOT_FOR_SEALS, _CHAIN)
        return SEAL_KEY_USAGE.weak(SealReason.NOT_FOR_SEALS)
    if usage is None or KEY_USAGE_NON_REPUDIATION not in usage:
        return SEAL_KEY_USAGE.weak(SealReason.SEAL_KEY_USAGE)
    return SEAL_KEY_USAGE.ok()


def judge_validity(certificate: Certificate, proven: int, at: int, not_before: int | None) -> Check:
    """Judge whether the seal existed while its certificate was valid.

    Args:
        certificate: the signer's.
        proven: the earliest time for which the seal's existence is known, microseconds since 1970 UTC.
        at: validation time, likewise.
        not_before: a time before which it cannot have been made, likewise, by a time-stamp within it; None:
            nothing shows one.
    """
    span: dict[str, ReportValue] = {
        "not_before": iso_time(certificate.not_before),
        "not_after": iso_time(certificate.not_after),
    }
    if not_before is not None and not_before >= certificate.not_after + 1_000_000:
        return SEAL_VALIDITY.failed(SealReason.MADE_TOO_LATE, SubIndication.EXPIRED, **span)
    if certificate.valid_at(proven):
        return SEAL_VALIDITY.ok(**span).resting_on(*certificate_ends(Ending.SEAL_EXPIRES, certificate))
    if proven < certificate.not_before:
        if proven < at:
            # Attack: a certificate of today for a key and a seal of long ago.
            return SEAL_VALIDITY.failed(SealReason.MADE_TOO_EARLY, SubIndication.NOT_YET_VALID, **span)
        return SEAL_VALIDITY.indeterminate(Reason.NOT_YET_VALID, SubIndication.OUT_OF_BOUNDS_NO_POE, **span)
    reason = SealReason.PROVEN_TOO_LATE if proven < at else Reason.EXPIRED
    return SEAL_VALIDITY.indeterminate(reason, SubIndication.OUT_OF_BOUNDS_NO_POE, **span)


def judge_claim(certificate: Certificate, claimed: int | None, proven: int, at: int) -> tuple[Check, ...]:
    """Hold the time that the seal claims against what is known; it counts for nothing by itself.

    Args:
        certificate: the signer's.
        claimed: microseconds since 1970 UTC; None: it claims none.
        proven: as in `judge_validity`.
        at: validation time, likewise.
    """
    if claimed is None:
        return ()
    named = {"claimed": iso_time(claimed)}
    if claimed - CLOCK_SKEW > at:
        order = SubIndication.TIMESTAMP_ORDER_FAILURE
        return (SEAL_TIME.indeterminate(SealReason.CLAIMED_IN_FUTURE, order, **named),)
    if claimed - CLOCK_SKEW > proven:
        return (SEAL_TIME.weak(SealReason.CLAIMED_AFTER_PROOF, proven=iso_time(proven), **named),)
    if not certificate.valid_at(claimed):
        return (SEAL_TIME.weak(SealReason.CLAIMED_OUTSIDE_VALIDITY, **named),)
    return (SEAL_TIME.ok(**named),)


def judge_expiry(expires: int | None, at: int) -> tuple[Check, ...]:
    """Judge whether the signer still wants the seal to be taken.

    Args:
        expires: microseconds since 1970 UTC, from which on he does not; None: he sets no end.
        at: validation time, likewise. When the seal was made does not matter.
    """
    if expires is None:
        return ()
    if at >= expires:
        means = SubIndication.SIG_CONSTRAINTS_FAILURE
        return (SEAL_TIME.indeterminate(SealReason.SEAL_ENDED, means, until=iso_time(expires)),)
    return (SEAL_TIME.ok(until=iso_time(expires)).resting_on(End(expires - 1, Ending.SEAL_ENDS)),)
