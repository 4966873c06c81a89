"""Export and check of a large ledger: seconds, peak memory and octets, each in a process of its own.

The records are those of the service, made from one real token by other serial numbers: size and syntax are
right, the signatures are not, and neither export nor check asks about them. Linux only.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.benchmark import ledger_export_child
from conformance.benchmark.ledger_export_child import ACTS
from kokuin.ledger import schema
from pqc.envelope_suites import KemKind
from pqc.kem import generate_kem_key
from pqc.kem_files import public_pem, write_kem_key
from tests.ledger import exported
from tests.ledger.notes import log, verifier

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDS = 1_000_000
BATCH = 2_000
_TOP = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one act cost.

    Attributes:
        act: what was done.
        seconds: of wall time.
        processor: seconds of processor time.
        peak_kib: highest resident memory, interpreter and libraries included.
        octets: of the file that was written or read.
    """

    act: str
    seconds: float
    processor: float
    peak_kib: int
    octets: int


def fill(folder: Path, records: int = RECORDS) -> float:
    """Make a ledger of so many records in an empty folder, with a checkpoint and keys; return the seconds."""
    begun = time.perf_counter()
    schema.create(folder / "ledger.db")
    exported.fill(folder / "ledger.db", records, BATCH)
    exported.sign(folder / "ledger.db", [records // 2], cosigned=True, stamped=True)
    exported.sign(folder / "ledger.db", [records])
    (folder / "log.vkey").write_text(verifier(log()).encode(), "utf-8")
    (folder / "certificates.pem").write_bytes(exported.certificates())
    key = generate_kem_key(KemKind.ML_KEM_768)
    write_kem_key(folder / "recipient.key", key, None)
    (folder / "recipient.pub").write_bytes(public_pem(key.recipient))
    return time.perf_counter() - begun


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(folder: Path) -> Iterator[Cost]:
    """Do every act on a filled folder, in a child process each.

    Raises:
        RuntimeError: a child failed, or a check did not pass.
    """
    for act, file in ACTS.items():
        begun, before = time.perf_counter(), _processor()
        words = [sys.executable, "-m", ledger_export_child.__name__, str(folder), act]
        child = subprocess.run(words, cwd=_TOP, capture_output=True, check=False)
        seconds, processor = time.perf_counter() - begun, _processor() - before
        if child.returncode:
            raise RuntimeError(f"{act} ended with {child.returncode}: {child.stderr.decode()[-500:]}")
        octets = (folder / file).stat().st_size if file else 0
        yield Cost(act, seconds, processor, int(child.stdout), octets)


if __name__ == "__main__":
    print(f"filled in {fill(Path(sys.argv[1]), *map(int, sys.argv[2:])):.1f} s")
    for cost in measure(Path(sys.argv[1])):
        print(cost)
