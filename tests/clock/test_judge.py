from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.clock.fakes import FakeMachine, good
from tsa.clock.judge import agreed_span, judge
from tsa.clock.sample import Sample
from tsa.clock.settings import ClockSettings
from tsa.clock.verdict import ClockFault

SPANS = st.lists(
    st.tuples(st.integers(-50, 50), st.integers(0, 40)).map(lambda pair: (pair[0], pair[0] + pair[1])),
    max_size=7,
)


@given(SPANS, st.integers(1, 8))
def test_the_agreed_span_is_the_hull_of_what_a_quorum_covers(
    spans: list[tuple[int, int]], quorum: int
) -> None:
    covered = [
        point for point in range(-60, 100) if sum(low <= point <= high for low, high in spans) >= quorum
    ]
    assert agreed_span(spans, quorum) == ((min(covered), max(covered)) if covered else None)


@given(
    st.integers(-50, 50),
    SPANS,
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=5),
)
def test_a_truthful_quorum_is_never_outvoted(
    truth: int, liars: list[tuple[int, int]], honest: list[tuple[int, int]]
) -> None:
    spans = [(truth - below, truth + above) for below, above in honest]
    span = agreed_span([*liars, *spans], len(honest))
    assert span is not None
    assert span[0] <= truth <= span[1]


@given(SPANS, st.integers(1, 5), st.randoms())
def test_the_order_of_sources_does_not_matter(
    spans: list[tuple[int, int]], quorum: int, random: object
) -> None:
    shuffled = list(spans)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert agreed_span(shuffled, quorum) == agreed_span(spans, quorum)


def test_two_quorums_apart_leave_both_possible_instead_of_guessing() -> None:
    assert agreed_span([(0, 100), (0, 10), (90, 100)], 2) == (0, 100)


@given(st.integers(-1_100_000, 1_100_000), st.integers(0, 1_100_000))
def test_fit_means_that_the_accuracy_covers_everything(offset_us: int, uncertainty_us: int) -> None:
    settings = ClockSettings(kind="kernel")
    machine = FakeMachine()
    report = good("kernel", offset_us=offset_us, uncertainty_us=uncertainty_us)
    verdict = judge("kernel", Sample((report,), machine.wall, machine.boot), settings)
    covered = abs(offset_us) + uncertainty_us + settings.reserve_us <= settings.accuracy_us
    assert (verdict.fault is None) == covered
    assert verdict.fault in {None, ClockFault.DRIFT}
    assert (verdict.offset_us, verdict.uncertainty_us) == (offset_us, uncertainty_us)


def test_a_verdict_expires_after_two_polls_and_a_margin() -> None:
    settings = ClockSettings(poll_s=10)
    machine = FakeMachine()
    verdict = judge("system", Sample((good(),), machine.wall, machine.boot), settings)
    assert verdict.expires_boot_ns - verdict.boot_ns == 25_000_000_000
