"""A keeper on a loop of its own, asked from a test's thread as a worker or the owner socket asks it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any, Protocol

from kokuin.service.config import load_config
from kokuin.service.keeper_process import make_keeper

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kokuin.service.datafolder import DataFolder

SECONDS = 60.0


class Ask(Protocol):
    """Asks one thing as an actor."""

    def __call__(self, operation: str, actor: str, **arguments: object) -> dict[str, Any]:
        """Return the keeper's answer."""
        ...


@contextlib.contextmanager
def keeping(folder: DataFolder, settings: Mapping[str, str] | None = None) -> Iterator[Ask]:
    """Run a keeper without workers until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    keeper = make_keeper(folder, load_config(folder.root, dict(settings or {})))

    def ask(operation: str, actor: str, **arguments: object) -> dict[str, Any]:
        answer = keeper.ask(operation, {**arguments, "actor": actor})
        return asyncio.run_coroutine_threadsafe(answer, loop).result(SECONDS)

    try:
        asyncio.run_coroutine_threadsafe(keeper.start(), loop).result(SECONDS)
        yield ask
    finally:
        asyncio.run_coroutine_threadsafe(keeper.stop(), loop).result(SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(SECONDS)
        loop.close()
