"""Settings of the clock guard, and what is wrong with them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

NTP_PORT = 123

_MARGIN_S = 5.0
# RFC 5905 §7.2 (PHI): a clock that nobody corrects may drift by 15 microseconds a second.
_DRIFT_US_PER_S = 15
_MAX_ACCURACY_US = 1_000_000
_MAX_SERVERS = 16
_LONGEST_POLL_S = 3_600
_LONGEST_AGE_S = 86_400


class SourceKind(StrEnum):
    """Where the guard learns how right the wall clock is."""

    SYSTEM = "system"
    """Development: the wall clock is believed."""
    KERNEL = "kernel"
    """The kernel's own estimate (`adjtimex`), kept by whichever daemon disciplines the clock."""
    CHRONY = "chrony"
    """A local chronyd, asked through chronyc."""
    NTP = "ntp"
    """Several NTP servers, asked by ourselves."""


class Resume(StrEnum):
    """Who ends a stop once the sources are good again."""

    AUTO = "auto"
    OPERATOR = "operator"


class ClockProblem(StrEnum):
    """Why settings cannot be used."""

    KIND_UNKNOWN = "CLOCK_KIND_UNKNOWN"
    RESUME_UNKNOWN = "CLOCK_RESUME_UNKNOWN"
    OUT_OF_RANGE = "CLOCK_SETTING_OUT_OF_RANGE"
    """A number is not positive or too large, or the resolution does not divide a second; nothing else was
    looked at."""
    ACCURACY_ABOVE_1S = "CLOCK_ACCURACY_ABOVE_1S"
    """EN 319 421 wants issued time within a second of UTC."""
    ACCURACY_TOO_TIGHT = "CLOCK_ACCURACY_TOO_TIGHT"
    """The source's error, its growth until the next poll and genTime's resolution exceed the accuracy."""
    SERVERS_FEW = "CLOCK_SERVERS_FEW"
    """Fewer than two NTP servers without `single_source`."""
    SERVERS_MANY = "CLOCK_SERVERS_MANY"
    SERVER_UNREADABLE = "CLOCK_SERVER_UNREADABLE"
    """A server is no `host`, `host:port` or `[address]:port`."""
    SERVER_TWICE = "CLOCK_SERVER_TWICE"
    """One server listed twice would make a quorum by itself."""
    QUORUM_ABOVE_SERVERS = "CLOCK_QUORUM_ABOVE_SERVERS"
    QUORUM_NO_MAJORITY = "CLOCK_QUORUM_NO_MAJORITY"
    """Half the servers or fewer: two quorums could disagree."""


