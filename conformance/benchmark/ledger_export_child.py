"""The child of `ledger_export`: does one act on a filled folder, and prints its peak memory in KiB."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.ledger.bundle_check import check_bundle
from kokuin.ledger.bundle_choice import select
from kokuin.ledger.bundle_file import write_bundle, write_file
from kokuin.ledger.bundle_manifest import Scope
from kokuin.ledger.bundle_plan import plan_bundle
from kokuin.ledger.bundle_sealed import Seal, SealedSource, SealingSink
from kokuin.ledger.bundle_views import VIEWS
from kokuin.ledger.bundle_write import BundleWriter
from kokuin.ledger.log_keys import LogVerifier
from kokuin.ledger.published import newest_checkpoint
from kokuin.ledger.reader import LedgerReader
from kokuin.trust.report import Indication
from pqc.envelope_suites import ENVELOPE_SUITES
from pqc.kem_files import read_kem_key, read_recipient

if TYPE_CHECKING:
    import io

ACTS = {
    "nothing": "",
    "export": "bundle",
    "check": "bundle",
    "export of a third": "third",
    "check of a third": "third",
    "sealed export": "sealed",
    "check of the sealed": "sealed",
    "jsonl": "jsonl",
    "csv": "csv",
}
"""What is measured, and the file that is written or read; `nothing` only loads the libraries."""

SUITE = "ml-kem-768-cms"
_ARC = "1.3.6.1.4.1.32473.1"


def main(folder: Path, act: str) -> int:
    """Be the child that does one act."""
    if act.startswith("check"):
        _check(folder, folder / ACTS[act])
    elif act != "nothing":
        _write(folder, folder / ACTS[act])
    # Not what the system counts for the process: that begins with the parent's memory.
    peak = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"), re.MULTILINE)
    print(peak[1] if peak else 0)
    return 0


def _write(folder: Path, path: Path) -> None:
    path.unlink(missing_ok=True)
    with LedgerReader(folder / "ledger.db") as reader:
        kept = newest_checkpoint(reader)
        assert kept is not None
        scope, indexes = Scope(), None
        if path.name == "third":
            scope = Scope("selection", by="tenant", value="alpha")
            indexes = select(reader, kept.size, {scope.by: scope.value})
        plan = plan_bundle(reader, kept, scope, indexes=indexes)
        pem = (folder / "certificates.pem").read_bytes()
        writer = BundleWriter(reader, plan, certificates=pem, revocation=b"", made_us=kept.at)
        if path.name in VIEWS:
            with write_file(path) as file:
                file.writelines(VIEWS[path.name](writer.records()))
        elif path.name == "sealed":
            recipient = read_recipient((folder / "recipient.pub").read_bytes())
            with write_file(path) as file:
                sink = SealingSink(file, Seal(ENVELOPE_SUITES[SUITE], recipient, _ARC))
                writer.write(sink)
                sink.finish()
        else:
            write_bundle(path, writer)


def _check(folder: Path, path: Path) -> None:
    logs = LogVerifier.parse((folder / "log.vkey").read_text("utf-8"))
    with path.open("rb") as file:
        stream: io.BufferedReader | SealedSource = file
        if path.name == "sealed":
            stream = SealedSource(file, read_kem_key(folder / "recipient.key", None))
        assert check_bundle(stream, logs).indication is Indication.PASSED


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
