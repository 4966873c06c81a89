"""A time-stamp token judged: facts first, then checks in a fixed order, then one report."""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from kokuin.trust import token_checks
from kokuin.trust.certificate import Certificate, read_certificate
from kokuin.trust.fitness import Constraints, judge_key, judge_parameters
from kokuin.trust.horizon import anchor_ends, certificate_ends, find_end
from kokuin.trust.name import display
from kokuin.trust.path import CertificatePath, PathVerdict, find_path
from kokuin.trust.report import (
    Check,
    Ending,
    Indication,
    Limit,
    Report,
    ReportValue,
    Status,
    SubIndication,
    conclude,
)
from kokuin.trust.request_checks import judge_request
from kokuin.trust.revocation_sources import carried_certificates
from kokuin.trust.revocation_status import RevocationJudge
from kokuin.trust.rules import (
    PATH,
    PATH_ALGORITHMS,
    REVOCATION,
    SIGNATURE,
    SIGNATURE_ALGORITHM,
    Reason,
)
from kokuin.trust.signer import SignerVerdict, identify_signer
from kokuin.trust.token import TokenFacts, read_token
from kokuin.trust.token_subject import describe
from kokuin.trust.unit_rules import judge_unit
from kokuin.wire.algorithms import DIGEST_BY_OID
from kokuin.wire.errors import WireError
from pqc.verifying import SignatureOutcome, SignatureVerdict, verify_signature

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kokuin.trust.context import Context
    from kokuin.wire.cms import SignerInfo

KIND = "timestamp-token"
MAX_CERTIFICATES = 64
"""Certificates of a token that are looked at; real ones carry up to five."""


def judge_token(octets: bytes, context: Context, before: tuple[Check, ...] = ()) -> Report:
    """Judge a TimeStampToken; whatever the octets are, the outcome is a report.

    Args:
        octets: as `kokuin.wire.ber.definite` returned them.
        context: what it is judged by.
        before: the checks of what enclosed it.
    """
    facts = read_token(octets)
    if isinstance(facts, Check):
        return make_report({}, context, (*before, facts))
    certificates, ignored = _read_certificates(carried_certificates(facts))
    verdict = _identify(facts, certificates, context)
    signer = verdict.certificate
    signature = None if signer is None else verify_signer_info(facts.signer_info, signer)
    signed = _judge_signer(facts, verdict, certificates, context, signature)
    checks = (*before, *_judge_statements(facts, context), *signed)
    limits = (Limit.CERTIFICATES_IGNORED,) if ignored else ()
    report = make_report(describe(facts, verdict.certificate), context, checks, limits)

    def again(at: int) -> tuple[Check, ...]:
        # Whether data and request fit, and the signature, does not depend on the time, nor who made it.
        later = replace(context, at=at, proven=None, content=None, request=None)
        verdict = _identify(facts, certificates, later)
        signed = _judge_signer(facts, verdict, certificates, later, signature)
        return (*_judge_statements(facts, later), *signed)

    if report.indication is not Indication.PASSED or context.existence < context.at:
        return report  # what an earlier proof of existence shows, it shows as long as the proof itself holds
    return replace(report, verifiable_until=find_end(report.checks, again))


def find_signer(facts: TokenFacts, context: Context) -> Certificate | None:
    """Return the certificate under which a token was signed; None when it is not at hand."""
    certificates, _ = _read_certificates(carried_certificates(facts))
    return _identify(facts, certificates, context).certificate


def make_report(
    subject: dict[str, ReportValue],
    context: Context,
    checks: tuple[Check, ...],
    limits: tuple[Limit, ...] = (),
) -> Report:
    """Draw the conclusion from the checks; what was not done becomes a limit."""
    indication, sub_indication = conclude(checks)
    undone = tuple(
        Limit.REVOCATION_NOT_CHECKED if check.id == REVOCATION.id else Limit.CONTENT_NOT_COMPARED
        for check in checks
        if check.status is Status.NOT_DONE
    )
    return Report(
        KIND,
        subject,
        indication,
        sub_indication,
        context.at,
        checks,
        tuple(dict.fromkeys((*undone, *limits))),
        policy=context.policy,
    )


def _constraints(facts: TokenFacts, context: Context) -> Constraints:
    return Constraints(context.policy, context.existence, facts.tst_info.gen_time.microseconds)


def _read_certificates(octets: Iterable[bytes]) -> tuple[list[Certificate], bool]:
    """Return the certificates that can be read, and whether any was left out."""
    found = list(dict.fromkeys(octets))
    certificates = []
    for der in found[:MAX_CERTIFICATES]:
        try:
            certificates.append(read_certificate(der))
        except WireError:
            continue
    return certificates, len(certificates) < len(found)


def _judge_statements(facts: TokenFacts, context: Context) -> tuple[Check, ...]:
    """Check what the token says, whoever signed it."""
    constraints = _constraints(facts, context)
    return (
        token_checks.judge_versions(facts),
        token_checks.judge_tst_info(facts),
        token_checks.judge_content_type(facts.signer_info),
        token_checks.judge_message_digest(facts),
        token_checks.judge_algorithm_protection(facts.signer_info),
        token_checks.judge_digest_algorithm(facts.signer_info, constraints),
        token_checks.judge_imprint_algorithm(facts, constraints),
        token_checks.judge_imprint(facts, context.content),
        *(() if context.request is None else judge_request(facts, context.request)),
        token_checks.judge_time(facts, context.at),
        *token_checks.judge_signing_time(facts),
    )


