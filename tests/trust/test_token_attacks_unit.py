"""The certificate of a unit: what it must be for, when it may have signed, and what it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from kokuin.wire import encode
from tests.trust.forge import (
    AUTHORITY,
    DAY,
    NOW,
    NOW_US,
    UNIT,
    YEAR_US,
    issue,
    judge,
    order,
    pki,
    reasons,
    verdict,
)

if TYPE_CHECKING:
    from kokuin.trust.report import Report


def _unit(*extensions: tuple[x509.ExtensionType, bool], at: int = NOW_US, **changes: object) -> Report:
    unit = issue("Odd unit", pki().authority, extensions, **changes)  # type: ignore[arg-type]
    return judge(order(signer=unit, certificates=[unit.der, pki().authority.der]).make(), at=at)


TIME_STAMPING = x509.oid.ExtendedKeyUsageOID.TIME_STAMPING
SERVER = x509.oid.ExtendedKeyUsageOID.SERVER_AUTH


def test_a_unit_whose_extended_key_usage_is_missing_fails() -> None:
    report = _unit(UNIT[1])
    assert verdict(report) == ("FAILED", "CHAIN_CONSTRAINTS_FAILURE")
    assert reasons(report)["unit-purpose"] == "PURPOSE_ABSENT"


def test_a_web_server_certificate_is_no_time_stamp_unit() -> None:
    assert verdict(_unit((x509.ExtendedKeyUsage([SERVER]), True))) == ("FAILED", "CHAIN_CONSTRAINTS_FAILURE")
    assert verdict(_unit()) == ("FAILED", "CHAIN_CONSTRAINTS_FAILURE")


@pytest.mark.parametrize(
    "extensions",
    [
        ((x509.ExtendedKeyUsage([TIME_STAMPING, SERVER]), True),),
        ((x509.ExtendedKeyUsage([TIME_STAMPING, SERVER]), False),),
        (*UNIT[:1], (AUTHORITY[1][0], True)),
    ],
    ids=["not alone", "neither alone nor critical", "certificate signing"],
)
def test_a_unit_with_more_powers_than_stamping_is_not_accepted(
    extensions: tuple[tuple[x509.ExtensionType, bool], ...],
) -> None:
    assert verdict(_unit(*extensions)) == ("INDETERMINATE", "CHAIN_CONSTRAINTS_FAILURE")


def test_a_purpose_that_is_alone_and_not_critical_passes_with_a_named_weakness() -> None:
    report = _unit((x509.ExtendedKeyUsage([TIME_STAMPING]), False))
    assert verdict(report) == ("PASSED", None)
    assert {check.id: check.reason for check in report.checks}["unit-purpose"] == "PURPOSE_NOT_CRITICAL"


def test_a_token_from_outside_the_key_period_is_not_accepted() -> None:
    inside = x509.PrivateKeyUsagePeriod(NOW - DAY, NOW + DAY)
    before = x509.PrivateKeyUsagePeriod(NOW - 9 * DAY, NOW - DAY)
    after = x509.PrivateKeyUsagePeriod(NOW + DAY, NOW + 9 * DAY)
    assert verdict(_unit(*UNIT, (inside, False))) == ("PASSED", None)
    for period in (before, after):
        assert verdict(_unit(*UNIT, (period, False))) == ("INDETERMINATE", "CHAIN_CONSTRAINTS_FAILURE")


def test_another_name_in_the_token_is_named_and_no_name_is_right() -> None:
    for common_name, expected in ((pki().unit, None), (pki().root, "NAME_DIFFERS")):
        name = encode.explicit(0, encode.explicit(4, common_name.certificate.subject))
        report = judge(order(tst_extensions=name).make())
        assert verdict(report) == ("PASSED", None)
        assert reasons(report).get("tsa-name") == expected


def test_an_expired_certificate_proves_nothing_unless_judged_at_the_time() -> None:
    token = order().make()
    assert verdict(judge(token, at=NOW_US + YEAR_US)) == ("INDETERMINATE", "OUT_OF_BOUNDS_NO_POE")
    assert verdict(judge(token, at=NOW_US)) == ("PASSED", None)


def test_a_token_dated_outside_its_certificate_fails() -> None:
    assert verdict(judge(order(gen_us=NOW_US + YEAR_US).make(), at=NOW_US + YEAR_US)) == ("FAILED", "EXPIRED")
    assert verdict(judge(order(gen_us=NOW_US - YEAR_US).make())) == ("FAILED", "NOT_YET_VALID")
