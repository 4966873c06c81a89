"""From what the sources report to a verdict: pure, so that every fault can be rehearsed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tsa.clock.leap import DAY_NS, SECOND_NS, leap_window, month_end_ns
from tsa.clock.sample import Leap
from tsa.clock.verdict import ClockFault, ClockVerdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsa.clock.sample import Sample, SourceReport
    from tsa.clock.settings import ClockSettings


@dataclass(frozen=True, slots=True)
class _Opinion:
    fault: ClockFault | None
    detail: str
    offset_us: int = 0
    uncertainty_us: int = 0


def judge(
    kind: str, sample: Sample, settings: ClockSettings, previous: ClockVerdict | None = None
) -> ClockVerdict:
    """Judge one poll (EN 319 421 §7.7.2: stay within the declared accuracy or stop).

    Args:
        kind: the source's kind.
        sample: what the sources reported.
        settings: the declared accuracy and the limits.
        previous: the judgement of the poll before, whatever it was; None at the first poll.

    Returns:
        A verdict whose fault is the gravest found: a leap second at hand, a step of the wall clock,
        sources lost, smearing, stale, disagreeing, or too far off. Offset and uncertainty are 0 and mean
        nothing when the sources gave no common estimate.
    """
    leap = any(report.synchronised and report.leap is not Leap.NONE for report in sample.reports)
    opinion = (
        _leap_at_hand(sample, settings, previous, announced=leap)
        or _step(sample, settings, previous)
        or _sources(sample, settings)
    )
    return ClockVerdict(
        fault=opinion.fault,
        detail=opinion.detail,
        source=_name(kind, sample),
        offset_us=opinion.offset_us,
        uncertainty_us=opinion.uncertainty_us,
        wall_ns=sample.wall_ns,
        boot_ns=sample.boot_ns,
        expires_boot_ns=sample.boot_ns + settings.life_ns,
        leap=leap or (opinion.fault is ClockFault.LEAP),
    )


def agreed_span(spans: Sequence[tuple[int, int]], quorum: int) -> tuple[int, int] | None:
    """Return the smallest span that holds every point covered by at least `quorum` of the closed `spans`.

    If `quorum` sources are truthful, the true offset lies in it: where several
    regions reach the quorum, each may hold the truth, so none is dropped (the
    intersection of RFC 5905 §11.2.1, without its guess at who is right).

    Returns:
        (lowest, highest), or None when no point is covered by `quorum` spans.
    """
    edges = sorted([(low, -1) for low, _ in spans] + [(high, 1) for _, high in spans])
    covered = 0
    lowest: int | None = None
    highest: int | None = None
    for point, edge in edges:
        covered -= edge
        if edge < 0 and covered == quorum and lowest is None:
            lowest = point
        if edge > 0 and covered == quorum - 1:
            highest = point
    return None if lowest is None or highest is None else (lowest, highest)


def _name(kind: str, sample: Sample) -> str:
    names = [report.name for report in sample.reports if not report.upstream and report.name != kind]
    return f"{kind} {','.join(names)}" if names else str(kind)


def _leap_at_hand(
    sample: Sample, settings: ClockSettings, previous: ClockVerdict | None, *, announced: bool
) -> _Opinion | None:
    """Sources differ by a second while they pass it, each in its own moment: no judgement then."""
    if not (announced or (previous is not None and previous.leap)):
        return None
    first, last = leap_window(sample.wall_ns, settings.accuracy_us)
    if first <= sample.wall_ns <= last:
        return _Opinion(ClockFault.LEAP, "a leap second is announced for this moment")
    return None


def _step(sample: Sample, settings: ClockSettings, previous: ClockVerdict | None) -> _Opinion | None:
    if previous is None:
        return None
    jump = (sample.wall_ns - previous.wall_ns) - (sample.boot_ns - previous.boot_ns)
    smallest = abs(jump)
    if previous.leap and _passed_leap(previous.wall_ns, sample.wall_ns, settings):
        # A kernel that inserts or deletes the announced leap second sets the wall clock by just that second.
        smallest = min(smallest, abs(jump - SECOND_NS), abs(jump + SECOND_NS))
    if smallest > settings.step_us * 1000:
        return _Opinion(ClockFault.STEP, f"the wall clock jumped by {jump // 1000} us")
    return None


def _passed_leap(before_ns: int, now_ns: int, settings: ClockSettings) -> bool:
    first, last = leap_window(before_ns, settings.accuracy_us)
    return before_ns <= last and now_ns >= first


def _sources(sample: Sample, settings: ClockSettings) -> _Opinion:
    deciding = [report for report in sample.reports if not report.upstream]
    heard = [report for report in deciding if report.synchronised]
    if len(heard) < settings.needed:
        silent = "; ".join(
            f"{report.name}: {report.detail}" for report in deciding if not report.synchronised
        )
        return _Opinion(ClockFault.LOST, f"{len(heard)} of {settings.needed} sources needed: {silent}")
    if smearer := _smearer(sample, settings):
        return _Opinion(ClockFault.SMEAR, f"{smearer} smears leap seconds")
    fresh = [report for report in heard if report.age_s <= settings.max_age_s]
    if len(fresh) < settings.needed:
        oldest = max(report.age_s for report in heard)
        return _Opinion(ClockFault.STALE, f"the last measurement is {oldest:.0f} s old")
    return _accuracy(fresh, settings)


def _smearer(sample: Sample, settings: ClockSettings) -> str:
    """Return the name of a smearing source, or nothing.

    Known by who it is, or because on the last day of the month it keeps silent
    about a leap second that the quorum announces: it will spread it instead.
    Before that day sources may lawfully learn of it one after the other.
    """
    heard = [report for report in sample.reports if report.synchronised]
    for report in heard:
        if not {report.refid, report.address, report.host}.isdisjoint(settings.smearers):
            return report.name
    announcing = [report for report in heard if report.leap is not Leap.NONE and not report.upstream]
    last_day = month_end_ns(sample.wall_ns) - sample.wall_ns <= DAY_NS
    if last_day and len(announcing) >= settings.needed:
        return next((report.name for report in heard if report.leap is Leap.NONE), "")
    return ""


def _accuracy(fresh: Sequence[SourceReport], settings: ClockSettings) -> _Opinion:
    spans = [
        (report.offset_us - report.uncertainty_us, report.offset_us + report.uncertainty_us)
        for report in fresh
    ]
    span = agreed_span(spans, settings.needed)
    if span is None:
        offsets = ", ".join(
            f"{report.name} {report.offset_us}±{report.uncertainty_us} us" for report in fresh
        )
        return _Opinion(ClockFault.DISAGREE, f"no {settings.needed} sources agree: {offsets}")
    offset = (span[0] + span[1]) // 2
    uncertainty = span[1] - offset
    error = abs(offset) + uncertainty + settings.reserve_us
    fault = ClockFault.DRIFT if error > settings.accuracy_us else None
    detail = (
        f"offset {offset} us, uncertainty {uncertainty} us, with reserve {error} of {settings.accuracy_us} us"
    )
    return _Opinion(fault, detail, offset, uncertainty)
