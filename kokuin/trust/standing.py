"""Who signed a token, and whether the verifier's anchors vouch for him: tokens of one unit have it in common.

Nothing here is about the token's own signature, which is verified for every one.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kokuin.trust.anchors import fingerprint
from kokuin.trust.context import RevocationData
from kokuin.trust.fitness import Constraints, judge_key
from kokuin.trust.horizon import anchor_ends, certificate_ends
from kokuin.trust.name import display
from kokuin.trust.path import CertificatePath, PathVerdict, find_path
from kokuin.trust.path_rules import STAMPING
from kokuin.trust.report import Check, Ending, Status, SubIndication
from kokuin.trust.revocation_sources import carried_revocation, shelves_for
from kokuin.trust.revocation_statement import shelf_of
from kokuin.trust.revocation_status import RevocationJudge
from kokuin.trust.rules import PATH, PATH_ALGORITHMS, Reason
from kokuin.trust.signer import SignerVerdict, identify_signer, naming_attributes
from kokuin.wire.cms import IssuerAndSerial

if TYPE_CHECKING:
    from kokuin.trust.anchors import TrustStore
    from kokuin.trust.certificate import Certificate
    from kokuin.trust.context import Context
    from kokuin.trust.revocation_statement import Shelf
    from kokuin.trust.token import TokenFacts
    from kokuin.wire.cms import Attribute, SignerInfo

_FEW = 8
"""Certificates of a token whose standing is remembered: they are held on to."""
_SHORT = 65_536
"""Octets of these, and of what names the signer among them."""
_NOTHING = RevocationData()
_AGAINST = frozenset({Status.FAILED, Status.INDETERMINATE})


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of whoever signed, whatever the token says and whenever it says that it was made.

    Attributes:
        signer: which certificate it was.
        path: the checks of the path to an anchor; none where no certificate is known.
        revocation: those of its certificates' revocations, likewise.
    """

    signer: SignerVerdict
    path: tuple[Check, ...] = ()
    revocation: tuple[Check, ...] = ()


def judge_standing(
    facts: TokenFacts, certificates: tuple[Certificate, ...], context: Context, constraints: Constraints
) -> Standing:
    """Judge who signed a token, and whether the verifier's anchors vouch for him.

    Args:
        facts: the token.
        certificates: those of the token.
        context: what it is judged by.
        constraints: what its algorithms are judged by.
    """
    info = facts.signer_info
    sid, naming = info.sid, naming_attributes(info)
    policy, proven = constraints.policy, constraints.proven
    shelves = shelves_for(context.revocation, context.beside, carried_revocation(facts))
    *others, last = shelves or (shelf_of(_NOTHING),)
    # All that the answer follows from, beside the last shelf and the claimed time: what is not here must not
    # matter. Attack: by one token of a unit, another one of it passes for another moment or another verifier.
    by = (policy, proven, constraints.known_later, context.revocation_mode)
    key = (sid, naming, certificates, context.trust, *by, *others)
    found = last.recall(key)
    if isinstance(found, Standing):
        return found
    found, constant = _judge(info, certificates, context, constraints, shelves)
    if constant and len(certificates) <= _FEW and _octets(sid, naming, certificates) <= _SHORT:
        last.remember(key, found)
    return found


def candidates(certificates: tuple[Certificate, ...], trust: TrustStore) -> tuple[Certificate, ...]:
    """Return the certificates among which a token's signer is looked for."""
    return (*certificates, *trust.helpers, *trust.anchors)


def _judge(
    info: SignerInfo,
    certificates: tuple[Certificate, ...],
    context: Context,
    constraints: Constraints,
    shelves: tuple[Shelf, ...],
) -> tuple[Standing, bool]:
    """Return the standing, and whether it is the same whenever a token says that it was made.

    That time matters where an algorithm is no longer fit or a certificate was taken back: so of a signer
    whom anything speaks against, or on whose account one path was shunned for another.
    """
    signer = identify_signer(info, candidates(certificates, context.trust), constraints)
    if signer.certificate is None:
        return Standing(signer), False
    judge = RevocationJudge(shelves, context.revocation_mode, constraints)
    path, revocation, shunned = vouch(
        signer.certificate, certificates, context.trust, constraints, judge, purposes=STAMPING
    )
    constant = signer.checks[0].status not in _AGAINST and not shunned
    constant = constant and not any("revoked_at" in check.params for check in revocation)
    return Standing(signer, path, revocation), constant


