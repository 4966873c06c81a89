"""What a judgement says: checks, and the indication that follows from them (ETSI EN 319 102-1 §5.1)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pqc.policies import Policy

SCHEMA_VERSION = 1
"""`schema` of the JSON form; it rises when a field changes its meaning or goes."""

ReportValue: TypeAlias = "str | int | bool | list[str] | None"


class Indication(StrEnum):
    """EN 319 102-1 §5.1.3: the verdict."""

    PASSED = "PASSED"
    INDETERMINATE = "INDETERMINATE"
    FAILED = "FAILED"


class SubIndication(StrEnum):
    """EN 319 102-1 §5.1.3: why it did not pass."""

    FORMAT_FAILURE = "FORMAT_FAILURE"
    HASH_FAILURE = "HASH_FAILURE"
    SIG_CRYPTO_FAILURE = "SIG_CRYPTO_FAILURE"
    EXPIRED = "EXPIRED"
    NOT_YET_VALID = "NOT_YET_VALID"
    SIG_CONSTRAINTS_FAILURE = "SIG_CONSTRAINTS_FAILURE"
    CHAIN_CONSTRAINTS_FAILURE = "CHAIN_CONSTRAINTS_FAILURE"
    CERTIFICATE_CHAIN_GENERAL_FAILURE = "CERTIFICATE_CHAIN_GENERAL_FAILURE"
    CRYPTO_CONSTRAINTS_FAILURE = "CRYPTO_CONSTRAINTS_FAILURE"
    CRYPTO_CONSTRAINTS_FAILURE_NO_POE = "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
    SIGNED_DATA_NOT_FOUND = "SIGNED_DATA_NOT_FOUND"
    TIMESTAMP_ORDER_FAILURE = "TIMESTAMP_ORDER_FAILURE"
    NO_SIGNING_CERTIFICATE_FOUND = "NO_SIGNING_CERTIFICATE_FOUND"
    NO_CERTIFICATE_CHAIN_FOUND = "NO_CERTIFICATE_CHAIN_FOUND"
    OUT_OF_BOUNDS_NO_POE = "OUT_OF_BOUNDS_NO_POE"
    NO_POE = "NO_POE"
    REVOKED = "REVOKED"
    REVOKED_NO_POE = "REVOKED_NO_POE"
    REVOKED_CA_NO_POE = "REVOKED_CA_NO_POE"
    TRY_LATER = "TRY_LATER"


class Limit(StrEnum):
    """What a judgement did not look at."""

    REVOCATION_NOT_CHECKED = "REVOCATION_NOT_CHECKED"
    CONTENT_NOT_COMPARED = "CONTENT_NOT_COMPARED"
    CERTIFICATES_IGNORED = "CERTIFICATES_IGNORED"
    COVERAGE_NOT_COMPUTED = "COVERAGE_NOT_COMPUTED"
    COUNTER_SIGNATURES_NOT_JUDGED = "COUNTER_SIGNATURES_NOT_JUDGED"
    ENCLOSING_SIGNATURE_NOT_JUDGED = "ENCLOSING_SIGNATURE_NOT_JUDGED"
    EVIDENCE_NOT_USED = "EVIDENCE_NOT_USED"
    EVIDENCE_STAMPS_LATER = "EVIDENCE_STAMPS_LATER"
    EVIDENCE_WITHIN_NOT_JUDGED = "EVIDENCE_WITHIN_NOT_JUDGED"
    LEDGER_PROOF_NOT_CHECKED = "LEDGER_PROOF_NOT_CHECKED"
    LEDGER_LIMIT_NOT_RETROACTIVE = "LEDGER_LIMIT_NOT_RETROACTIVE"
    LEDGER_LIMIT_ORDER_NOT_TIME = "LEDGER_LIMIT_ORDER_NOT_TIME"
    LEDGER_LIMIT_CLOCK_AND_KEY = "LEDGER_LIMIT_CLOCK_AND_KEY"
    LEDGER_LIMIT_ONE_OPERATOR = "LEDGER_LIMIT_ONE_OPERATOR"
    LEDGER_LIMIT_HASHES = "LEDGER_LIMIT_HASHES"
    LEDGER_LIMIT_SIGNATURES = "LEDGER_LIMIT_SIGNATURES"
    LEDGER_LIMIT_VALIDATION_DATA = "LEDGER_LIMIT_VALIDATION_DATA"
    LEDGER_LIMIT_NO_PRESUMPTION = "LEDGER_LIMIT_NO_PRESUMPTION"
    LEDGER_LIMIT_CONFIDENTIALITY = "LEDGER_LIMIT_CONFIDENTIALITY"


class Existence(StrEnum):
    """What proves that an object existed before the validation time (EN 319 102-1 §5.4)."""

    LEDGER_WITNESSED = "LEDGER_WITNESSED"
    LEDGER_STAMPED = "LEDGER_STAMPED"
    TIME_STAMPED = "TIME_STAMPED"
    EVIDENCE_RECORD = "EVIDENCE_RECORD"


class Ending(StrEnum):
    """What ends when a judgement that passes no longer would."""

    UNIT_EXPIRES = "UNIT_EXPIRES"
    SEAL_EXPIRES = "SEAL_EXPIRES"
    SEAL_ENDS = "SEAL_ENDS"
    AUTHORITY_EXPIRES = "AUTHORITY_EXPIRES"
    ANCHOR_ENDS = "ANCHOR_ENDS"
    ALGORITHM_ENDS = "ALGORITHM_ENDS"
    REVOCATION_DATA_ENDS = "REVOCATION_DATA_ENDS"
    REVOCATION_BEGINS = "REVOCATION_BEGINS"


@dataclass(frozen=True, slots=True)
class End:
    """The last moment at which something holds, microseconds since 1970 UTC; `params` say of what."""

    time: int
    cause: Ending
    params: Mapping[str, ReportValue] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {"time": iso_time(self.time), "cause": self.cause.value, "params": dict(self.params)}


class Status(StrEnum):
    """Outcome of one check; `WEAK` passes and is named, `NOT_DONE` passes and is listed as a limit."""

    OK = "ok"
    FAILED = "failed"
    INDETERMINATE = "indeterminate"
    WEAK = "weak"
    NOT_DONE = "not-done"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        id: stable name of the check.
        clause: the public standard that wants it.
        status: its outcome.
        reason: stable code of what was found; None when the status is OK.
        sub_indication: what a status of FAILED or INDETERMINATE means for the whole.
        params: what a sentence about it needs.
        ends: of a check that passes, what it rests on that ends some day; no part of the JSON form.
    """

    id: str
    clause: str
    status: Status = Status.OK
    reason: str | None = None
    sub_indication: SubIndication | None = None
    params: Mapping[str, ReportValue] = field(default_factory=dict)
    ends: tuple[End, ...] = ()

    def resting_on(self, *ends: End) -> Check:
        """Return the check with more on which it rests."""
        if not ends:
            return self
        # As `replace` does, at half its cost: most checks of a token rest on something.
        found = (self.id, self.clause, self.status, self.reason, self.sub_indication, self.params)
        return Check(*found, (*self.ends, *ends))

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        found: dict[str, object] = {
            "id": self.id,
            "clause": self.clause,
            "status": self.status.value,
            "params": dict(self.params),
        }
        if self.reason is not None:
            found["reason"] = self.reason
        if self.sub_indication is not None:
            found["sub_indication"] = self.sub_indication.value
        return found


