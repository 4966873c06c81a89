"""`make interop`: exchange keys, signatures, certificates, tokens and envelopes with foreign programs.

Each is fetched at a pinned version into the user's cache, or is a program of this machine. One line
a check. Exits with 1 when one fails, and with `REQUIRE_PEERS=1` also when one is absent.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from itertools import chain, starmap
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.interop.bouncycastle import evidence as castle_records
from conformance.interop.bouncycastle import judging as bouncycastle
from conformance.interop.checks import AbsentError, Check
from conformance.interop.differential import checking as differential
from conformance.interop.dss import records as dss_records
from conformance.interop.dss import seals as dss
from conformance.interop.golang import clients, logs
from conformance.interop.javascript import jose, noble, node, pkijs
from conformance.interop.openssl import judging as openssl
from conformance.interop.openssl import served as openssl_served
from conformance.interop.place import Place
from tests.pqc.dilithium import Dilithium
from tests.pqc.exchange import ml_dsa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PEERS: dict[str, Callable[[Place], Iterable[Check]]] = {
    "bouncycastle": bouncycastle.checks,
    "bouncycastle-ers": castle_records.checks,
    "differential": differential.checks,
    "dilithium-py": lambda _: starmap(Check, ml_dsa(Dilithium())),
    "dss": dss.checks,
    "dss-ers": dss_records.checks,
    "go": clients.checks,
    "go-tlog": logs.checks,
    "jose": jose.checks,
    "noble": noble.checks,
    "node": node.checks,
    "openssl": openssl_served.checks_of_this_machine,
    "openssl-pq": lambda place: chain(openssl.checks(place), openssl_served.checks_post_quantum(place)),
    "pkijs": pkijs.checks,
}
"""Every peer with its checks, which raise `AbsentError` at once when it cannot be had."""


def main() -> int:
    """Run the checks of the peers that are named, or of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"of {', '.join(PEERS)}; all by default")
    wanted = parser.parse_args().peers or list(PEERS)
    if unknown := set(wanted) - set(PEERS):
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    tally = Tally()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        place = Place(folder, stack)
        for name in wanted:
            tally.peer(name, PEERS[name], place)
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.absent} absent")
    return tally.exit_code(peers_required=os.environ.get("REQUIRE_PEERS") == "1")


class Tally:
    """Lines printed, and how many of each kind."""

    def __init__(self) -> None:
        self.passed = self.failed = self.absent = 0

    def peer(self, name: str, checks: Callable[[Place], Iterable[Check]], place: Place) -> None:
        """Run the checks of one peer."""
        try:
            for check in checks(place):
                self._run(f"{name:16} {check.label}", check.run)
        except AbsentError as absent:
            self._absent(name, absent)
        except subprocess.SubprocessError as error:  # our program does not compile over this peer
            self._fail(name, error)

    def exit_code(self, *, peers_required: bool) -> int:
        """1 when something is not as promised."""
        return 1 if self.failed or (peers_required and self.absent) else 0

    def _run(self, label: str, run: Callable[[], None]) -> None:
        try:
            run()
        except AbsentError as absent:
            self._absent(label, absent)
        except (AssertionError, ValueError, LookupError, subprocess.SubprocessError) as error:
            self._fail(label, error)
        else:
            self.passed += 1
            print(f"passed   {label}", flush=True)

    def _fail(self, label: str, error: Exception) -> None:
        self.failed += 1
        said = getattr(error, "stderr", None) or ""
        print(f"FAILED   {label}: {error!r}\n{said}".rstrip(), flush=True)

    def _absent(self, label: str, absent: AbsentError) -> None:
        self.absent += 1
        print(f"absent   {label}: {absent}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
