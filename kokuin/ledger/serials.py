"""Whether serial numbers are unique, in eight octets a record.

Only a keyed prefix of each serial number is remembered. Two equal prefixes are
a suspicion, which a second look at the records turns into a finding or
dismisses: nobody is accused by a hash of 64 bits.
"""

from __future__ import annotations

import heapq
import os
from array import array
from hashlib import blake2b
from itertools import pairwise

_RUN = 1 << 16
"""Prefixes that are sorted at a time."""
_OCTETS = 8


class SerialWatch:
    """Remembers serial numbers well enough to suspect the equal ones."""

    __slots__ = ("_key", "_run", "_runs")

    def __init__(self) -> None:
        # Attack: serial numbers chosen so that their prefixes meet would make every check look twice.
        self._key = os.urandom(16)
        self._run = array("Q")
        self._runs: list[array[int]] = []

    def prefix(self, serial: str) -> int:
        """Return what is remembered of a serial number."""
        digest = blake2b(serial.encode("utf-8", "surrogatepass"), digest_size=_OCTETS, key=self._key).digest()
        return int.from_bytes(digest, "big")

    def add(self, serial: str) -> None:
        """Remember a serial number."""
        self._run.append(self.prefix(serial))
        if len(self._run) == _RUN:
            self._close_run()

    def suspects(self) -> frozenset[int]:
        """Return the prefixes that occurred more than once, nearly always none."""
        self._close_run()
        return frozenset(one for one, other in pairwise(heapq.merge(*self._runs)) if one == other)

    def _close_run(self) -> None:
        if self._run:
            self._runs.append(array("Q", sorted(self._run)))
            self._run = array("Q")


class SecondLook:
    """Goes through the records once more for the suspected serial numbers."""

    __slots__ = ("_first", "_suspects", "_watch")

    def __init__(self, watch: SerialWatch, suspects: frozenset[int]) -> None:
        """Args: the watch of the first pass, and what it suspects."""
        self._watch = watch
        self._suspects = suspects
        self._first: dict[str, int] = {}

    def first_of(self, serial: str, index: int) -> int | None:
        """Return the index of an earlier record of this serial number; None when there is none."""
        if self._watch.prefix(serial) not in self._suspects:
            return None
        first = self._first.setdefault(serial, index)
        return None if first == index else first
