"""What a child does first: whatever it is busy with, it does not outlive its parent for long.

The event loop sees the parent's end too and lets open requests finish
(`kokuin.service.child`). This thread needs no loop, so it also ends a child
that is still loading its libraries or that drains for too long, and the port
and the data folder are free for the next parent.
"""

from __future__ import annotations

import os
import select
import threading
import time

ORPHAN_SECONDS = 2.5
"""How long a child may go on after its parent."""
EXIT_ORPHANED = 75


def watch(descriptor: int) -> None:
    """End this process `ORPHAN_SECONDS` after the other end of a control socket was closed."""
    threading.Thread(target=_watch, args=(descriptor,), name="lifeline", daemon=True).start()


def _watch(descriptor: int) -> None:
    poller = select.poll()
    # No event asked for: orders are the loop's to read, and a hang-up is always told (poll(2)).
    poller.register(descriptor, 0)
    poller.poll()
    time.sleep(ORPHAN_SECONDS)
    os._exit(EXIT_ORPHANED)
