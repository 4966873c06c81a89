"""From settings to the source that they name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsa.clock.chrony import ChronySource
from tsa.clock.kernel import KernelSource
from tsa.clock.ntp import NtpSource
from tsa.clock.settings import SourceKind
from tsa.clock.system import SystemSource

if TYPE_CHECKING:
    from tsa.clock.sample import Source
    from tsa.clock.settings import ClockSettings


def make_source(settings: ClockSettings) -> Source:
    """Return the source that `settings` name.

    Raises:
        ValueError: `settings.kind` or a server cannot be read; `settings.problems()` says so beforehand.
    """
    match SourceKind(settings.kind):
        case SourceKind.SYSTEM:
            return SystemSource(settings.uncertainty_us)
        case SourceKind.KERNEL:
            return KernelSource()
        case SourceKind.CHRONY:
            return ChronySource(settings.chronyc, settings.chrony_address, settings.chrony_port)
        case SourceKind.NTP:
            return NtpSource(settings.servers)
