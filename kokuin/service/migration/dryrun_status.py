"""What becomes of the tokens that exist: their verdict today and at every date, and what to renew by when.

The verdicts are those of `judge_token` itself, over the newest token of each
cohort, at every moment at which the policy or a certificate in its path may
change them. Nothing is told apart from what a verifier would say.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.service.migration.report_tokens import Artefacts, Count, Renewal, RenewalStep, StatusChange
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import Context
from kokuin.trust.fitness import Constraints
from kokuin.trust.judge import judge_token
from kokuin.trust.path import find_path
from kokuin.trust.report import Status, SubIndication, iso_time
from kokuin.trust.rules import DIGEST_ALGORITHM, IMPRINT_ALGORITHM, Reason
from kokuin.trust.signer import identify_signer
from kokuin.trust.token import TokenFacts, read_token
from kokuin.wire.errors import WireError
from pqc.policies import Role, Suitability, Usage, day_end_us
from pqc.subjects import Subject
from pqc.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kokuin.service.migration.dryrun_survey import Cohort
    from kokuin.trust.anchors import TrustStore
    from kokuin.trust.certificate import Certificate
    from kokuin.trust.report import Check
    from pqc.policies import Policy

BATCH = 1000
"""Tokens under one archive time-stamp (RFC 4998 §4)."""
TREE_DIGEST = 64
"""Octets of a hash in the tree: SHA-512."""
_SECOND_US = 1_000_000
_HASH_CHECKS = frozenset({IMPRINT_ALGORITHM.id, DIGEST_ALGORITHM.id})
_NO_POE = frozenset({SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE, SubIndication.OUT_OF_BOUNDS_NO_POE})


class State(StrEnum):
    """What a verifier says of a token for which nothing but itself proves that it existed."""

    PASSED = "passed"
    LEGACY = "legacy"
    """It passes, and the policy calls one of its algorithms legacy or weak."""
    NEEDS_PROOF = "needs-proof"
    """Only a proof of existence from before this moment lets it pass: an archive time-stamp made in time."""
    INDETERMINATE = "indeterminate"
    """No proof of existence would help under this policy, or something is not at hand."""
    FAILED = "failed"

    @property
    def good(self) -> bool:
        """Whether the token passes."""
        return self in {State.PASSED, State.LEGACY}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A state, and the check that makes it one; empty for a passing one."""

    state: State
    cause: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RenewalCost:
    """What renewing costs on this host.

    Attributes:
        hash_seconds: to hash one token into the tree.
        stamp_seconds: to make one archive time-stamp.
        stamp_octets: of one archive time-stamp.
    """

    hash_seconds: float
    stamp_seconds: float
    stamp_octets: int


def policy_ends(policy: Policy) -> tuple[int, ...]:
    """Return every moment after which a row of `policy` no longer speaks, microseconds since 1970 UTC."""
    return tuple(sorted({day_end_us(row.until) for row in policy.rows if row.until is not None}))


def verdicts(
    cohort: Cohort, trust: TrustStore, policy: Policy, now_us: int
) -> list[tuple[Cohort, int, Verdict]]:
    """Judge a cohort now and at every moment that may change it.

    Returns:
        (cohort, moment, verdict) for now, then for each change in order of time.
    """
    line: list[tuple[Cohort, int, Verdict]] = []
    for moment in (now_us, *_moments(cohort, trust, policy, now_us)):
        verdict = _verdict(cohort, trust, policy, moment)
        if not line or line[-1][2].state is not verdict.state:
            line.append((cohort, moment, verdict))
    return line


def artefacts(lines: Iterable[Sequence[tuple[Cohort, int, Verdict]]]) -> Artefacts:
    """Put the cohorts' verdicts together, the earliest change first."""
    today: Counter[State] = Counter()
    changes: Counter[tuple[int, State, State, str, str, str, str]] = Counter()
    for line in lines:
        today[line[0][2].state] += line[0][0].tokens
        for (cohort, _, before), (_, at, after) in itertools.pairwise(line):
            kind = cohort.kind
            key = (at, before.state, after.state, after.cause, after.reason, kind.suite, kind.imprint)
            changes[key] += cohort.tokens
    return Artefacts(
        tuple(Count(state.value, today[state]) for state in State if today[state]),
        tuple(
            StatusChange(iso_time(at), before.value, after.value, cause, reason, suite, imprint, tokens)
            for (at, before, after, cause, reason, suite, imprint), tokens in sorted(changes.items())
        ),
    )


