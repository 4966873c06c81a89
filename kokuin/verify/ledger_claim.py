"""The claim that a token is one that the authority issued: it stands in the authority's ledger.

After a unit's key was stolen, the thief signs tokens of any date that verify.
What he cannot do is enter them where the ledger was closed long ago. So the
records of the time in question tell genuine tokens from back-dated ones
(EN 319 421 OVR-7.13-05, note), provided that the auditor's own keys say which
ledger it is, and that no record of that time is withheld.

A token that is not there breaks a constraint of the verifier's own, which is
what SIG_CONSTRAINTS_FAILURE of EN 319 102-1 names; its signature itself may be
right. A claim that cannot be decided lacks a proof that the token existed
before the key was stolen: NO_POE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kokuin.trust.report import (
    Check,
    Existence,
    Limit,
    ProofOfExistence,
    Report,
    ReportValue,
    Status,
    SubIndication,
    conclude,
    iso_time,
)
from kokuin.trust.rules import IN_LEDGER, LEDGER_BUNDLE, LEDGER_WITNESSES, Reason
from kokuin.verify.ledger_search import Entry, TokenSearch
from kokuin.verify.ledger_vouching import Vouched, Vouching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kokuin.ledger.log_keys import LogVerifier
    from kokuin.ledger.witness_policy import WitnessPolicy
    from kokuin.trust.context import Context
    from kokuin.trust.records import LeafValue
    from kokuin.trust.rules import Rule
    from kokuin.verify.ledger_search import Sought

KIND = "ledger-claim"

LIMITS = (
    Limit.LEDGER_LIMIT_NOT_RETROACTIVE,
    Limit.LEDGER_LIMIT_ORDER_NOT_TIME,
    Limit.LEDGER_LIMIT_CLOCK_AND_KEY,
    Limit.LEDGER_LIMIT_ONE_OPERATOR,
    Limit.LEDGER_LIMIT_HASHES,
    Limit.LEDGER_LIMIT_SIGNATURES,
    Limit.LEDGER_LIMIT_VALIDATION_DATA,
    Limit.LEDGER_LIMIT_NO_PRESUMPTION,
    Limit.LEDGER_LIMIT_CONFIDENTIALITY,
)
"""What a token's place in a ledger does not show."""


@dataclass(frozen=True, slots=True)
class Auditor:
    """What the auditor brings along; nothing of it may come from the bundle.

    Attributes:
        logs: the keys of the ledgers that are trusted.
        witnesses: the policy that checkpoints must satisfy; None when there is none.
    """

    logs: LogVerifier
    witnesses: WitnessPolicy | None = None


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """A bundle that was read to its end and checked.

    Attributes:
        newest: its checkpoint, which both keys of the log signed, and the time-stamps over it.
        older: checkpoints before it, of which the same holds, and whose trees are the newest's beginning.
    """

    newest: Vouched
    older: tuple[Vouched, ...] = ()


class BundleRefusedError(Exception):
    """A bundle does not check; `code` says why, `detail` more of it for people."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class ReadBundle(Protocol):
    """Whoever reads and checks a bundle, and gives every record to `visit` on the way."""

    def __call__(
        self, auditor: Auditor, visit: Callable[[int, Mapping[str, LeafValue]], None]
    ) -> BundleFacts:
        """Check a bundle by the auditor's keys; its witnesses are verified, and not yet counted.

        Raises:
            BundleRefusedError: it is none, or something in it does not fit.
            OSError: it cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class ClaimVerdict:
    """What became of a claim.

    Attributes:
        report: the judgement.
        existence: what proves since when the very token existed; of the same TSTInfo in other octets nothing
            is proved.
    """

    report: Report
    existence: tuple[ProofOfExistence, ...] = ()


def judge_claim(sought: Sought, read: ReadBundle, auditor: Auditor | None, context: Context) -> ClaimVerdict:
    """Judge whether a token stands in the ledger that a bundle was made of.

    Args:
        sought: the token.
        read: reads the bundle.
        auditor: by whose keys; None: nobody's, and nothing can be decided.
        context: by what time-stamps over checkpoints are judged.

    Returns:
        PASSED when a record names the token. FAILED when one run of records without a hole reaches from
        before its time to after it and none names the token. Else INDETERMINATE, with what is wanting.

    Raises:
        OSError: the bundle cannot be read.
    """
    if auditor is None:
        return ClaimVerdict(_report((_unusable(Reason.LEDGER_KEYS_ABSENT),), context))
    search, vouching = TokenSearch(sought), Vouching(auditor.logs, auditor.witnesses, context)
    try:
        bundle = read(auditor, search.visit)
    except BundleRefusedError as error:
        # Whatever was found on the way: a bundle that does not check says nothing.
        check = _unusable(Reason.LEDGER_BUNDLE_UNUSABLE, code=error.code, detail=error.detail)
        return ClaimVerdict(_report((check,), context))
    checks = (LEDGER_BUNDLE.ok(), *judge_witnesses(bundle.newest, auditor, vouching))
    if any(check.status is not Status.OK for check in checks):
        return ClaimVerdict(_report(checks, context, _subject(bundle, None)))
    entry = _judge_entry(search, sought, bundle, vouching)
    proofs = existence(search.entry, (*bundle.older, bundle.newest), vouching, sought)
    report = _report((*checks, entry), context, _subject(bundle, search.entry), earliest_of_each(proofs))
    return ClaimVerdict(report, proofs if proves_token(search.entry) else ())


