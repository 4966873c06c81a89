"""`make soak`: kill parts in turn under load over both stores, switch profiles, and keep the books.

After every blow: each token that a client received is in the ledger octet for
octet, no serial stands twice, no index is missing, every leaf has its hash,
the tree is that of the leaves, no size has two roots, what is public was kept
before, the store opens without repair, no orphan holds the port, and the
service answers again. Over PostgreSQL two nodes share one order and one log,
and the server is killed as well. Of switches no client knows anything: every request is granted,
and each token is of the profile that was asked for or was the default.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.service.survival import AFRESH, make_folder
from tests.service.survival_clients import Outcome
from tests.service.survival_postgres import Blow, Cluster, blows
from tests.service.survival_rounds import Round, rounds
from tests.service.switching_rounds import Switched, switching

COLUMNS = (Outcome.GRANTED, Outcome.SYSTEM_FAILURE, Outcome.BEHIND, Outcome.BROKEN)


def main() -> int:
    """Run all rounds; return 1 when any promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50, help="blows for each number of workers")
    parser.add_argument("--nodes", type=int, default=100, help="blows over PostgreSQL, with two nodes")
    parser.add_argument("--switches", type=int, default=20, help="switches for each number of workers")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the moments of the blows")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    print("workers  round  killed  granted  systemFailure  503  broken  down s  leaves")
    chance = random.Random(arguments.seed)  # noqa: S311  # moments, no secrets
    good = True
    for workers in (1, 2):
        with tempfile.TemporaryDirectory(prefix="kokuin-soak-") as scratch:
            for blow in rounds(make_folder(Path(scratch)), workers, arguments.rounds, chance, AFRESH):
                good &= not blow.violations
                show(blow)
    print("node and part       round  granted  systemFailure  503  broken  leaves")
    if arguments.nodes:
        with (
            tempfile.TemporaryDirectory(prefix="kokuin-soak-") as scratch,
            Cluster(Path(scratch), program=AFRESH) as cluster,
        ):
            for struck in blows(cluster, arguments.nodes, chance):
                good &= not struck.violations
                show_blow(struck)
    print("workers  round  act                  default      tokens  seconds")
    for workers in (1, 2):
        with tempfile.TemporaryDirectory(prefix="kokuin-soak-") as scratch:
            for act in switching(make_folder(Path(scratch)), workers, arguments.switches, chance, AFRESH):
                good &= not act.violations
                show_switch(act)
    print("every promise was kept" if good else "PROMISES WERE BROKEN")
    return 0 if good else 1


def show(blow: Round) -> None:
    """Print one row, and below it what was wrong."""
    granted, failed, behind, broken = (blow.outcomes[outcome] for outcome in COLUMNS)
    print(
        f"{blow.workers:7}  {blow.number:5}  {blow.part:6}  {granted:7}  {failed:13}  {behind:3}  {broken:6}"
        f"  {blow.down_s:6.2f}  {blow.leaves:6}",
        flush=True,
    )
    for violation in blow.violations:
        print(f"    VIOLATION: {violation}")


def show_blow(blow: Blow) -> None:
    """Print one row, and below it what was wrong."""
    granted, failed, behind, broken = (blow.outcomes[outcome] for outcome in COLUMNS)
    columns = f"{granted:7}  {failed:13}  {behind:3}  {broken:6}  {blow.leaves:6}"
    print(f"{blow.part:18}  {blow.number:5}  {columns}", flush=True)
    for violation in blow.violations:
        print(f"    VIOLATION: {violation}")


def show_switch(act: Switched) -> None:
    """Print one row, and below it what was wrong."""
    columns = f"{act.act:19}  {act.default:11}  {act.tokens:6}  {act.seconds:7.2f}"
    print(f"{act.workers:7}  {act.number:5}  {columns}", flush=True)
    for violation in act.violations:
        print(f"    VIOLATION: {violation}")


if __name__ == "__main__":
    sys.exit(main())
