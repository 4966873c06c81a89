from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest

from tsa.clock.settings import ClockProblem, ClockSettings, Endpoint, read_endpoint
from tsa.clock.sources import make_source

NTP = ClockSettings(kind="ntp", servers=("a.example", "b.example", "c.example"))


@pytest.mark.parametrize(
    "settings", [ClockSettings(), NTP, ClockSettings(kind="kernel"), ClockSettings(kind="chrony")]
)
def test_defaults_have_no_problem_and_make_their_source(settings: ClockSettings) -> None:
    assert settings.problems() == ()
    assert make_source(settings).kind == settings.kind


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"kind": "sundial"}, ClockProblem.KIND_UNKNOWN),
        ({"resume": "perhaps"}, ClockProblem.RESUME_UNKNOWN),
        ({"accuracy_us": 1_000_001}, ClockProblem.ACCURACY_ABOVE_1S),
        ({"accuracy_us": 100_000, "uncertainty_us": 100_000}, ClockProblem.ACCURACY_TOO_TIGHT),
        ({"resolution_us": 1_000_000}, ClockProblem.ACCURACY_TOO_TIGHT),
        ({"servers": ("a.example",), "quorum": 1}, ClockProblem.SERVERS_FEW),
        ({"servers": (), "single_source": True, "quorum": 1}, ClockProblem.SERVERS_FEW),
        ({"servers": tuple(f"s{n}" for n in range(17)), "quorum": 17}, ClockProblem.SERVERS_MANY),
        ({"servers": ("a", "b", "-h\n")}, ClockProblem.SERVER_UNREADABLE),
        ({"servers": ("a", "b", "A.:123")}, ClockProblem.SERVER_TWICE),
        ({"quorum": 4}, ClockProblem.QUORUM_ABOVE_SERVERS),
        ({"servers": ("a", "b", "c", "d")}, ClockProblem.QUORUM_NO_MAJORITY),
        ({"poll_s": 0}, ClockProblem.OUT_OF_RANGE),
        ({"poll_s": nan}, ClockProblem.OUT_OF_RANGE),
        ({"poll_s": inf}, ClockProblem.OUT_OF_RANGE),
        ({"max_age_s": -1}, ClockProblem.OUT_OF_RANGE),
        ({"resolution_us": 7}, ClockProblem.OUT_OF_RANGE),
        ({"resolution_us": 0}, ClockProblem.OUT_OF_RANGE),
        ({"good_samples": 0}, ClockProblem.OUT_OF_RANGE),
        ({"chrony_port": 65536}, ClockProblem.OUT_OF_RANGE),
    ],
)
def test_unusable_settings_are_named(change: dict[str, Any], problem: ClockProblem) -> None:
    assert problem in replace(NTP, **change).problems()


def test_one_server_is_enough_only_when_the_operator_says_so() -> None:
    assert replace(NTP, servers=("a",), quorum=1, single_source=True).problems() == ()


@pytest.mark.parametrize("settings", [ClockSettings(kind="sundial"), replace(NTP, servers=("a b",))])
def test_no_source_is_made_from_unusable_settings(settings: ClockSettings) -> None:
    with pytest.raises(ValueError, match=r"sundial|a b"):
        make_source(settings)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("ntp.nict.jp", Endpoint("ntp.nict.jp", 123)),
        ("Time.Google.com.", Endpoint("time.google.com", 123)),
        ("192.0.2.1:1123", Endpoint("192.0.2.1", 1123)),
        ("[2001:db8::1]", Endpoint("2001:db8::1", 123)),
        ("[fe80::1%eth0]:7", Endpoint("fe80::1%eth0", 7)),
        ("", None),
        (".", None),
        ("a:0", None),
        ("a:65536", None),
        ("2001:db8::1", None),
        ("a b", None),
        ("[::1", None),
    ],
)
def test_servers_are_read_as_written(text: str, endpoint: Endpoint | None) -> None:
    assert read_endpoint(text) == endpoint