def vouch(  # noqa: PLR0913  # what a path is judged by
    certificate: Certificate,
    others: tuple[Certificate, ...],
    trust: TrustStore,
    constraints: Constraints,
    judge: RevocationJudge,
    *,
    purposes: frozenset[str],
) -> tuple[tuple[Check, ...], tuple[Check, ...], bool]:
    """Judge whether the verifier's anchors vouch for a certificate.

    Args:
        certificate: the signer's.
        others: further certificates of unknown origin.
        trust: anchors and helpers.
        constraints: what algorithms are judged by.
        judge: of revocations.
        purposes: as `kokuin.trust.path.find_path`.

    Returns:
        The checks of the path, those of revocations, and whether a path was shunned for another.
    """
    revocation = functools.cache(judge.judge)
    algorithms = functools.cache(functools.partial(_judge_algorithms, constraints=constraints))
    shunned: list[CertificatePath] = []

    def is_shunned(path: CertificatePath) -> bool:
        # Of an authority that was certified twice, the certificate that comes first must not decide.
        unfit = algorithms(path).status in _AGAINST
        if unfit or any(check.status in _AGAINST for check in revocation(path)):
            shunned.append(path)
            return True
        return False

    path = find_path(certificate, trust, others, constraints.proven, is_shunned, purposes=purposes)
    joined = () if path.path is None else (algorithms(path.path),)
    return (_judge_path(path, trust), *joined), revocation(path.path), bool(shunned)


def _octets(
    sid: IssuerAndSerial | bytes, naming: tuple[Attribute, ...], certificates: tuple[Certificate, ...]
) -> int:
    named = len(sid.issuer) if isinstance(sid, IssuerAndSerial) else len(sid)
    pinned = sum(len(value) for attribute in naming for value in attribute.values)
    return named + pinned + sum(len(certificate.der) for certificate in certificates)


def _judge_path(verdict: PathVerdict, trust: TrustStore) -> Check:
    if verdict.fault is not None:
        fault = verdict.fault
        return PATH.indeterminate(fault.reason, fault.means, certificate=fault.subject)
    if verdict.path is not None:
        # The anchor's validity is its operator's decision, as in `judge_path`, who may give it dates.
        ends = certificate_ends(Ending.AUTHORITY_EXPIRES, *verdict.path[1:-1])
        trusted = anchor_ends(trust.period_of(verdict.path[-1]), verdict.path[-1])
        names = [display(each.subject) for each in verdict.path]
        # Names are not unique: an auditor's file has to say which certificate was trusted.
        anchor = fingerprint(verdict.path[-1])
        return PATH.ok(path=names, anchor_sha256=anchor).resting_on(*ends, *trusted)
    reason = Reason.NO_PATH if trust.anchors else Reason.NO_ANCHOR
    return PATH.indeterminate(reason, SubIndication.NO_CERTIFICATE_CHAIN_FOUND)


def _judge_algorithms(path: CertificatePath, constraints: Constraints) -> Check:
    """The signatures that join the path; the anchor's own is not relied on."""
    checks = []
    for certificate, issuer in itertools.pairwise(path):
        verdict = certificate.signed_by(issuer.public_key)
        algorithm = certificate.signature_algorithm.oid
        # What is signed names its signer's certificate, and no other above it.
        by = constraints if certificate is path[0] else constraints.for_item(certificate.der)
        checks.append(judge_key(PATH_ALGORITHMS, verdict.key, verdict.digest, algorithm, by))
    ends = tuple(end for check in checks for end in check.ends)
    for status in (Status.FAILED, Status.INDETERMINATE, Status.WEAK):
        for check in checks:
            if check.status is status:
                return replace(check, ends=ends)
    return PATH_ALGORITHMS.ok().resting_on(*ends)
