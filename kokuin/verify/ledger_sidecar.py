"""The proof that travels with a token: its leaf, and the path from there to a signed checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.ledger.leaf import LeafError, leaf_hash, read_leaf
from kokuin.ledger.note_faults import NoteError, NoteFault
from kokuin.ledger.tlog_proof import read_proof
from kokuin.trust.report import Check, Limit, ProofOfExistence, Status, SubIndication
from kokuin.trust.rules import LEDGER_PROOF, Reason
from kokuin.verify.ledger_claim import (
    LIMITS,
    Auditor,
    earliest_of_each,
    existence,
    in_ledger,
    judge_witnesses,
    proves_token,
)
from kokuin.verify.ledger_search import Entry, Sought, entry_of
from kokuin.verify.ledger_vouching import Vouched, Vouching

if TYPE_CHECKING:
    from kokuin.ledger.tlog_proof import TlogProof
    from kokuin.trust.context import Context


@dataclass(frozen=True, slots=True)
class ProofVerdict:
    """What a proof adds to a token's report.

    Attributes:
        checks: that must hold as well.
        limits: of what it shows.
        proofs: for the report.
        existence: what proves since when the very token existed.
    """

    checks: tuple[Check, ...]
    limits: tuple[Limit, ...] = ()
    proofs: tuple[ProofOfExistence, ...] = ()
    existence: tuple[ProofOfExistence, ...] = ()


def judge_proof(sought: Sought, proof: bytes, auditor: Auditor | None, context: Context) -> ProofVerdict:
    """Judge what a token's proof shows.

    Args:
        sought: the token.
        proof: octets of a C2SP tlog-proof whose extra data is the token's leaf.
        auditor: by whose keys; without those of the proof's log it is not checked, and the report says so.
        context: by what time-stamps are judged.
    """
    if auditor is None:
        return _undone(Reason.LEDGER_KEYS_ABSENT)
    found = _read(proof, sought)
    if found is None:
        return _undone(Reason.LEDGER_LEAF_ABSENT)
    if isinstance(found, Check):
        return ProofVerdict((found,))
    entry, vouched = found[1], _verify(found[0], auditor)
    if not isinstance(vouched, Vouched):
        return ProofVerdict((vouched,)) if vouched else _undone(Reason.LEDGER_KEYS_ABSENT)
    vouching = Vouching(auditor.logs, auditor.witnesses, context)
    witnesses = judge_witnesses(vouched, auditor, vouching)
    if any(check.status is not Status.OK for check in witnesses):
        return ProofVerdict(witnesses)
    proofs = existence(entry, (vouched,), vouching, sought)
    return ProofVerdict(
        (in_ledger(LEDGER_PROOF, entry), *witnesses),
        LIMITS,
        earliest_of_each(proofs),
        proofs if proves_token(entry) else (),
    )


def _undone(reason: Reason) -> ProofVerdict:
    return ProofVerdict((LEDGER_PROOF.not_done(reason),), (Limit.LEDGER_PROOF_NOT_CHECKED,))


def _read(octets: bytes, sought: Sought) -> tuple[TlogProof, Entry] | Check | None:
    """Return proof and entry, or what is wrong; None for a proof made after the record's retention was over.

    Attack: to take the leaf out of another token's proof gains no more than to take the proof away.
    """
    try:
        proof = read_proof(octets)
        if not proof.extra:
            return None
        leaf = read_leaf(proof.extra)
    except (NoteError, LeafError) as error:
        return _failed(Reason.LEDGER_PROOF_UNREADABLE, code=error.fault.value)
    entry = entry_of(sought, proof.index, leaf)
    return _failed(Reason.LEDGER_PROOF_OTHER_TOKEN, index=proof.index) if entry is None else (proof, entry)


def _verify(proof: TlogProof, auditor: Auditor) -> Vouched | Check | None:
    """Return the checkpoint, or what is wrong; None when the auditor has no keys of its log or epoch.

    Attack: to put a proof of an unknown log beside a token gains no more than to take the proof away.
    """
    try:
        signed = auditor.logs.check(proof.checkpoint_octets)
        cosigners = () if auditor.witnesses is None else auditor.witnesses.cosigners(signed)
    except NoteError as error:
        if error.fault is NoteFault.ORIGIN_UNKNOWN:
            return None
        return _failed(Reason.LEDGER_CHECKPOINT_REFUSED, code=error.fault.value)
    if not proof.holds(leaf_hash(proof.extra), signed.checkpoint):
        return _failed(Reason.LEDGER_PROOF_WRONG, index=proof.index)
    return Vouched(signed, cosigners)


def _failed(reason: Reason, **params: str | int) -> Check:
    return LEDGER_PROOF.failed(reason, SubIndication.SIG_CONSTRAINTS_FAILURE, **params)
