"""A bundle as a claim wants it: read once, checked, and refused for whatever accuses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kokuin.ledger.bundle_check import check_bundle
from kokuin.ledger.bundle_form import BundleFault
from kokuin.ledger.findings import LedgerFault
from kokuin.trust.report import Indication
from kokuin.verify.ledger_claim import BundleFacts, BundleRefusedError
from kokuin.verify.ledger_vouching import Vouched

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kokuin.ledger.bundle_check import SeekableSource
    from kokuin.ledger.bundle_verdict import BundleVerdict
    from kokuin.trust.records import LeafValue
    from kokuin.verify.ledger_claim import Auditor, ReadBundle

_TOLERATED = frozenset({LedgerFault.SIGNER_ABSENT, BundleFault.RECORDS_HIDDEN, BundleFault.WITNESS_QUORUM})
"""Findings that accuse nobody. What is withheld, or a quorum that is not there, is for the claim to judge."""


def reader(stream: SeekableSource) -> ReadBundle:
    """Return who reads the bundle in `stream`; what `stream` raises goes through."""

    def read(auditor: Auditor, visit: Callable[[int, Mapping[str, LeafValue]], None]) -> BundleFacts:
        def visit_leaf(index: int, _: bytes, leaf: Mapping[str, Any], _token: bytes | None) -> None:
            visit(index, leaf)

        verdict = check_bundle(stream, auditor.logs, witnesses=auditor.witnesses, visit=visit_leaf)
        return _facts(verdict)

    return read


def _facts(verdict: BundleVerdict) -> BundleFacts:
    """Return what the bundle shows.

    Raises:
        BundleRefusedError: something does not fit, or was not looked at.
    """
    accusing = [finding for finding in verdict.findings if finding.code not in _TOLERATED]
    if accusing or verdict.indication is Indication.FAILED or verdict.checkpoint is None:
        first = (*accusing, *verdict.findings)[0]
        place = "" if first.index is None else f"{first.index} "
        raise BundleRefusedError(first.code.value, f"{place}{first.detail}".strip())
    stamps = verdict.stamps
    newest, *older = (
        Vouched(signed, by, tuple(stamp for stamp in stamps if stamp.size == signed.checkpoint.size))
        for signed, by in ((verdict.checkpoint, verdict.cosigners), *verdict.history)
    )
    return BundleFacts(newest, tuple(older))
