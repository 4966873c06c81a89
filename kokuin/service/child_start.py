"""Children that read and judge for those who serve: started without the words that open keys, and ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio.subprocess import Process

_SECRETS = frozenset({"TSA_PASSPHRASE", "TSA_PIN", "TSA_RECIPIENT_PASSPHRASE"})
_DYING_SECONDS = 10.0
"""How long a busy machine may take to end what has closed its output; what only closed it is killed then."""


async def start_child(module: str, *, stderr: int = DEVNULL) -> Process:
    """Start a module as a program, with pipes for what it reads and writes.

    Args:
        module: its name.
        stderr: where it complains: nowhere, or to a PIPE.

    Raises:
        OSError: no process can be had.
    """
    # It opens no key, so it gets none of the words that open them.
    environment = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=PIPE,
        stdout=PIPE,
        stderr=stderr,
        env=environment,
        start_new_session=True,
    )


async def end_child(child: Process) -> None:
    """Kill a child unless it has ended, with all that it has forked, and wait until they have."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    # Not `wait` alone: it waits for the end of the output, which is never reached while nobody reads.
    await child.communicate()


async def await_end(child: Process) -> None:
    """Wait for a child that ends by itself: to kill one that has just died loses how it died."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DYING_SECONDS):
            await child.wait()


def was_costly(child: Process) -> bool:
    """Whether the kernel ended a child that wanted more of a processor than it may have."""
    return child.returncode == -signal.SIGXCPU
