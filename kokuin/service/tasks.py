"""Tasks that run as long as the process: one that ends by an error takes the process with it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def lifelong(
    work: Coroutine[Any, Any, None], name: str, on_fatal: Callable[[str], None]
) -> asyncio.Task[None]:
    """Start a task that ends only when it is cancelled.

    Args:
        work: what it does.
        name: of the task.
        on_fatal: told when it ended by itself: a watch that nobody misses guards nothing.
    """
    task = asyncio.create_task(work, name=name)

    def ended(done: asyncio.Task[None]) -> None:
        if not done.cancelled():
            on_fatal(f"the task {name} ended: {done.exception()!r}")

    task.add_done_callback(ended)
    return task
