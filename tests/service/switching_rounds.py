"""Rounds of switching: load, an act drawn by lot, and the books at the end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.service.asking import POLICY
from tests.service.survival import Service
from tests.service.switching_load import MixedClients, Wish, check_books, do

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

CLIENTS = [Wish()] * 8 + [Wish(policy=POLICY)] * 4 + [Wish(path="/tsa/classical")] * 4
PROFILES = ("classical", "bundle", "pq", "composite")
"""Those that take the clients' SHA-256; `cnsa2` does not."""
WARM_UP = 50
"""Tokens before each act."""


@dataclass(frozen=True, slots=True)
class Switched:
    """What one act did.

    Attributes:
        number: from 1.
        workers: of the service.
        act: with the profile's name.
        default: what answers from then on.
        seconds: from the question to the answer.
        tokens: received since the act before.
        violations: one line for each broken promise.
    """

    number: int
    workers: int
    act: str
    default: str
    seconds: float
    tokens: int
    violations: tuple[str, ...]


def switching(
    folder: Path, workers: int, count: int, chance: random.Random, program: tuple[str, ...] = ()
) -> Iterator[Switched]:
    """Switch profiles under load in any order; `classical` stays on, for those who name it."""
    with Service(folder, workers, program=program) as service:
        service.start()
        before = 0
        with MixedClients(service.port, CLIENTS) as clients:
            for number in range(1, count + 1):
                clients.wait_for(WARM_UP)
                act, name = _draw(chance)
                since = time.monotonic()
                answer = do(folder, act, name=name)
                seconds, tokens = time.monotonic() - since, len(clients.received)
                violations = clients.failures[:3]
                # Nothing stands against these acts but that there is nothing to undo or to turn off.
                if not answer["ok"] and act == "use":
                    violations.append(f"{act} {name}: {answer}")
                default = str(answer.get("default", "refused"))
                yield Switched(
                    number, workers, f"{act} {name}", default, seconds, tokens - before, tuple(violations)
                )
                before = tokens
        code = service.stop()
    ends = [*clients.failures[:3], *([f"exit code {code}"] if code else [])]
    try:
        check_books(folder, clients.received)
    except AssertionError as error:
        ends.append(f"the books: {error}")
    if ends:
        yield Switched(0, workers, "the end", "", 0.0, 0, tuple(ends))


def _draw(chance: random.Random) -> tuple[str, str]:
    act = chance.choice(("use", "use", "use", "rollback", "disable"))
    if act == "rollback":
        return act, ""
    return act, chance.choice(PROFILES if act == "use" else PROFILES[1:])
