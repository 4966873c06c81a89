"""Doors of a child that reads what strangers send, shut for good: it keeps the pipes that it has.

Attack: octets that take over their reader. What it could still open, start, write or take is bounded here, by
limits that are lowered and cannot be raised again; what it costs is bounded by the kernel.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

_MEMORY = 3
"""The descriptor, behind the three standard streams, where the kernel tells the size of this process."""


def shut_doors(memory_octets: int) -> None:
    """Give up every file, socket and program to come, and all memory beyond a bound.

    Args:
        memory_octets: of address space.
    """
    os.dup2(os.open("/proc/self/statm", os.O_RDONLY), _MEMORY)
    os.closerange(_MEMORY + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    for limit, most in (
        (resource.RLIMIT_AS, memory_octets),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        # All numbers below are taken, and none is left for another file or a socket.
        (resource.RLIMIT_NOFILE, _MEMORY + 1),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(limit, (most, most))


def allow_seconds(seconds: int) -> None:
    """Let this process use so much more of a processor, and let the kernel end it after that.

    Nothing that reads hostile octets needs to look at a clock.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (spent + seconds, resource.RLIM_INFINITY))


def resident_octets() -> int:
    """Return how much memory this process holds; after `shut_doors`."""
    return int(os.pread(_MEMORY, 64, 0).split()[1]) * resource.getpagesize()


def place_of(error: Exception) -> str:
    """Say what was raised and where, and nothing of what the octets held."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
    return type(error).__name__ + where
