"""EU DSS judges a token of a running service through the evidence record that it gives out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.interop.evidenced import DATA, stamp_with_evidence
from kokuin.trust.certificate import read_certificate
from kokuin.wire.pem import read_blocks

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.interop.dss.library import Dss
    from kokuin.service.datafolder import DataFolder

PROFILES = {
    "archive": ("ecdsa-p384-sha384", 4020, ""),
    "short": ("ecdsa-p256-sha256", 400, 'evidence = "archive"'),
}
"""Of an operator: a unit of evidence that EU DSS knows, and tokens whose certificate ends long before."""
LATER = "2033-01-01T00:00:00Z"
MOST_ROOTS = 16
ECDSA = "1.2.840.10045.4."
"""Its signatures, by any hash (ANSI X9.62)."""


def passes(dss: Dss, folder: Path) -> None:
    """Hold that a token passes through its record when the certificate of its unit has expired, else not.

    Args:
        dss: its programs.
        folder: a new one.
    """
    made = stamp_with_evidence(folder, PROFILES)
    judging = folder / "judging"
    judging.mkdir()
    _trust(made.folder, judging)
    for name, octets in (("token", made.token), ("data", DATA), ("record", made.record)):
        (judging / name).write_bytes(octets)
    jobs = (
        ("token", "token", "data"),
        ("token", "token", "data", "record"),
        ("record", "record", "token", "data"),
    )
    lines = ["\t".join((kind, LATER, *(str(judging / each) for each in files))) for kind, *files in jobs]
    alone, through, itself = dss.judge_records(judging, "\n".join(lines))
    assert alone.startswith("time-stamp INDETERMINATE OUT_OF_BOUNDS"), alone
    assert through == "time-stamp PASSED null", through
    assert itself.startswith("record PASSED null"), itself


def _trust(data: DataFolder, folder: Path) -> None:
    """Give EU DSS the roots, of which it can read none with ML-DSA, and the lists of the authorities."""
    for number, (_, der) in enumerate(read_blocks(data.anchors.read_bytes(), most=MOST_ROOTS)):
        if read_certificate(der).signature_algorithm.oid.startswith(ECDSA):
            (folder / f"root{number}.der").write_bytes(der)
    for path in data.anchors.parent.glob("*.crl"):
        (folder / path.name).write_bytes(path.read_bytes())
