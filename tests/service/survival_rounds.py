"""Rounds of killing: load, a blow, recovery, and the books."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.service.survival import Part, Service, children
from tests.service.survival_audit import audit
from tests.service.survival_clients import Clients, Outcome
from tests.service.survival_log import Shown

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

CLIENTS = 8
WARM_UP = 50
"""Tokens before each blow."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one blow did.

    Attributes:
        number: from 1.
        workers: of the service.
        part: what was killed.
        outcomes: what the clients met since the blow before.
        down_s: seconds from the blow until the service was whole and ready again.
        leaves: of the ledger, afterwards.
        violations: one line for each broken promise.
    """

    number: int
    workers: int
    part: Part
    outcomes: Counter[Outcome]
    down_s: float
    leaves: int
    violations: tuple[str, ...]


def rounds(
    folder: Path, workers: int, count: int, chance: random.Random, program: tuple[str, ...] = ()
) -> Iterator[Round]:
    """Kill parent, keeper and worker in turn under load, and check everything after each."""
    before: Counter[Outcome] = Counter()
    shown = Shown()
    with Service(folder, workers, program=program) as service:
        service.start()
        with Clients(service.port, CLIENTS) as clients:
            for number in range(1, count + 1):
                part = list(Part)[number % 3]
                clients.wait_granted(WARM_UP)
                time.sleep(chance.uniform(0.0, 0.3))
                blow = time.monotonic()
                found, leaves = _strike(service, clients, part, shown)
                _, outcomes = clients.snapshot()
                yield Round(
                    number, workers, part, outcomes - before, time.monotonic() - blow, leaves, tuple(found)
                )
                before = outcomes
        received, _ = clients.snapshot()
        code = service.stop()
        last = audit(folder, received, workers=workers, shown=shown)
        last.expect(code == 0, f"exit code {code} after SIGTERM")
        last.expect(not clients.wrong, f"clients met what may not be: {clients.wrong[:3]}")
        if last.violations:
            yield Round(0, workers, Part.PARENT, Counter(), 0.0, last.size, tuple(last.violations))


def _strike(service: Service, clients: Clients, part: Part, shown: Shown) -> tuple[list[str], int]:
    orphans = children(service.process.pid)
    killed = service.kill(part)
    # At once: the books of a dead service, or beside those that go on.
    received, _ = clients.snapshot()
    at_once = audit(service.folder, received, workers=service.workers, shown=shown)
    service.recover(part, killed, orphans)
    received, _ = clients.snapshot()
    later = audit(service.folder, received, workers=service.workers, shown=shown)
    later.expect(later.size >= at_once.size, f"{at_once.size} leaves became {later.size}")
    return at_once.violations + later.violations, later.size
