"""What the service asks of its libraries and its policy before it signs with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kokuin.service import activation
from kokuin.service.activation import first_snapshot, load_installation
from kokuin.service.config import load_config
from kokuin.service.unit_errors import UnitError
from pqc.selftest import Failure, SelfTestProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pqc.suites import Suite
    from tests.service.running import Prepared


def test_a_library_that_accepts_forgeries_keeps_the_unit_from_signing(
    folder_of: Callable[[str], Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of("classical").folder
    config = load_config(folder.root, {})
    snapshot = first_snapshot(folder, config)
    asked: list[str] = []

    def forged(suites: Iterable[Suite]) -> tuple[Failure, ...]:
        asked.extend(suite.id for suite in suites)
        return (Failure(asked[0], SelfTestProblem.FORGED_ACCEPTED),)

    assert load_installation(folder, config, snapshot).default == "classical"
    monkeypatch.setattr(activation, "self_test", forged)
    with pytest.raises(UnitError, match="ecdsa-p256-sha256 SELF_TEST_FORGED_ACCEPTED"):
        load_installation(folder, config, snapshot)
    assert asked == ["ecdsa-p256-sha256"]


def test_a_policy_edited_while_the_service_runs_is_not_followed(
    folder_of: Callable[[str], Prepared],
) -> None:
    folder = folder_of("classical").folder
    config = load_config(folder.root, {})
    snapshot = first_snapshot(folder, config)
    edited = load_config(folder.root, {"TSA_POLICY__ISSUE": "eu-ts119312"})
    with pytest.raises(UnitError, match="not what was activated"):
        load_installation(folder, edited, snapshot)
