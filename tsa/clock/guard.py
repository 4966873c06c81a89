"""The clock monitor: asks the source, and decides when issuing stops and starts again."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from tsa.clock.judge import judge
from tsa.clock.machine import boot_ns as machine_boot_ns
from tsa.clock.machine import read_pair
from tsa.clock.sample import Sample
from tsa.clock.settings import Resume, SourceKind
from tsa.clock.verdict import ClockFault

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsa.clock.sample import Source
    from tsa.clock.settings import ClockSettings
    from tsa.clock.verdict import ClockVerdict

OnVerdict: TypeAlias = "Callable[[ClockVerdict, bool], None]"


class ClockMonitor:
    """Polls one source and gates what the judge says.

    After a fault, `good_samples` good polls in a row are wanted before issuing
    starts again, and with `resume = "operator"` a person's word as well (EN 319
    421 §7.7.2; `ClockFault.HELD`). There is no thread inside: the owner calls
    `poll` every `settings.poll_s` seconds, from one thread at a time.
    """

    def __init__(  # noqa: PLR0913 - a source, its settings, two clocks and where it tells
        self,
        source: Source,
        settings: ClockSettings,
        *,
        on_verdict: OnVerdict,
        wall_ns: Callable[[], int] = time.time_ns,
        boot_ns: Callable[[], int] = machine_boot_ns,
        stopped_before: bool = False,
    ) -> None:
        """Watch `source`.

        Args:
            source: what is asked.
            settings: settings without problems.
            on_verdict: told every verdict, and whether its fault differs from the one before; the first
                always counts as different.
            wall_ns: the wall clock, nanoseconds since 1970 UTC.
            boot_ns: CLOCK_BOOTTIME, nanoseconds.
            stopped_before: the last thing known of this service's clock was a fault, so that a restart is
                no way round the operator.
        """
        self._source = source
        self._settings = settings
        self._on_verdict = on_verdict
        self._wall_ns = wall_ns
        self._boot_ns = boot_ns
        self._judged: ClockVerdict | None = None
        self._verdict: ClockVerdict | None = None
        self._good = 0
        self._wanted = 1 if source.kind == SourceKind.SYSTEM else settings.good_samples
        self._waiting_for = ClockFault.NOT_YET
        self._was_fit = stopped_before
        self._held = self._must_hold()

    @property
    def verdict(self) -> ClockVerdict | None:
        """The last verdict, None before the first poll."""
        return self._verdict

    def fault(self, highest_gen_us: int) -> ClockFault | None:
        """Say why nothing can be issued at this moment; also between two polls, or when they have ceased.

        Args:
            highest_gen_us: the highest genTime in the ledger, microseconds since 1970 UTC.
        """
        verdict = self._verdict
        if verdict is None:
            return ClockFault.NOT_YET
        if verdict.fault is not None:
            return verdict.fault
        if self._boot_ns() > verdict.expires_boot_ns:
            return ClockFault.STALE
        return ClockFault.BACKWARDS if self._wall_ns() // 1_000 < highest_gen_us else None

    def poll(self) -> ClockVerdict:
        """Ask the source once (bounded by the source's own deadline), tell the verdict, and return it."""
        wall, boot = read_pair(self._wall_ns, self._boot_ns)
        sample = Sample(self._source.ask(), wall, boot)
        self._judged = judge(self._source.kind, sample, self._settings, self._judged)
        verdict = self._gate(self._judged)
        changed = self._verdict is None or self._verdict.fault is not verdict.fault
        self._verdict = verdict
        self._on_verdict(verdict, changed)
        return verdict

    def resume(self) -> bool:
        """Take the operator's word that issuing may go on.

        Returns:
            True when the monitor was holding; the next poll then finds the clock fit, so poll at once.
            False when there was nothing to resume: a word given early does not count for later faults.
        """
        if self._verdict is None or self._verdict.fault is not ClockFault.HELD:
            return False
        self._held = False
        return True

    def _gate(self, judged: ClockVerdict) -> ClockVerdict:
        if judged.fault is ClockFault.LEAP:
            # Announced and passing by itself: nothing was wrong, so nothing has to prove itself again.
            return judged
        if judged.fault is not None:
            self._stop(judged.fault)
            return judged
        self._good += 1
        if self._good < self._wanted:
            waiting = f"{self._good} of {self._wanted} good samples; {judged.detail}"
            return replace(judged, fault=self._waiting_for, detail=waiting)
        if self._held:
            return replace(
                judged, fault=ClockFault.HELD, detail=f"an operator has to resume; {judged.detail}"
            )
        self._was_fit = True
        return judged

    def _stop(self, fault: ClockFault) -> None:
        self._held = self._must_hold()
        self._good = 0
        self._wanted = self._settings.good_samples
        self._waiting_for = fault

    def _must_hold(self) -> bool:
        """Sources that come up late at the very first start were no stop of the service."""
        return self._was_fit and self._settings.resume == Resume.OPERATOR
