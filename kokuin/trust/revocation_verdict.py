"""What is made of all that was heard of one certificate: good, revoked since when, or that nobody tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.trust.context import RevocationMode
from kokuin.trust.fitness import judge_key
from kokuin.trust.name import display
from kokuin.trust.report import End, Ending, Status, SubIndication, iso_time
from kokuin.trust.revocation import RevocationReason
from kokuin.trust.revocation_statement import Statement
from kokuin.trust.rules import REVOCATION, Reason
from kokuin.trust.tbs import microseconds

if TYPE_CHECKING:
    from kokuin.trust.certificate import Certificate
    from kokuin.trust.fitness import Constraints
    from kokuin.trust.report import Check, ReportValue
    from kokuin.trust.revocation import Revocation
    from kokuin.trust.revocation_statement import Heard

CLOCK_SKEW = 60 * 1_000_000
"""Microseconds by which data without a nextUpdate may be older than the time it is to tell of."""

_LAST_US = 253_402_300_799_999_999
"""The last moment that can be written down."""
_COMPROMISED = frozenset(
    {
        None,
        RevocationReason.KEY_COMPROMISE,
        RevocationReason.CA_COMPROMISE,
        RevocationReason.AA_COMPROMISE,
    }
)
_SILENCES = (
    Reason.REVOCATION_NO_DATA,
    Reason.REVOCATION_OF_OTHERS,
    Reason.REVOCATION_UNREADABLE,
    Reason.REVOCATION_FOREIGN_SIGNER,
    Reason.REVOCATION_UNFIT,
    Reason.REVOCATION_UNKNOWN,
    Reason.REVOCATION_PARTIAL,
    Reason.REVOCATION_RESPONDER_OPEN,
    Reason.REVOCATION_AFTER_EXPIRY,
    Reason.REVOCATION_STALE,
)
"""Why nobody tells; of several, the last of these is nearest to an answer, and is named."""
_WORST = (Status.FAILED, Status.INDETERMINATE, Status.WEAK)


@dataclass(frozen=True, slots=True)
class Silence:
    """Nobody tells of a certificate: why, and until when what is at hand told, where that is why."""

    reason: Reason
    until: int | None = None

    def check(self, certificates: list[str], mode: RevocationMode) -> Check:
        """Return the check of the certificates named: not done, or an obstacle where it is required."""
        params: dict[str, ReportValue] = _named(certificates)
        if self.until is not None:
            params["until"] = iso_time(self.until)
        if mode is RevocationMode.REQUIRED:
            return REVOCATION.indeterminate(self.reason, SubIndication.TRY_LATER, **params)
        return REVOCATION.not_done(self.reason, **params)


@dataclass(frozen=True, slots=True)
class CertificateJudge:
    """Judges one certificate by what was heard of it.

    Attributes:
        certificate: the one in question.
        unit: it is the signer's.
        dated: the claimed time counts.
        constraints: what algorithms are judged by, and for which time.
        used: since when what its key signed is known to have existed, microseconds since 1970 UTC.
        forgeable: since when its issuer's key may be somebody else's, likewise; None: nothing says so.
        mode: what becomes of it when nobody tells.
    """

    certificate: Certificate
    unit: bool
    dated: bool
    constraints: Constraints
    used: int
    forgeable: int | None
    mode: RevocationMode

    def conclude(self, heard: list[Heard]) -> Check | Silence:
        """Return the check, or why nobody tells."""
        statements = [item for item in heard if isinstance(item, Statement) and self.is_fit(item)]
        revoked = [
            (statement, statement.revocation)
            for statement in statements
            if statement.revocation is not None and not self._is_lifted(statement, statements)
        ]
        if revoked:
            # Revoked weighs more than good, and what weighs most of several revocations counts.
            return min((self._judge(*each) for each in revoked), key=_weight)
        silences = [item for item in heard if not isinstance(item, Statement)]
        if any(isinstance(item, Statement) and item not in statements for item in heard):
            silences.append(Reason.REVOCATION_UNFIT)
        current = [statement for statement in statements if statement.revocation is None]
        telling = [statement for statement in current if self._why_silent(statement) is None]
        if telling:
            latest = max(telling, key=lambda statement: statement.this_update)
            return REVOCATION.ok(**self._params(latest)).resting_on(*self._ends(latest))
        return self._silence(silences, current)

    def is_fit(self, statement: Statement) -> bool:
        """Whether the policy accepts the signatures: who can forge them could revoke and clear at will."""
        if statement.revocation is None and self._is_forgeable(statement):
            return False
        return all(check.status in {Status.OK, Status.WEAK} for check in self._signing_checks(statement))

    def taken_back(self, heard: list[Heard]) -> int | None:
        """Since when the key is not to be relied on, microseconds since 1970 UTC; None: nothing says so."""
        statements = [item for item in heard if isinstance(item, Statement) and self.is_fit(item)]
        revoked = [each for each in statements if each.revocation is not None]
        standing = (each for each in revoked if not self._is_lifted(each, statements))
        return min((_since(each.revocation) for each in standing if each.revocation), default=None)

    def _is_forgeable(self, statement: Statement) -> bool:
        """Attack: who stole the key of an authority clears what it had taken back."""
        return self.forgeable is not None and self.constraints.since(statement.octets) >= self.forgeable

    def _signing_checks(self, statement: Statement) -> list[Check]:
        by = self.constraints
        if statement.revocation is None:
            # Whoever forges one that revokes makes a document open, as he can anyhow; one that clears hides.
            by = by.for_item(statement.octets)
        return [
            judge_key(REVOCATION, each.verdict.key, each.verdict.digest, each.algorithm, by)
            for each in statement.signings
        ]

    def _judge(self, statement: Statement, revocation: Revocation) -> Check:
        since, reason = _since(revocation), revocation.reason
        params = self._params(statement)
        params["revoked_at"] = iso_time(since)
        params["why"] = "absent" if reason is None else _code(reason)
        if self.dated and reason is not RevocationReason.CERTIFICATE_HOLD:
            if self.constraints.claimed >= since:
                return REVOCATION.failed(Reason.REVOKED, SubIndication.REVOKED, **params)
            if reason not in _COMPROMISED:
                return REVOCATION.weak(Reason.REVOKED_SINCE, **params)
        if self.used < since:
            end = End(since - 1, Ending.REVOCATION_BEGINS, {"certificate": display(self.certificate.subject)})
            return REVOCATION.weak(Reason.REVOKED_SINCE_PROOF, **params).resting_on(end)
        found, means = self._doubt(reason)
        return REVOCATION.indeterminate(found, means, **params)

    def _doubt(self, reason: RevocationReason | None) -> tuple[Reason, SubIndication]:
        if reason is RevocationReason.CERTIFICATE_HOLD:
            return Reason.ON_HOLD, SubIndication.TRY_LATER
        if self.unit:
            return Reason.REVOKED_NO_POE, SubIndication.REVOKED_NO_POE
        return Reason.AUTHORITY_REVOKED, SubIndication.REVOKED_CA_NO_POE

    def _ends(self, statement: Statement) -> tuple[End, ...]:
        """What ends once the statement no longer tells: nothing where the verifier does without."""
        if self.mode is not RevocationMode.REQUIRED:
            return ()
        named: dict[str, ReportValue] = {"certificate": display(self.certificate.subject)}
        algorithms = (end for check in self._signing_checks(statement) for end in check.ends)
        until = told_until(statement)
        if not statement.settled and statement.settled_until is not None:
            until = min(until, statement.settled_until)
        told = End(min(until, _LAST_US), Ending.REVOCATION_DATA_ENDS, named)
        return (told, *algorithms)

    def _why_silent(self, statement: Statement) -> Reason | None:
        """Return why a statement that names no revocation does not clear the certificate; None: it does."""
        if not statement.complete:
            return Reason.REVOCATION_PARTIAL
        if self.mode is RevocationMode.REQUIRED and not self._is_settled(statement):
            return Reason.REVOCATION_RESPONDER_OPEN
        if self._may_have_dropped(statement):
            return Reason.REVOCATION_AFTER_EXPIRY
        return None if self.constraints.proven <= told_until(statement) else Reason.REVOCATION_STALE

    def _is_settled(self, statement: Statement) -> bool:
        until = statement.settled_until
        return statement.settled or (until is not None and self.constraints.proven <= until)

    def _may_have_dropped(self, statement: Statement) -> bool:
        """Attack: wait for the expiry, after which lists drop what was revoked (RFC 5280 §3.3)."""
        expiry, retained = self.certificate.not_after, statement.retained_from
        return statement.this_update > expiry and (retained is None or retained > expiry)

    def _is_lifted(self, statement: Statement, others: list[Statement]) -> bool:
        """Whether a hold has ended: something newer would name it and does not, or names a last word instead.

        RFC 5280 §5.3.1: what is on hold is either released or revoked.
        """
        return _is_hold(statement) and any(
            other.this_update > statement.this_update
            and (
                other.complete and not self._may_have_dropped(other)
                if other.revocation is None
                else not _is_hold(other)
            )
            for other in others
        )

    def _silence(self, silences: list[Reason], current: list[Statement]) -> Silence:
        silences += [reason for reason in map(self._why_silent, current) if reason is not None]
        nearest = max(silences, key=_SILENCES.index, default=Reason.REVOCATION_NO_DATA)
        if nearest is not Reason.REVOCATION_STALE:
            return Silence(nearest)
        stale = (each for each in current if self._why_silent(each) is nearest)
        return Silence(nearest, max(map(_ended, stale)))

    def _params(self, statement: Statement) -> dict[str, ReportValue]:
        until = statement.next_update
        return {
            "certificate": display(self.certificate.subject),
            "source": statement.source.value,
            "this_update": iso_time(statement.this_update),
            "next_update": None if until is None else iso_time(until),
        }


def _named(certificates: list[str]) -> dict[str, ReportValue]:
    """Parameters of a check: the certificate that it is about, or all of them where it stands for more."""
    return {"certificates": certificates} if len(certificates) > 1 else {"certificate": certificates[0]}


def _weight(check: Check) -> tuple[int, str]:
    return _WORST.index(check.status), str(check.params["revoked_at"])


def _since(revocation: Revocation) -> int:
    """Since when a certificate was not to be relied on, microseconds since 1970 UTC.

    A key may have been stolen long before anybody took its certificate back.
    """
    at = microseconds(revocation.at)
    if revocation.invalid_from is None or revocation.reason not in _COMPROMISED:
        return at
    return min(at, microseconds(revocation.invalid_from))


def _is_hold(statement: Statement) -> bool:
    found = statement.revocation
    return found is not None and found.reason is RevocationReason.CERTIFICATE_HOLD


def _ended(statement: Statement) -> int:
    ended = statement.this_update if statement.next_update is None else statement.next_update
    # Attack: the key of a responder that expired long ago signs an answer of then, good for ever.
    return ended if statement.speaker is None else min(ended, statement.speaker.not_after + 999_999)


def told_until(statement: Statement) -> int:
    """Until when a statement tells, microseconds since 1970 UTC."""
    return _ended(statement) + (CLOCK_SKEW if statement.next_update is None else 0)


def _code(reason: RevocationReason) -> str:
    """Name of a reason as RFC 5280 §5.3.1 writes it."""
    first, *rest = reason.name.lower().split("_")
    return first + "".join(word.capitalize() for word in rest)