def renewal(
    lines: Iterable[Sequence[tuple[Cohort, int, Verdict]]], cost: RenewalCost | None, needed_us: int
) -> Renewal:
    """Plan the renewal of every token that passes today and will not for as long as it is needed.

    Args:
        lines: of `verdicts`.
        cost: measured; None: nothing was, and minutes and octets stay 0.
        needed_us: how long a token must stay provable after its genTime, microseconds; a cohort is needed as
            long as its newest token.
    """
    due: Counter[tuple[int, bool]] = Counter()
    lost = 0
    for line in lines:
        cohort, _, today = line[0]
        if not today.state.good:
            lost += cohort.tokens
            continue
        worse = next(((at, verdict) for _, at, verdict in line if not verdict.state.good), None)
        if worse is not None and worse[0] <= cohort.specimen_gen + needed_us:
            due[worse[0], worse[1].cause in _HASH_CHECKS] += cohort.tokens
    steps = tuple(_step(at, tokens, cost, hash_tree=tree) for (at, tree), tokens in sorted(due.items()))
    return Renewal(sum(due.values()), lost, BATCH, steps)


def _step(at: int, tokens: int, cost: RenewalCost | None, *, hash_tree: bool) -> RenewalStep:
    batches = math.ceil(tokens / BATCH)
    minutes, octets = 0.0, 0
    if cost is not None:
        minutes = (tokens * cost.hash_seconds + batches * cost.stamp_seconds) / 60
        # Each token keeps the hashes from its leaf to the root (a reduced hash tree, RFC 4998 §4.2).
        depth = math.ceil(math.log2(min(tokens, BATCH))) if tokens > 1 else 0
        octets = batches * cost.stamp_octets + tokens * depth * TREE_DIGEST
    return RenewalStep(iso_time(at), tokens, hash_tree, batches, minutes, octets)


def _verdict(cohort: Cohort, trust: TrustStore, policy: Policy, at: int) -> Verdict:
    if not cohort.specimen:
        return Verdict(State.INDETERMINATE, "format", Reason.TOKEN_ABSENT.value)
    checks = judge_token(cohort.specimen, Context(at, trust, policy=policy)).checks
    for status, state in ((Status.FAILED, State.FAILED), (Status.INDETERMINATE, State.INDETERMINATE)):
        for check in checks:
            if check.status is status and check.sub_indication not in _NO_POE:
                return _because(state, check)
    for check in checks:
        if check.status is Status.INDETERMINATE:
            return _because(State.NEEDS_PROOF, check)
    weak = any(check.status is Status.WEAK for check in checks)
    return Verdict(State.LEGACY if weak or _is_legacy(cohort, policy, at) else State.PASSED)


def _because(state: State, check: Check) -> Verdict:
    return Verdict(state, check.id, check.reason or "")


def _is_legacy(cohort: Cohort, policy: Policy, at: int) -> bool:
    subjects = [Subject.of_hash(cohort.kind.imprint, Role.IMPRINT)]
    if cohort.kind.suite in SUITES:
        subjects.append(Subject.of_suite(SUITES[cohort.kind.suite]))
    return any(policy.judge(each, Usage.VERIFY, at).status in _OLD for each in subjects)


_OLD = frozenset({Suitability.LEGACY, Suitability.WEAK})


def _moments(cohort: Cohort, trust: TrustStore, policy: Policy, now_us: int) -> list[int]:
    """Return the first moments after every end of the policy's and of the path's certificates."""
    after = {end + 1 for end in policy_ends(policy)}
    # A certificate is valid through its last second.
    after |= {each.not_after + _SECOND_US for each in path_of(cohort.specimen, trust, cohort.specimen_gen)}
    return sorted(moment for moment in after if moment > now_us)


def path_of(token: bytes, trust: TrustStore, at: int) -> tuple[Certificate, ...]:
    """Return the certificates from a token's signer to its anchor; those at hand where none is reached."""
    facts = read_token(token)
    if not isinstance(facts, TokenFacts):
        return ()
    carried = _certificates(facts.signed_data.certificates)
    # Which policy is asked does not matter: it only says whether the hash that names the signer is fit.
    constraints = Constraints(Context(at, trust).policy, at, at)
    candidates = (*carried, *trust.helpers, *trust.anchors)
    signer = identify_signer(facts.signer_info, candidates, constraints).certificate
    if signer is None:
        return ()
    return find_path(signer, trust, carried, at).path or (signer, *carried)


def _certificates(octets: Iterable[bytes]) -> list[Certificate]:
    found = []
    for der in octets:
        try:
            found.append(read_certificate(der))
        except WireError:
            continue
    return found