def _judge_signer(
    facts: TokenFacts,
    verdict: SignerVerdict,
    certificates: list[Certificate],
    context: Context,
    signature: SignatureVerdict | None,
) -> tuple[Check, ...]:
    """Check who signed, with which key, and whether the verifier's anchors vouch for it at the time.

    Args:
        facts: the token.
        verdict: who is said to have signed.
        certificates: those of the token.
        context: what it is judged by.
        signature: what it turned out to be by the key of whoever is said to have signed.
    """
    trust, constraints = context.trust, _constraints(facts, context)
    if verdict.certificate is None:
        return verdict.checks
    signer = verdict.certificate
    revocation = RevocationJudge(context, facts, constraints)
    algorithms = functools.cache(functools.partial(_judge_path_algorithms, constraints=constraints))

    def is_shunned(path: CertificatePath) -> bool:
        # Of an authority that was certified twice, the certificate that comes first must not decide.
        unfit = algorithms(path).status in {Status.FAILED, Status.INDETERMINATE}
        return unfit or revocation.speaks_against(path)

    path = find_path(signer, trust, certificates, context.existence, is_shunned)
    return (
        *verdict.checks,
        *_judge_signature(facts, signature, constraints),
        _judge_path(path, context),
        *(() if path.path is None else (algorithms(path.path),)),
        *judge_unit(signer, facts.tst_info, context.existence),
        *revocation.judge(path.path),
    )


def _identify(facts: TokenFacts, certificates: list[Certificate], context: Context) -> SignerVerdict:
    candidates = (*certificates, *context.trust.helpers, *context.trust.anchors)
    return identify_signer(facts.signer_info, candidates, _constraints(facts, context))


def _judge_signature(
    facts: TokenFacts, verdict: SignatureVerdict | None, constraints: Constraints
) -> tuple[Check, ...]:
    info = facts.signer_info
    if verdict is None:
        return ()  # without signed attributes the attribute checks have failed already
    if verdict.outcome is SignatureOutcome.VALID:
        signature = SIGNATURE.ok()
    elif verdict.outcome is SignatureOutcome.UNSUPPORTED:
        signature = SIGNATURE.indeterminate(
            Reason.ALGORITHM_UNKNOWN,
            SubIndication.CRYPTO_CONSTRAINTS_FAILURE,
            algorithm=info.signature_algorithm.oid,
        )
    else:
        malformed = verdict.outcome is SignatureOutcome.MALFORMED
        reason = Reason.SIGNATURE_MALFORMED if malformed else Reason.SIGNATURE_INVALID
        signature = SIGNATURE.failed(reason, SubIndication.SIG_CRYPTO_FAILURE)
    algorithm = judge_parameters(info.signature_algorithm) or judge_key(
        SIGNATURE_ALGORITHM, verdict.key, verdict.digest, info.signature_algorithm.oid, constraints
    )
    return signature, algorithm


def verify_signer_info(info: SignerInfo, signer: Certificate) -> SignatureVerdict | None:
    """Verify the signature over signed attributes with a certificate's key; None where there are none."""
    digest = DIGEST_BY_OID.get(info.digest_algorithm.oid)
    verdict = None
    for message in info.signed_octets():
        verdict = verify_signature(
            public_key_der=signer.public_key,
            algorithm=info.signature_algorithm,
            digest=None if digest is None else digest.name,
            message=message,
            signature=info.signature,
        )
        if verdict.outcome is not SignatureOutcome.INVALID:
            break
    return verdict


def _judge_path(verdict: PathVerdict, context: Context) -> Check:
    if verdict.fault is not None:
        fault = verdict.fault
        return PATH.indeterminate(fault.reason, fault.means, certificate=fault.subject)
    if verdict.path is not None:
        # The anchor's validity is its operator's decision, as in `judge_path`, who may give it dates.
        ends = certificate_ends(Ending.AUTHORITY_EXPIRES, *verdict.path[1:-1])
        trusted = anchor_ends(context.trust.period_of(verdict.path[-1]), verdict.path[-1])
        names = [display(each.subject) for each in verdict.path]
        return PATH.ok(path=names).resting_on(*ends, *trusted)
    reason = Reason.NO_PATH if context.trust.anchors else Reason.NO_ANCHOR
    return PATH.indeterminate(reason, SubIndication.NO_CERTIFICATE_CHAIN_FOUND)


def _judge_path_algorithms(path: CertificatePath, constraints: Constraints) -> Check:
    """The signatures that join the path; the anchor's own is not relied on."""
    checks = []
    for certificate, issuer in itertools.pairwise(path):
        verdict = certificate.signed_by(issuer.public_key)
        algorithm = certificate.signature_algorithm.oid
        checks.append(judge_key(PATH_ALGORITHMS, verdict.key, verdict.digest, algorithm, constraints))
    ends = tuple(end for check in checks for end in check.ends)
    for status in (Status.FAILED, Status.INDETERMINATE, Status.WEAK):
        for check in checks:
            if check.status is status:
                return replace(check, ends=ends)
    return PATH_ALGORITHMS.ok().resting_on(*ends)
