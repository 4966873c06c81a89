"""The source that reads the kernel's own estimate, as adjtimex(2) gives it.

Whichever daemon disciplines the clock keeps that estimate; the kernel lets its
bound grow by 500 ppm when the daemon falls silent, and declares the clock
unsynchronised at 16 s.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass

from tsa.clock.sample import Leap, SourceReport, unheard
from tsa.clock.settings import SourceKind

# <linux/timex.h>
_TIME_INS, _TIME_DEL, _TIME_OOP, _TIME_ERROR = 1, 2, 3, 5
_STA_UNSYNC = 0x0040
_STA_CLOCKERR = 0x1000
_STA_NANO = 0x2000

_LEAPS = {_TIME_INS: Leap.INSERT, _TIME_OOP: Leap.INSERT, _TIME_DEL: Leap.DELETE}


class _Timex(ctypes.Structure):
    """`struct timex`; the kernel wants the reserved words behind it too."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("tv_sec", ctypes.c_long),
        ("tv_usec", ctypes.c_long),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("reserved", ctypes.c_int * 11),
    )


@dataclass(frozen=True, slots=True)
class KernelClock:
    """What adjtimex(2) says.

    Attributes:
        state: the call's value, TIME_OK (0) to TIME_ERROR (5).
        status: the STA_* bits.
        offset: how much the kernel still has to add to the wall clock; nanoseconds with STA_NANO, else
            microseconds.
        maxerror_us: bound of the clock's error, microseconds.
        esterror_us: estimate of the clock's error, microseconds.
    """

    state: int
    status: int
    offset: int
    maxerror_us: int
    esterror_us: int


def read_kernel() -> KernelClock:
    """Call adjtimex(2) without changing anything; needs no privilege.

    Raises:
        OSError: the system call is not there or not allowed.
    """
    try:
        call = ctypes.CDLL(None, use_errno=True).adjtimex
    except AttributeError as error:
        raise OSError("no adjtimex on this system") from error
    timex = _Timex(modes=0)
    state: int = call(ctypes.byref(timex))
    if state < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return KernelClock(state, timex.status, timex.offset, timex.maxerror, timex.esterror)


def report_kernel(clock: KernelClock) -> SourceReport:
    """Return what `clock` means; pure."""
    if clock.state == _TIME_ERROR or clock.status & (_STA_UNSYNC | _STA_CLOCKERR):
        why = f"the kernel's clock is not synchronised (state {clock.state}, status {clock.status:#x})"
        return unheard(SourceKind.KERNEL, why)
    to_add_us = -(-clock.offset // 1000) if clock.status & _STA_NANO else clock.offset
    return SourceReport(
        name=SourceKind.KERNEL,
        synchronised=True,
        offset_us=-to_add_us,
        uncertainty_us=max(clock.maxerror_us, clock.esterror_us),
        leap=_LEAPS.get(clock.state, Leap.NONE),
    )


class KernelSource:
    """Reports the kernel's estimate.

    It carries no age: a daemon that fell silent shows in the growing bound. It
    does not know where the time comes from, so smearing stays unseen.
    """

    kind = SourceKind.KERNEL

    def ask(self) -> tuple[SourceReport, ...]:
        """Return one report."""
        try:
            return (report_kernel(read_kernel()),)
        except OSError as error:
            return (unheard(self.kind, f"adjtimex: {error}"),)
