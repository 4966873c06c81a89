"""What a time-stamp token says of itself, for the reader of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.trust.report import iso_time
from kokuin.wire.algorithms import DIGEST_BY_OID

if TYPE_CHECKING:
    from kokuin.trust.report import ReportValue
    from kokuin.trust.token import TokenFacts


def describe(facts: TokenFacts) -> dict[str, ReportValue]:
    """Return the subject of a token's report."""
    info = facts.tst_info
    digest = DIGEST_BY_OID.get(info.imprint.digest_oid)
    return {
        "policy": info.policy,
        "serial": f"{info.serial:x}",
        "gen_time": iso_time(info.gen_time.microseconds),
        "accuracy_us": None if info.accuracy is None else info.accuracy.microseconds,
        "imprint_algorithm": info.imprint.digest_oid if digest is None else digest.name,
        "imprint": info.imprint.value.hex(),
        "nonce": None if info.nonce is None else f"{info.nonce:x}",
    }
