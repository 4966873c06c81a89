"""What a check of a bundle comes to: the verdict, and the findings while they are gathered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.ledger.bundle_form import BundleFault
from kokuin.ledger.findings import Finding, LedgerFault
from kokuin.trust.report import Indication

if TYPE_CHECKING:
    from enum import StrEnum

    from kokuin.ledger.bundle_chunk import Run
    from kokuin.ledger.bundle_manifest import Manifest
    from kokuin.ledger.bundle_vouching import FoundStamp, WitnessedCheckpoint
    from kokuin.ledger.checkpoint import SignedCheckpoint
    from kokuin.ledger.recoveries import Recovery
    from kokuin.ledger.witness_policy import Cosigner

MOST_FINDINGS = 100
"""Findings of one name that a verdict lists; more are counted."""
UNAUTHENTICATED = ("README.txt", "manifest.json", "certificates.pem", "revocation.pem", "stamps/")
"""Members that the checkpoint does not cover: whoever uses them judges them by their own signatures."""

_CAUSES = frozenset({BundleFault.MEMBER_MISSING, BundleFault.MEMBER_INSERTED, BundleFault.MEMBER_SWAPPED})
"""Where a whole member is not in its place, most else that is wrong follows from it."""

_UNKNOWN = frozenset(
    {
        LedgerFault.SIGNER_ABSENT,
        BundleFault.ORIGIN_UNKNOWN,
        BundleFault.RECORDS_HIDDEN,
        BundleFault.SINCE_LATER,
        BundleFault.SINCE_UNKNOWN,
        BundleFault.WITNESS_QUORUM,
    }
)
"""Findings that accuse nobody: something cannot be known."""


@dataclass(frozen=True, slots=True)
class BundleVerdict:
    """What a bundle shows.

    Attributes:
        indication: PASSED when nothing is wrong; INDETERMINATE when only something cannot be known; FAILED.
        findings: what is wrong or unknown: members first that are not in their place, then the others in the
            order found; at most `MOST_FINDINGS` of a name.
        more_findings: how many there are beyond them.
        checkpoint: with both signatures of its log verified; None when there is none.
        cosigners: witnesses of the policy that signed it, and when; empty without a policy.
        manifest: its hints; None when they cannot be read.
        records: how many records the bundle holds.
        runs: the first `MOST_RUNS` runs of consecutive records.
        more_runs: how many runs there are beyond them.
        hidden: leaves of the promised range that are there as hashes alone.
        history: earlier checkpoints with which the checkpoint was proven consistent.
        stamps: time-stamps over these checkpoints; their imprint fits, their signatures are to be judged.
        seals: how many epochs' seals were held against the leaves that they seal.
        seals_open: how many could not be, because the bundle has not all of these leaves.
        since: whether the saved checkpoint was proven to be a beginning of this log; None: none was given.
        recoveries: of which records tell that make the checkpoint's root, at most `MOST_RECOVERIES`.
        lost: the one that names the saved checkpoint: it stood over records that were lost there.
        certificates: DER, as found; `revocation`: the octets of `revocation.pem`.
        unauthenticated: members that the checkpoint does not cover.
    """

    indication: Indication
    findings: tuple[Finding, ...]
    more_findings: int
    checkpoint: SignedCheckpoint | None
    cosigners: tuple[Cosigner, ...]
    manifest: Manifest | None
    records: int
    runs: tuple[Run, ...]
    more_runs: int
    hidden: int
    history: tuple[WitnessedCheckpoint, ...]
    stamps: tuple[FoundStamp, ...]
    seals: int
    seals_open: int
    since: bool | None
    recoveries: tuple[Recovery, ...] = ()
    lost: Recovery | None = None
    certificates: tuple[bytes, ...] = ()
    revocation: bytes = b""
    unauthenticated: tuple[str, ...] = UNAUTHENTICATED

    @property
    def complete(self) -> bool:
        """Whether every leaf of the log up to the checkpoint is there as a record."""
        size = -1 if self.checkpoint is None else self.checkpoint.checkpoint.size
        return self.indication is not Indication.FAILED and self.records == size


class Tally:
    """Gathers findings, the first `MOST_FINDINGS` of each name, and what they come to.

    One cause may have effects without end: without a chunk's records each of its tokens is one too many,
    and the absent member, which is noticed behind them, must still be named.

    Attributes:
        more: how many findings there are beyond those that are listed.
        indication: of all of them.
    """

    def __init__(self) -> None:
        self.more = 0
        self.indication = Indication.PASSED
        self._found: list[Finding] = []
        self._of: Counter[StrEnum] = Counter()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """As `BundleVerdict.findings`."""
        return tuple(sorted(self._found, key=lambda finding: finding.code not in _CAUSES))

    def tell(self, finding: Finding) -> None:
        """Take a finding."""
        if finding.code not in _UNKNOWN:
            self.indication = Indication.FAILED
        elif self.indication is Indication.PASSED:
            self.indication = Indication.INDETERMINATE
        self._of[finding.code] += 1
        if self._of[finding.code] <= MOST_FINDINGS:
            self._found.append(finding)
        else:
            self.more += 1
