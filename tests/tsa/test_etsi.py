from __future__ import annotations

from dataclasses import replace

import pytest

from tsa.clock.settings import ClockSettings, SourceKind
from tsa.decide import IssuingRules
from tsa.etsi import EtsiFinding, UnitFacts, etsi_findings

RULES = IssuingRules("1.2.3", frozenset({"sha256", "sha384", "sha512"}))
CLOCK = ClockSettings(kind=SourceKind.CHRONY)
UNIT = UnitFacts(
    time_stamping_alone=True,
    key_ends_before_certificate=True,
    subject_attributes=frozenset({"2.5.4.6", "2.5.4.10", "2.5.4.3"}),
)

BROKEN: dict[EtsiFinding, tuple[IssuingRules, ClockSettings, UnitFacts]] = {
    EtsiFinding.CLOCK_UNTRACEABLE: (RULES, replace(CLOCK, kind=SourceKind.SYSTEM), UNIT),
    EtsiFinding.ACCURACY_COARSE: (RULES, replace(CLOCK, accuracy_us=1_000_001), UNIT),
    EtsiFinding.GENTIME_COARSE: (RULES, replace(CLOCK, accuracy_us=500_000, resolution_us=1_000_000), UNIT),
    EtsiFinding.CRITICAL_EXTENSION: (replace(RULES, critical_extensions=True), CLOCK, UNIT),
    EtsiFinding.IMPRINT_WEAK: (replace(RULES, imprints=frozenset({"sha256", "sha224"})), CLOCK, UNIT),
    EtsiFinding.KEY_USAGE: (RULES, CLOCK, replace(UNIT, time_stamping_alone=False)),
    EtsiFinding.KEY_PERIOD: (RULES, CLOCK, replace(UNIT, key_ends_before_certificate=False)),
    EtsiFinding.SUBJECT: (RULES, CLOCK, replace(UNIT, subject_attributes=frozenset({"2.5.4.3"}))),
}


def test_what_breaks_no_rule_has_no_finding() -> None:
    assert etsi_findings(RULES, CLOCK, UNIT) == ()


@pytest.mark.parametrize("finding", EtsiFinding)
def test_each_rule_is_found_broken_alone(finding: EtsiFinding) -> None:
    assert etsi_findings(*BROKEN[finding]) == (finding,)


def test_all_findings_are_told_at_once() -> None:
    rules = replace(RULES, critical_extensions=True, imprints=frozenset({"md5"}))
    clock = ClockSettings(accuracy_us=2_000_000, resolution_us=5_000_000)
    unit = UnitFacts(
        time_stamping_alone=False, key_ends_before_certificate=False, subject_attributes=frozenset()
    )
    assert set(etsi_findings(rules, clock, unit)) == set(EtsiFinding)