@dataclass(frozen=True, slots=True)
class ProofOfExistence:
    """An object existed at a time, by somebody's word.

    Attributes:
        code: by whose.
        time: microseconds since 1970 UTC.
        params: who that is.
        verifiable_until: the last moment at which the proof itself holds, and what ends then; None when no
            end is known. No part of the JSON form.
    """

    code: Existence
    time: int
    params: Mapping[str, ReportValue] = field(default_factory=dict)
    verifiable_until: End | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {"code": self.code.value, "time": iso_time(self.time), "params": dict(self.params)}


@dataclass(frozen=True, slots=True)
class Report:
    """The judgement of one object.

    Attributes:
        kind: what the object was recognised as.
        subject: what it says about itself.
        indication: the verdict.
        sub_indication: why it is not PASSED.
        validation_time: the moment it was judged for, microseconds since 1970 UTC.
        checks: in the order they were made.
        limits: codes of what was not looked at.
        parts: judgements of objects within it.
        rule: code of the rule by which checks and parts made the whole.
        proofs_of_existence: what proves that it existed before the validation time.
        policy: the one by which its algorithms were judged; None where none was.
        verifiable_until: of one that passed, the last moment at which it would, and what ends then; None
            when no end is known, and of one that did not pass.
    """

    kind: str
    subject: Mapping[str, ReportValue]
    indication: Indication
    sub_indication: SubIndication | None
    validation_time: int
    checks: tuple[Check, ...]
    limits: tuple[Limit, ...] = ()
    parts: tuple[Report, ...] = ()
    rule: str = "all-checks"
    proofs_of_existence: tuple[ProofOfExistence, ...] = ()
    policy: Policy | None = None
    verifiable_until: End | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "schema": SCHEMA_VERSION,
            "kind": self.kind,
            "subject": dict(self.subject),
            "parts": [part.to_dict() for part in self.parts],
            "rule": self.rule,
            "indication": self.indication.value,
            "sub_indication": self.sub_indication and self.sub_indication.value,
            "policy": self.policy and {"name": self.policy.name, "edition": self.policy.edition},
            "validation_time": iso_time(self.validation_time),
            "verifiable_until": self.verifiable_until and self.verifiable_until.to_dict(),
            "proofs_of_existence": [proof.to_dict() for proof in self.proofs_of_existence],
            "checks": [check.to_dict() for check in self.checks],
            "limits": [limit.value for limit in self.limits],
        }

    def to_json(self) -> str:
        """JSON in ASCII with sorted keys: the same judgement gives the same octets in every language."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))


def conclude(checks: tuple[Check, ...]) -> tuple[Indication, SubIndication | None]:
    """All checks must hold; a failed one weighs more than an indeterminate one, and the first names it."""
    for status, indication in (
        (Status.FAILED, Indication.FAILED),
        (Status.INDETERMINATE, Indication.INDETERMINATE),
    ):
        for check in checks:
            if check.status is status:
                return indication, check.sub_indication
    return Indication.PASSED, None


_WEIGHT = (Indication.FAILED, Indication.INDETERMINATE, Indication.PASSED)


def extend(
    report: Report,
    checks: tuple[Check, ...],
    limits: tuple[Limit, ...],
    proofs: tuple[ProofOfExistence, ...] = (),
) -> Report:
    """Return the report with further checks that must hold as well as those and the parts it has."""
    whole = (*report.checks, *checks)
    # What weighs the same is named by what was there before.
    indication, sub_indication = min(
        (report.indication, report.sub_indication),
        conclude(checks),
        key=lambda found: _WEIGHT.index(found[0]),
    )
    ends = (report.verifiable_until, *(end for check in checks for end in check.ends))
    return replace(
        report,
        indication=indication,
        sub_indication=sub_indication,
        checks=whole,
        limits=(*report.limits, *limits),
        proofs_of_existence=(*report.proofs_of_existence, *proofs),
        verifiable_until=earliest(ends) if indication is Indication.PASSED else None,
    )


def join(parts: tuple[Report, ...]) -> Report:
    """Make one report of judgements that must all pass; the first says what the whole is about.

    A failed part weighs more than an indeterminate one, as among checks.
    """
    first = parts[0]
    weakest = min(parts, key=lambda part: _WEIGHT.index(part.indication))
    passed = weakest.indication is Indication.PASSED
    return Report(
        first.kind,
        first.subject,
        weakest.indication,
        weakest.sub_indication,
        first.validation_time,
        checks=(),
        limits=tuple(dict.fromkeys(limit for part in parts for limit in part.limits)),
        parts=parts,
        rule="all-parts",
        proofs_of_existence=tuple(proof for part in parts for proof in part.proofs_of_existence),
        policy=first.policy,
        verifiable_until=earliest(part.verifiable_until for part in parts) if passed else None,
    )


def earliest(ends: Iterable[End | None]) -> End | None:
    """Return the first of what ends; None stands for what has no known end."""
    return min((end for end in ends if end is not None), key=lambda end: end.time, default=None)


def latest(ends: Iterable[End | None]) -> End | None:
    """Return what ends last of several that each suffice; None when one of them has no known end."""
    found = list(ends)
    known = [end for end in found if end is not None]
    return max(known, key=lambda end: end.time) if known and len(known) == len(found) else None


_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # all our moments are UTC; the Z is written by hand


def iso_time(microseconds: int) -> str:
    """ISO 8601 in UTC; a fraction only when there is one."""
    return (_EPOCH + timedelta(microseconds=microseconds)).isoformat() + "Z"
