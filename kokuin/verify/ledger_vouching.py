"""Who besides the log says since when a checkpoint exists: witnesses, and time-stamps of others.

The time in a log's own signature is the log's own word. It proves order, never
time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kokuin.ledger.checkpoint import verify_line
from kokuin.trust.judge import find_signer, judge_token
from kokuin.trust.name import display
from kokuin.trust.report import Check, Existence, Indication, ProofOfExistence
from kokuin.trust.token import read_token
from kokuin.verify.content import of_octets
from kokuin.wire.ber import definite
from kokuin.wire.errors import WireError
from kokuin.wire.prescan import TOKEN_LIMITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kokuin.ledger.bundle_vouching import FoundStamp
    from kokuin.ledger.checkpoint import SignedCheckpoint
    from kokuin.ledger.log_keys import LogVerifier
    from kokuin.ledger.witness_policy import Cosigner, WitnessPolicy
    from kokuin.trust.context import Context
    from kokuin.trust.report import ReportValue
    from kokuin.trust.token import TokenFacts

MAX_STAMPS = 16
"""Time-stamps of a bundle that are judged: nobody signs for their number, and each brings more to try."""
MAX_STAMP_OCTETS = 1024 * 1024

_SECOND = 1_000_000
_LAST = 253_402_300_799_999_999
"""9999-12-31, its last microsecond."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """A checkpoint that both keys of its log signed.

    Attributes:
        signed: the checkpoint.
        cosigners: witnesses of the auditor's policy whose cosignatures verify.
        stamps: time-stamps over it, not judged yet.
    """

    signed: SignedCheckpoint
    cosigners: tuple[Cosigner, ...] = ()
    stamps: tuple[FoundStamp, ...] = ()


class Vouching:
    """Judges who vouches for the checkpoints of a log."""

    def __init__(self, logs: LogVerifier, witnesses: WitnessPolicy | None, context: Context) -> None:
        """Args: the auditor's keys and policy, and by what time-stamps are judged."""
        self._logs = logs
        self._witnesses = witnesses
        self._context = context
        self._stamps_left = MAX_STAMPS

    def has_quorum(self, vouched: Vouched) -> bool:
        """Say whether enough witnesses have cosigned; always without a policy."""
        keys = {one.witness.key for one in vouched.cosigners}
        return self._witnesses is None or self._witnesses.satisfied_by(keys)

    def self_dated(self, signed: SignedCheckpoint) -> int:
        """Return the time in the log's own ML-DSA-44 signature, microseconds since 1970 UTC; 0 for none."""
        lines = (verify_line(key, signed) for key in self._logs.keys(signed.checkpoint.origin))
        return max((line.timestamp or 0 for line in lines if line is not None), default=0) * _SECOND

    def proofs(self, vouched: Vouched, token: TokenFacts) -> Iterator[ProofOfExistence]:
        """Yield by what times others say that this checkpoint existed.

        Args:
            vouched: the checkpoint.
            token: whose unit does not count: whoever holds its stolen key can date anything.
        """
        size = vouched.signed.checkpoint.size
        if vouched.cosigners and self.has_quorum(vouched):
            # One witness may lie as long as the quorum does not: by the last of their times it was there.
            time = max(one.timestamp for one in vouched.cosigners) * _SECOND
            names = ", ".join(one.witness.name for one in vouched.cosigners)
            # A witness that writes milliseconds names a year that no report can say, and no clock has seen.
            if time <= _LAST:
                yield ProofOfExistence(Existence.LEDGER_WITNESSED, time, {"by": names, "size": size})
        own = find_signer(token, self._context) if vouched.stamps else None
        if own is None:
            return
        for stamp in vouched.stamps[: self._stamps_left]:
            self._stamps_left -= 1
            found = self._stamped(stamp, own.public_key)
            if found is not None:
                yield found

    def _stamped(self, stamp: FoundStamp, own_key: bytes) -> ProofOfExistence | None:
        """Return what a good time-stamp of another unit proves: the latest time that it speaks of."""
        if len(stamp.token) > MAX_STAMP_OCTETS:
            return None
        context = replace(self._context, content=of_octets(stamp.note))
        try:
            octets = definite(stamp.token, TOKEN_LIMITS)
        except WireError:
            return None
        facts, report = read_token(octets), judge_token(octets, context)
        if isinstance(facts, Check) or report.indication is not Indication.PASSED:
            return None
        signer = find_signer(facts, context)
        if signer is None or signer.public_key == own_key:
            return None
        accuracy = facts.tst_info.accuracy
        time = facts.tst_info.gen_time.microseconds + (0 if accuracy is None else accuracy.microseconds)
        by: dict[str, ReportValue] = {"by": display(signer.subject), "size": stamp.size}
        return ProofOfExistence(Existence.LEDGER_STAMPED, time, by, report.verifiable_until)
