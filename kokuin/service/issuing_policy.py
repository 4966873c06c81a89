"""What the issuing policy says of a profile and its unit: pure answers, for the start and for rehearsals."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.trust.report import iso_time
from pqc.policies import Role, Subject, Suitability, Usage, day_end_us
from tsa.unit import KeyPeriod

if TYPE_CHECKING:
    import datetime as dt

    from kokuin.trust.certificate import Certificate
    from pqc.policies import Policy
    from pqc.profiles import Profile


class BlockerCode(StrEnum):
    """Why a policy keeps a unit from issuing."""

    SUITE_NOT_IN_POLICY = "SUITE_NOT_IN_POLICY"
    """No row speaks of the suite."""
    SUITE_FORBIDDEN = "SUITE_FORBIDDEN"
    """The suite is not fit for issuing at this time."""
    CERTIFICATE_OUTLIVES_ALGORITHM = "CERTIFICATE_OUTLIVES_ALGORITHM"
    """Its last tokens would lie under a certificate that is valid and an algorithm that is not fit."""
    IMPRINTS_FORBIDDEN = "IMPRINTS_FORBIDDEN"
    """Of the hashes that the profile takes, none is fit: every request would be refused."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """One reason, with what an operator needs to act on it.

    Attributes:
        code: what it is.
        subject: the suite, or the hashes.
        until: last day of fitness, ISO 8601; empty where there is none.
        source: document, edition and clause of the row that decides; empty where none does.
        text: the same in one line.
    """

    code: BlockerCode
    subject: str
    until: str
    source: str
    text: str


def unit_blockers(
    profile: Profile, certificate: Certificate, policy: Policy, now: dt.datetime
) -> tuple[Blocker, ...]:
    """Return what keeps the unit of `profile` from issuing under `policy`; empty when nothing does.

    A certificate must not be valid for longer than its algorithm may be relied on (EN 319 421 TIS-7.6.5-01).

    Args:
        profile: the profile that the unit belongs to.
        certificate: the unit's.
        policy: the issuing policy.
        now: the moment at which it would issue.
    """
    found = (
        _suite(profile, policy, now),
        _certificate(profile, certificate, policy),
        _imprints(profile, policy, now),
    )
    return tuple(blocker for blocker in found if blocker is not None)


def accepted_imprints(profile: Profile, policy: Policy, now: dt.datetime) -> frozenset[str]:
    """Return the hashes that the profile takes and the policy lets new time-stamps be made over."""
    return frozenset(
        name
        for name in profile.imprints
        if policy.judge(Subject.of_hash(name, Role.IMPRINT), Usage.ISSUE, _microseconds(now)).status.fit
    )


def fit_period(period: KeyPeriod, profile: Profile, policy: Policy) -> KeyPeriod:
    """Cut a key's period to the last day on which `policy` lets its suite issue."""
    # A service that started in time must stop in time: nobody restarts it on that night.
    last = policy.last_fit(Subject.of_suite(profile.tst), Usage.ISSUE)
    return period if last is None else KeyPeriod(period.start_us, min(period.end_us, day_end_us(last)))


def _suite(profile: Profile, policy: Policy, now: dt.datetime) -> Blocker | None:
    subject = Subject.of_suite(profile.tst)
    found = policy.judge(subject, Usage.ISSUE, _microseconds(now))
    if found.status.fit:
        return None
    if found.status is Suitability.UNKNOWN or found.row is None:
        text = f"{profile.tst.id}: no row speaks of {found.subject.name}"
        return Blocker(BlockerCode.SUITE_NOT_IN_POLICY, profile.tst.id, "", "", text)
    until = "" if found.row.until is None else str(found.row.until)
    ended = f"may not be used after {until}" if until else "may not be used"
    text = f"{profile.tst.id}: {found.subject.name} {ended} ({found.row.cited})"
    return Blocker(BlockerCode.SUITE_FORBIDDEN, profile.tst.id, until, found.row.cited, text)


def _certificate(profile: Profile, certificate: Certificate, policy: Policy) -> Blocker | None:
    subject = Subject.of_suite(profile.tst)
    found = policy.judge(subject, Usage.VERIFY, certificate.not_after)
    if found.status.fit or found.row is None:
        return None  # what no row speaks of is a blocker of the suite already
    until = "" if found.row.until is None else str(found.row.until)
    relied = f"may be relied on until {until}" if until else "may not be relied on"
    text = (
        f"{profile.tst.id}: the certificate is valid until {iso_time(certificate.not_after)}, "
        f"{found.subject.name} {relied} ({found.row.cited}); have a shorter one issued"
    )
    code = BlockerCode.CERTIFICATE_OUTLIVES_ALGORITHM
    return Blocker(code, profile.tst.id, until, found.row.cited, text)


def _imprints(profile: Profile, policy: Policy, now: dt.datetime) -> Blocker | None:
    if accepted_imprints(profile, policy, now):
        return None
    named = ", ".join(profile.imprints)
    return Blocker(BlockerCode.IMPRINTS_FORBIDDEN, named, "", "", f"no hash of {named} may be stamped")


def _microseconds(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1_000_000)
