"""The workers as a switch asks them: its first phase needs the word of every one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from kokuin.service.switch_refusals import Blocker

if TYPE_CHECKING:
    from collections.abc import Callable

PREPARE_SECONDS = 30.0
"""How long a worker may take to load and try the units; a worker that is silent stops the switch."""


class Preparing(Protocol):
    """A worker as the switch sees it."""

    async def prepare(self, digest: str) -> str:
        """Load and try the units of a saved snapshot; empty when ready, else one line that says why not."""
        ...

    def abandon(self, digest: str) -> None:
        """Forget what was prepared."""
        ...


class Participants:
    """Whoever is at work; on the keeper's loop."""

    def __init__(self) -> None:
        self._workers: dict[int, tuple[str, Preparing]] = {}
        self._next = 0

    def enlist(self, name: str, worker: Preparing) -> Callable[[], None]:
        """Ask `worker` at every switch from now on; the result ends that. Blockers name it by `name`."""
        number = self._next = self._next + 1  # a name may come back before its former bearer has left
        self._workers[number] = (name, worker)

        def leave() -> None:
            self._workers.pop(number, None)

        return leave

    async def prepare(self, digest: str) -> list[Blocker]:
        """Let every worker prepare a saved snapshot; empty when all are ready."""
        found = await asyncio.gather(*(_ask(name, worker, digest) for name, worker in self._workers.values()))
        return [blocker for blocker in found if blocker is not None]

    def abandon(self, digest: str) -> None:
        """Let every worker forget what it prepared."""
        for _, worker in tuple(self._workers.values()):
            worker.abandon(digest)


async def _ask(name: str, worker: Preparing, digest: str) -> Blocker | None:
    try:
        async with asyncio.timeout(PREPARE_SECONDS):
            problem = await worker.prepare(digest)
    except TimeoutError:
        problem = f"no answer within {PREPARE_SECONDS:.0f} s"
    return Blocker("WORKER_NOT_READY", name, problem) if problem else None
