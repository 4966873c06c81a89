"""The source that asks a local chronyd through chronyc.

Read with `chronyc -c`, whose comma-separated fields are chrony's interface for
programs (chronyc(1), `tracking`, `sources`, `ntpdata`). The parsers are pure;
a line that is not as expected is no time.
"""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING

from tsa.clock.bounded import RunError, run_bounded
from tsa.clock.sample import Leap, SourceReport, unheard
from tsa.clock.settings import SourceKind

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE_S = 2.0
"""All questions of one poll together take no longer."""

_MAX_OUTPUT = 65_536
_TRACKING_FIELDS = 14
_SOURCE_FIELDS = 10
# The fields of chrony 4.0; later releases append some.
_NTPDATA_FIELDS = 33
# chronyd follows nothing but the undisciplined local clock (`local` directive): it has no time of its own.
_LOCAL_REFID = "7F7F0101"
_USED_SOURCES = frozenset("*+")
_LEAPS = {"Normal": Leap.NONE, "Insert second": Leap.INSERT, "Delete second": Leap.DELETE}
_REFID = re.compile(r"[0-9A-F]{8}")
_NUMBER = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,12})?")


class UnreadableError(Exception):
    """chronyc's output is not as documented."""


def parse_tracking(text: str, wall_ns: int) -> SourceReport:
    """Read the one line of `chronyc -c tracking`.

    The error bound is chrony's own: root dispersion plus half the root delay,
    around the remaining correction (chronyc(1), `tracking`).

    Args:
        text: chronyc's output.
        wall_ns: the wall clock, nanoseconds, to tell the age of the last measurement; a measurement from
            the future is as bad as one as old.

    Raises:
        UnreadableError: the output is something else.
    """
    (fields,) = _rows(text, _TRACKING_FIELDS, at_most=1) or [[]]
    if not fields:
        raise UnreadableError("no tracking line")
    refid, leap = fields[0], fields[13]
    _expect(_REFID, refid)
    name = fields[1] or refid_text(refid)
    if leap not in _LEAPS or refid == _LOCAL_REFID:
        return unheard(name, f"chronyd is not synchronised (reference {refid}, leap status {leap!r})")
    fast_s = -_number(fields[4])
    root_s = _number(fields[10]) / 2 + _number(fields[11])
    if root_s < 0:
        raise UnreadableError("negative root distance")
    return SourceReport(
        name=name,
        synchronised=True,
        offset_us=round(fast_s * 1e6),
        uncertainty_us=math.ceil(root_s * 1e6) + 1,
        refid=refid_text(refid),
        address=fields[1],
        stratum=int(_number(fields[2])),
        leap=_LEAPS[leap],
        age_s=abs(wall_ns / 1e9 - _number(fields[3])),
    )


def parse_sources(text: str) -> tuple[str, ...]:
    """Return the addresses of the sources that chronyd uses now, from `chronyc -c -n sources`.

    Raises:
        UnreadableError: the output is something else.
    """
    return tuple(row[2] for row in _rows(text, _SOURCE_FIELDS) if row[1] in _USED_SOURCES)


def parse_ntpdata(text: str, used: tuple[str, ...]) -> tuple[SourceReport, ...]:
    """Return an upstream report for each of the `used` sources, from `chronyc -c -n ntpdata`.

    Raises:
        UnreadableError: the output is something else.
    """
    reports = []
    for row in _rows(text, _NTPDATA_FIELDS, more=True):
        _expect(_REFID, row[15])
        if row[0] in used and row[5] in _LEAPS:
            reports.append(
                SourceReport(
                    name=row[0],
                    synchronised=True,
                    refid=refid_text(row[15]),
                    address=row[0],
                    stratum=int(_number(row[8])),
                    leap=_LEAPS[row[5]],
                    upstream=True,
                )
            )
    return tuple(reports)


def refid_text(refid: str) -> str:
    """Return eight hex digits as the letters that they spell, else as the address that they are."""
    octets = bytes.fromhex(refid)
    letters = octets.rstrip(b"\0")
    if letters and all(0x21 <= octet < 0x7F for octet in letters):
        return letters.decode("ascii")
    return ".".join(str(octet) for octet in octets)


def _rows(text: str, fields: int, *, at_most: int = 1024, more: bool = False) -> list[list[str]]:
    rows = [line.split(",") for line in text.splitlines()]
    for row in rows:
        if len(row) < fields or (len(row) > fields and not more):
            raise UnreadableError(f"{len(row)} fields for {fields}")
    if len(rows) > at_most:
        raise UnreadableError(f"{len(rows)} lines")
    return rows


def _number(field: str) -> float:
    _expect(_NUMBER, field)
    return float(field)


def _expect(pattern: re.Pattern[str], field: str) -> None:
    if pattern.fullmatch(field) is None:
        raise UnreadableError(f"unexpected field {field[:32]!r}")


class ChronySource:
    """Reports chronyd's tracking, and its upstream sources where chronyd may tell.

    chronyd gives `ntpdata` only to root and its own user through its socket;
    otherwise a smearing source shows by its address alone.
    """

    kind = SourceKind.CHRONY

    def __init__(
        self, program: str, address: str, port: int, *, wall_ns: Callable[[], int] = time.time_ns
    ) -> None:
        """Ask the chronyd behind `address`.

        Args:
            program: chronyc's path or name.
            address: chronyd's command address or socket path; empty for chronyc's default.
            port: chronyd's UDP command port.
            wall_ns: the wall clock, nanoseconds since 1970 UTC.
        """
        where = ["-h", address] if address else []
        self._command = [program, "-c", "-n", *where, "-p", str(port)]
        self._wall_ns = wall_ns

    def ask(self) -> tuple[SourceReport, ...]:
        """Return chronyd's report and those of its upstream sources, within `DEADLINE_S`."""
        deadline = time.monotonic() + DEADLINE_S
        try:
            tracking = parse_tracking(self._run("tracking", deadline), self._wall_ns())
            if not tracking.synchronised:
                return (tracking,)
            used = parse_sources(self._run("sources", deadline))
            return (tracking, *self._upstream(used, deadline))
        except (RunError, UnreadableError) as error:
            return (unheard(self.kind, f"chronyc: {error}"),)

    def _upstream(self, used: tuple[str, ...], deadline: float) -> tuple[SourceReport, ...]:
        try:
            return parse_ntpdata(self._run("ntpdata", deadline), used)
        except RunError:
            return tuple(
                SourceReport(name=address, synchronised=True, address=address, upstream=True)
                for address in used
            )

    def _run(self, question: str, deadline: float) -> str:
        return run_bounded([*self._command, question], deadline, _MAX_OUTPUT)