# Services that spread a leap second over hours, by what answers, what they follow, or their name:
# https://developers.google.com/time/smear, AWS "Set the time for your instance", Meta's public NTP.
KNOWN_SMEARERS = (
    *("GOOG", "time.google.com", "216.239.35.0", "216.239.35.4", "216.239.35.8", "216.239.35.12"),
    *("time1.google.com", "time2.google.com", "time3.google.com", "time4.google.com"),
    *("2001:4860:4806::", "2001:4860:4806:4::", "2001:4860:4806:8::", "2001:4860:4806:c::"),
    *("169.254.169.123", "fd00:ec2::123", "time.aws.com"),
    *("FB", "time.facebook.com"),
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server's host name or numeric address, in lower case and without a last dot, and its UDP port."""

    host: str
    port: int


_ENDPOINT = re.compile(r"(?:\[([0-9A-Fa-f:.%a-z]{2,64})\]|([A-Za-z0-9._-]{1,253}))(?::([0-9]{1,5}))?")


def read_endpoint(text: str) -> Endpoint | None:
    """Read `host`, `host:port`, `[address]` or `[address]:port`; None when it is none of them."""
    found = _ENDPOINT.fullmatch(text)
    if found is None:
        return None
    port = int(found[3] or NTP_PORT)
    host = (found[1] or found[2]).lower().rstrip(".")
    return Endpoint(host, port) if host and 0 < port < 65536 else None


@dataclass(frozen=True, slots=True)
class ClockSettings:
    """How the clock is guarded.

    Attributes:
        kind: a `SourceKind`.
        accuracy_us: the accuracy that tokens declare, microseconds.
        resolution_us: genTime is truncated to a multiple of this, microseconds.
        uncertainty_us: the error that the source is expected to have, microseconds. `system` reports it as
            its uncertainty; for every kind the declared accuracy must leave room for it.
        poll_s: seconds between two polls.
        step_us: the largest jump of the wall clock against CLOCK_BOOTTIME that is no step, microseconds.
        max_age_s: a source that last measured its reference longer ago is stale, seconds. The default is
            two of the longest intervals that chronyd chooses by itself.
        quorum: how many NTP servers must agree.
        servers: NTP servers, `host`, `host:port` or `[address]:port`.
        single_source: one NTP server is enough; the operator takes the risk.
        good_samples: good polls in a row before issuing starts again after a fault.
        resume: a `Resume`.
        chronyc: the program chronyc.
        chrony_address: chronyd's command address or socket path; empty for chronyc's own default.
        chrony_port: chronyd's UDP command port.
        smearers: reference ids, addresses or host names (lower case) of services known to smear leap seconds.
    """

    kind: str = SourceKind.SYSTEM
    accuracy_us: int = 1_000_000
    resolution_us: int = 1_000
    uncertainty_us: int = 100_000
    poll_s: float = 16.0
    step_us: int = 100_000
    max_age_s: float = 2_100.0
    quorum: int = 2
    servers: tuple[str, ...] = ()
    single_source: bool = False
    good_samples: int = 3
    resume: str = Resume.AUTO
    chronyc: str = "chronyc"
    chrony_address: str = ""
    chrony_port: int = 323
    smearers: tuple[str, ...] = KNOWN_SMEARERS

    @property
    def life_ns(self) -> int:
        """How long a verdict holds: two polls and a margin for slow sources, nanoseconds."""
        return int((self.poll_s * 2 + _MARGIN_S) * 1_000_000_000)

    @property
    def reserve_us(self) -> int:
        """What the accuracy must cover beside the source's error: drift over a verdict's life, truncation."""
        drift = -(-self.life_ns * _DRIFT_US_PER_S // 1_000_000_000)
        return drift + self.resolution_us

    @property
    def needed(self) -> int:
        """How many reports must agree: the quorum of NTP servers, one of any other source."""
        return self.quorum if self.kind == SourceKind.NTP else 1

    def problems(self) -> tuple[ClockProblem, ...]:
        """Return every reason why these settings cannot be used, empty when there is none."""
        if not self._in_range():
            return (ClockProblem.OUT_OF_RANGE,)
        found = {
            ClockProblem.KIND_UNKNOWN: self.kind not in set(SourceKind),
            ClockProblem.RESUME_UNKNOWN: self.resume not in set(Resume),
            ClockProblem.ACCURACY_ABOVE_1S: self.accuracy_us > _MAX_ACCURACY_US,
            ClockProblem.ACCURACY_TOO_TIGHT: self.accuracy_us < self.uncertainty_us + self.reserve_us,
        }
        if self.kind == SourceKind.NTP:
            found |= self._server_problems()
        return tuple(problem for problem, there in found.items() if there)

    def _in_range(self) -> bool:
        return (
            min(self.accuracy_us, self.resolution_us, self.step_us, self.quorum, self.good_samples) > 0
            and self.uncertainty_us >= 0
            and 1_000_000 % self.resolution_us == 0
            and 0 < self.poll_s <= _LONGEST_POLL_S
            and 0 < self.max_age_s <= _LONGEST_AGE_S
            and 0 < self.chrony_port < 65536
        )

    def _server_problems(self) -> dict[ClockProblem, bool]:
        endpoints = [read_endpoint(server) for server in self.servers]
        return {
            ClockProblem.SERVERS_FEW: len(endpoints) < (1 if self.single_source else 2),
            ClockProblem.SERVERS_MANY: len(endpoints) > _MAX_SERVERS,
            ClockProblem.SERVER_UNREADABLE: None in endpoints,
            ClockProblem.SERVER_TWICE: len(set(endpoints)) < len(endpoints),
            ClockProblem.QUORUM_ABOVE_SERVERS: self.quorum > len(endpoints),
            ClockProblem.QUORUM_NO_MAJORITY: self.quorum * 2 <= len(endpoints),
        }
