"""Random octets of the operating system, taken in larger portions than they are used.

A token needs some forty of them. A system call takes hardly more processor time,
but lets go of the interpreter, which another thread may then keep for a while.
"""

from __future__ import annotations

import os
import threading

PORTION = 4096
"""Octets of one system call."""


class RandomPool:
    """Octets from `os.urandom`, each given out once. Safe for several threads; empty after a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._octets = b""
        self._at = 0
        if hasattr(os, "register_at_fork"):
            # A child that went on with its parent's octets would give the same ones out again.
            os.register_at_fork(after_in_child=self._forget)

    def take(self, size: int) -> bytes:
        """Return `size` octets, at most `PORTION`."""
        with self._lock:
            at = self._at
            if at + size > len(self._octets):
                self._octets, at = os.urandom(PORTION), 0
            self._at = at + size
            return self._octets[at : at + size]

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._octets, self._at = b"", 0


random_octets = RandomPool().take
"""The process's pool."""
