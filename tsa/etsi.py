"""What EN 319 422 and EN 319 421 forbid in a unit's configuration, checked before the first token."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tsa.clock.settings import SourceKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsa.clock.settings import ClockSettings
    from tsa.decide import IssuingRules


class EtsiFinding(StrEnum):
    """One rule of the profile `etsi-319-422` that a configuration breaks; the clause stands beside it."""

    CLOCK_UNTRACEABLE = "ETSI_CLOCK_UNTRACEABLE"
    """EN 319 421 TIS-7.7.1-04: time is traceable to a UTC(k) laboratory; `system` is not."""
    ACCURACY_COARSE = "ETSI_ACCURACY_COARSE"
    """EN 319 421 TIS-7.7.2-03: one second or better."""
    GENTIME_COARSE = "ETSI_GENTIME_COARSE"
    """EN 319 422 §5.2.2: genTime is precise enough for the declared accuracy."""
    CRITICAL_EXTENSION = "ETSI_CRITICAL_EXTENSION"
    """EN 319 422 §5.2.2: no extension of a token is critical."""
    IMPRINT_WEAK = "ETSI_IMPRINT_WEAK"
    """EN 319 422 §5.1.3 with TS 119 312: hash functions that are still fit."""
    KEY_USAGE = "ETSI_KEY_USAGE"
    """RFC 3161 §2.3: extendedKeyUsage timeStamping, critical and alone."""
    KEY_PERIOD = "ETSI_KEY_PERIOD"
    """EN 319 421 TIS-7.6.7-04: the key's usage ends before its certificate."""
    SUBJECT = "ETSI_SUBJECT"
    """EN 319 422 §6.2: subject with countryName, organizationName and commonName."""


_STRONG = frozenset({"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512"})


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """What the checks want to know of a unit's certificate."""

    time_stamping_alone: bool
    key_ends_before_certificate: bool
    subject_attributes: frozenset[str]


def etsi_findings(rules: IssuingRules, clock: ClockSettings, unit: UnitFacts) -> tuple[EtsiFinding, ...]:
    """Return every rule that is broken, empty when the configuration may serve under `etsi-319-422`.

    Ordering is never set and accuracy always present in what this product
    issues, so that those rules have nothing to check.
    """
    configured = {
        EtsiFinding.CLOCK_UNTRACEABLE: clock.kind == SourceKind.SYSTEM,
        EtsiFinding.ACCURACY_COARSE: clock.accuracy_us > 1_000_000,
        EtsiFinding.GENTIME_COARSE: clock.resolution_us > clock.accuracy_us,
        EtsiFinding.CRITICAL_EXTENSION: rules.critical_extensions,
        EtsiFinding.IMPRINT_WEAK: not rules.imprints <= _STRONG,
    }
    return (*_broken(configured), *certificate_findings(unit))


def certificate_findings(unit: UnitFacts) -> tuple[EtsiFinding, ...]:
    """Return what a unit's certificate breaks of it, whatever is configured; empty when nothing."""
    certified = {
        EtsiFinding.KEY_USAGE: not unit.time_stamping_alone,
        EtsiFinding.KEY_PERIOD: not unit.key_ends_before_certificate,
        EtsiFinding.SUBJECT: not {"2.5.4.6", "2.5.4.10", "2.5.4.3"} <= unit.subject_attributes,
    }
    return _broken(certified)


def _broken(rules: Mapping[EtsiFinding, bool]) -> tuple[EtsiFinding, ...]:
    return tuple(finding for finding, is_broken in rules.items() if is_broken)