def judge_witnesses(checkpoint: Vouched, auditor: Auditor, vouching: Vouching) -> tuple[Check, ...]:
    """Check the quorum of the auditor's policy; nothing when there is no policy."""
    if auditor.witnesses is None:
        return ()
    if not vouching.has_quorum(checkpoint):
        return (LEDGER_WITNESSES.indeterminate(Reason.LEDGER_WITNESSES_ABSENT, SubIndication.NO_POE),)
    return (LEDGER_WITNESSES.ok(witnesses=[one.witness.name for one in checkpoint.cosigners]),)


def existence(
    entry: Entry | None, checkpoints: Iterable[Vouched], vouching: Vouching, sought: Sought
) -> tuple[ProofOfExistence, ...]:
    """Return by what times others say that the token stood in the ledger, the earliest first.

    Of witnesses the earliest alone: their word has no end that is known.
    """
    proofs: list[ProofOfExistence] = []
    if entry is None:
        return ()
    for vouched in checkpoints:
        if vouched.signed.checkpoint.size > entry.index:
            proofs += vouching.proofs(vouched, sought.facts)
    proofs.sort(key=lambda proof: proof.time)
    witnessed = [proof for proof in proofs if proof.code is Existence.LEDGER_WITNESSED]
    others = [proof for proof in proofs if proof.code is not Existence.LEDGER_WITNESSED]
    return tuple(sorted((*witnessed[:1], *others), key=lambda proof: proof.time))


def earliest_of_each(proofs: Iterable[ProofOfExistence]) -> tuple[ProofOfExistence, ...]:
    """Return the first of each kind: what a report shows of proofs that are in order."""
    first: dict[Existence, ProofOfExistence] = {}
    for proof in proofs:
        first.setdefault(proof.code, proof)
    return tuple(first.values())


def proves_token(entry: Entry | None) -> bool:
    """Say whether the record is of the very token: then what proves that it existed counts for the token.

    Attack: a thief signs a TSTInfo of old again with a key or an algorithm that is broken since.
    """
    return entry is not None and not entry.other_form


def in_ledger(rule: Rule, entry: Entry) -> Check:
    """Return the check of a token whose record was found, naming what is not as it was issued."""
    if entry.displaced:
        return rule.indeterminate(Reason.LEDGER_DISPLACED, SubIndication.NO_POE, index=entry.index)
    if entry.other_form:
        return rule.weak(Reason.LEDGER_OTHER_FORM, index=entry.index)
    if entry.old_origin is None:
        return rule.ok(index=entry.index)
    return rule.weak(
        Reason.LEDGER_REENTERED, index=entry.index, old_origin=entry.old_origin, old_index=entry.old_index
    )


def _judge_entry(search: TokenSearch, sought: Sought, bundle: BundleFacts, vouching: Vouching) -> Check:
    if search.entry is not None:
        return in_ledger(IN_LEDGER, search.entry)
    covered = search.bracketed or _ends_later(search, sought, bundle.newest, vouching)
    if not covered:
        return IN_LEDGER.indeterminate(
            Reason.LEDGER_NOT_COVERED,
            SubIndication.NO_POE,
            start=iso_time(sought.start),
            end=iso_time(sought.end),
            fetch_from=iso_time(sought.gen_from),
            fetch_to=iso_time(sought.gen_to),
        )
    if search.serial_taken is not None:
        return IN_LEDGER.failed(
            Reason.LEDGER_SERIAL_TAKEN, SubIndication.SIG_CONSTRAINTS_FAILURE, index=search.serial_taken
        )
    return IN_LEDGER.failed(Reason.NOT_IN_LEDGER, SubIndication.SIG_CONSTRAINTS_FAILURE)


def _ends_later(search: TokenSearch, sought: Sought, newest: Vouched, vouching: Vouching) -> bool:
    """Say whether the log had ended later than the token's time, by its own word and by another's.

    Attack: an old checkpoint, stamped or cosigned again today by somebody who knows no newer one, with all
    records up to its size. By the date of that stamp alone, tokens that were issued since would seem not to
    be there. The log's own signature says when this size was its newest.
    """
    if not search.reaches_end(newest.signed.checkpoint.size):
        return False
    if vouching.self_dated(newest.signed) < sought.end:
        return False
    return any(proof.time > sought.end for proof in vouching.proofs(newest, sought.facts))


def _unusable(reason: Reason, **params: ReportValue) -> Check:
    return LEDGER_BUNDLE.indeterminate(reason, SubIndication.NO_POE, **params)


def _subject(bundle: BundleFacts, entry: Entry | None) -> dict[str, ReportValue]:
    checkpoint = bundle.newest.signed.checkpoint
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "index": None if entry is None else entry.index,
    }


def _report(
    checks: tuple[Check, ...],
    context: Context,
    subject: Mapping[str, ReportValue] | None = None,
    proofs: tuple[ProofOfExistence, ...] = (),
) -> Report:
    indication, sub_indication = conclude(checks)
    holds = any(check.id == IN_LEDGER.id and check.status in {Status.OK, Status.WEAK} for check in checks)
    return Report(
        KIND,
        subject or {},
        indication,
        sub_indication,
        context.at,
        checks,
        LIMITS if holds else (),
        proofs_of_existence=proofs if holds else (),
        policy=context.policy,
    )
