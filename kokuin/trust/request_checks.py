"""Whether a token answers the request at hand (RFC 3161 §2.4.2): imprint, nonce, policy and certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.trust.report import SubIndication
from kokuin.trust.rules import (
    REQUEST_CERTIFICATES,
    REQUEST_IMPRINT,
    REQUEST_NONCE,
    REQUEST_POLICY,
    Reason,
)

if TYPE_CHECKING:
    from kokuin.trust.report import Check
    from kokuin.trust.token import TokenFacts
    from kokuin.wire.tsp import TimeStampReq, TSTInfo

_DIFFERS = SubIndication.SIG_CONSTRAINTS_FAILURE


def judge_request(facts: TokenFacts, request: TimeStampReq) -> tuple[Check, ...]:
    """Compare a token with the request that it is said to answer.

    A token for another request may be right in all else: an old answer sent again for the same data is
    found by its nonce alone.
    """
    info = facts.tst_info
    return (
        _judge_imprint(info, request),
        _judge_nonce(info, request),
        _judge_policy(info, request),
        _judge_certificates(facts, request),
    )


def _judge_imprint(info: TSTInfo, request: TimeStampReq) -> Check:
    """The same digest of the same data; parameters are left to the reader of algorithms."""
    imprint = info.imprint
    if (imprint.digest_oid, imprint.value) != (request.digest_oid, request.imprint):
        return REQUEST_IMPRINT.failed(Reason.REQUEST_DIFFERS, SubIndication.HASH_FAILURE)
    return REQUEST_IMPRINT.ok()


def _judge_nonce(info: TSTInfo, request: TimeStampReq) -> Check:
    if request.nonce is None:
        if info.nonce is not None:
            # No clause forbids it; a token that was made for another request looks like this.
            return REQUEST_NONCE.weak(Reason.NONCE_NOT_SENT)
        return REQUEST_NONCE.ok(present=False)
    if info.nonce is None:
        return REQUEST_NONCE.failed(Reason.NONCE_ABSENT, _DIFFERS)
    if info.nonce != request.nonce:
        return REQUEST_NONCE.failed(Reason.REQUEST_DIFFERS, _DIFFERS)
    return REQUEST_NONCE.ok(present=True)


def _judge_policy(info: TSTInfo, request: TimeStampReq) -> Check:
    if request.policy is not None and request.policy != info.policy:
        return REQUEST_POLICY.failed(Reason.REQUEST_DIFFERS, _DIFFERS)
    return REQUEST_POLICY.ok(present=request.policy is not None)


def _judge_certificates(facts: TokenFacts, request: TimeStampReq) -> Check:
    """CertReq changes no verdict: certificates can be added or taken away without breaking the signature."""
    present = bool(facts.signed_data.certificates)
    if request.cert_req and not present:
        return REQUEST_CERTIFICATES.weak(Reason.CERTIFICATES_NOT_SENT)
    if present and not request.cert_req:
        return REQUEST_CERTIFICATES.weak(Reason.CERTIFICATES_NOT_ASKED)
    return REQUEST_CERTIFICATES.ok(asked=request.cert_req)
