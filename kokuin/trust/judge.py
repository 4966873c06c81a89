"""A time-stamp token judged: facts first, then checks in a fixed order, then one report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kokuin.trust import token_checks
from kokuin.trust.certificate import Certificate, read_certificate
from kokuin.trust.fitness import Constraints, judge_key, judge_parameters
from kokuin.trust.horizon import find_end
from kokuin.trust.report import (
    Check,
    Indication,
    Limit,
    Report,
    ReportValue,
    Status,
    SubIndication,
    conclude,
    earliest,
)
from kokuin.trust.request_checks import judge_request
from kokuin.trust.revocation_sources import carried_certificates
from kokuin.trust.rules import (
    IMPRINT_ALGORITHM,
    REVOCATION,
    SIGNATURE,
    SIGNATURE_ALGORITHM,
    Reason,
)
from kokuin.trust.signer import identify_signer
from kokuin.trust.standing import Standing, candidates, judge_standing
from kokuin.trust.token import TokenFacts, read_token
from kokuin.trust.token_subject import describe
from kokuin.trust.unit_rules import judge_unit
from kokuin.wire.algorithms import DIGEST_BY_OID
from kokuin.wire.errors import WireError
from pqc.verifying import SignatureOutcome, SignatureVerdict, verify_signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kokuin.trust.context import Context
    from kokuin.trust.rules import Rule
    from kokuin.wire.algorithms import AlgorithmIdentifier
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
    standing = judge_standing(facts, certificates, context, _constraints(facts, context))
    signer = standing.signer.certificate
    signature = None if signer is None else verify_signer_info(facts.signer_info, signer)
    signed = _judge_signer(facts, standing, context, signature)
    checks = (*before, *_judge_statements(facts, context), *signed)
    limits = (Limit.CERTIFICATES_IGNORED,) if ignored else ()

    def again(at: int) -> tuple[Check, ...]:
        # Whether data and request fit, and the signature, does not depend on the time, nor who made it.
        later = replace(context, at=at, proven=None, content=None, request=None, known_later=())
        standing = judge_standing(facts, certificates, later, _constraints(facts, later))
        return (*_judge_statements(facts, later), *_judge_signer(facts, standing, later, signature))

    # What an earlier proof of existence shows, it shows as long as the proof itself holds, and the imprint.
    ending = again if context.existence == context.at else None
    report = make_report(describe(facts, signer), context, checks, limits, ending)
    if ending is not None or report.indication is not Indication.PASSED:
        return report
    ends = (end for check in checks if check.id == IMPRINT_ALGORITHM.id for end in check.ends)
    return replace(report, verifiable_until=earliest(ends))


def find_signer(facts: TokenFacts, context: Context) -> Certificate | None:
    """Return the certificate under which a token was signed; None when it is not at hand."""
    certificates, _ = _read_certificates(carried_certificates(facts))
    among = candidates(certificates, context.trust)
    return identify_signer(facts.signer_info, among, _constraints(facts, context)).certificate


def make_report(
    subject: dict[str, ReportValue],
    context: Context,
    checks: tuple[Check, ...],
    limits: tuple[Limit, ...] = (),
    again: Callable[[int], tuple[Check, ...]] | None = None,
) -> Report:
    """Draw the conclusion from the checks; what was not done becomes a limit.

    Args:
        subject: what the object says of itself.
        context: what it was judged by.
        checks: in the order they were made.
        limits: what else was not looked at.
        again: makes the checks for another moment, to find until when they pass; None: nobody asks.
    """
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
        verifiable_until=find_end(checks, again) if again and indication is Indication.PASSED else None,
    )


def _constraints(facts: TokenFacts, context: Context) -> Constraints:
    claimed = facts.tst_info.gen_time.microseconds
    return Constraints(context.policy, context.existence, claimed, context.known_later)


def _read_certificates(octets: Iterable[bytes]) -> tuple[tuple[Certificate, ...], bool]:
    """Return the certificates that can be read, and whether any was left out."""
    found = list(dict.fromkeys(octets))
    certificates = []
    for der in found[:MAX_CERTIFICATES]:
        try:
            certificates.append(read_certificate(der))
        except WireError:
            continue
    return tuple(certificates), len(certificates) < len(found)


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
        _judge_binding(facts, context),
        token_checks.judge_imprint(facts, context.content),
        *(() if context.request is None else judge_request(facts, context.request)),
        token_checks.judge_time(facts, context.at),
        *token_checks.judge_signing_time(facts),
    )


def _judge_binding(facts: TokenFacts, context: Context) -> Check:
    """Check the digest over the stamped data for as long as nothing else proves the data.

    Attack: two documents of one digest, once somebody can make them: that token and evidence are genuine does
    not say which of them was stamped.
    """
    binding, claimed = context.binding, facts.tst_info.gen_time.microseconds
    check = token_checks.judge_imprint_algorithm(facts, Constraints(context.policy, binding, claimed))
    if check.reason == Reason.NO_LONGER_FIT and context.existence < binding:
        params = {name: check.params[name] for name in ("algorithm", "until")}
        return IMPRINT_ALGORITHM.indeterminate(
            Reason.BINDING_NO_LONGER_FIT, SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE, **params
        )
    return check if context.bound is None else replace(check, ends=())


def _judge_signer(
    facts: TokenFacts, standing: Standing, context: Context, signature: SignatureVerdict | None
) -> tuple[Check, ...]:
    """Check who signed, with which key, and whether the verifier's anchors vouch for it at the time.

    Args:
        facts: the token.
        standing: of who is said to have signed.
        context: what it is judged by.
        signature: what it turned out to be by the key of whoever is said to have signed.
    """
    signer = standing.signer
    if signer.certificate is None:
        return signer.checks
    return (
        *signer.checks,
        *judge_signature(
            SIGNATURE, facts.signer_info.signature_algorithm, signature, _constraints(facts, context)
        ),
        *standing.path,
        *judge_unit(signer.certificate, facts.tst_info, context.existence),
        *standing.revocation,
    )


def judge_signature(
    rule: Rule, algorithm: AlgorithmIdentifier, verdict: SignatureVerdict | None, constraints: Constraints
) -> tuple[Check, ...]:
    """Check a signature that was verified, and whether its algorithm and key are fit.

    Args:
        rule: the check of the signature.
        algorithm: its signatureAlgorithm.
        verdict: what it turned out to be; None where nothing was signed, which another check says.
        constraints: what its algorithms are judged by.
    """
    if verdict is None:
        return ()
    if verdict.outcome is SignatureOutcome.VALID:
        signature = rule.ok()
    elif verdict.outcome is SignatureOutcome.UNSUPPORTED:
        signature = rule.indeterminate(
            Reason.ALGORITHM_UNKNOWN, SubIndication.CRYPTO_CONSTRAINTS_FAILURE, algorithm=algorithm.oid
        )
    else:
        malformed = verdict.outcome is SignatureOutcome.MALFORMED
        reason = Reason.SIGNATURE_MALFORMED if malformed else Reason.SIGNATURE_INVALID
        signature = rule.failed(reason, SubIndication.SIG_CRYPTO_FAILURE)
    fitness = judge_parameters(algorithm) or judge_key(
        SIGNATURE_ALGORITHM, verdict.key, verdict.digest, algorithm.oid, constraints
    )
    return signature, fitness


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
