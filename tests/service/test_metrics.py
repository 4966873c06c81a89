from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from kokuin.service.metrics import COUNTERS, GAUGES, KEY_END, READY, SECONDS, MetricsView, WorkerCounters


def counters(*answers: tuple[str, str, float], transport: tuple[str, ...] = ()) -> dict[str, float]:
    counted = WorkerCounters()
    for profile, code, seconds in answers:
        counted.answered(profile, code, seconds)
    for code in transport:
        counted.transport(code)
    return dict(counted.values)


def samples(view: MetricsView, **labels: str) -> dict[str, float]:
    """Read the exposition with Prometheus' own parser; sample names by what their labels say."""
    text = view.render({}).decode()
    return {
        f"{sample.name}{{{sample.labels.get('le', '')}}}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if labels.items() <= sample.labels.items()
    }


def test_workers_add_up_and_a_retired_one_lowers_no_counter() -> None:
    view = MetricsView()
    view.report("one", counters(("classical", "GRANTED", 0.002), ("classical", "REQUEST_EMPTY", 0.1)))
    view.report("two", counters(("classical", "GRANTED", 0.003)))
    granted = "kokuin_tsa_answers_total{}"
    assert samples(view, code="GRANTED")[granted] == 2
    view.retire("one")
    assert samples(view, code="GRANTED")[granted] == 2
    view.report("one", counters(("classical", "GRANTED", 0.002)))
    assert samples(view, code="GRANTED")[granted] == 3
    view.report("two", counters(*[("classical", "GRANTED", 0.003)] * 5))
    assert samples(view, code="GRANTED")[granted] == 7


def test_the_histogram_is_cumulative_and_its_sum_is_that_of_the_times() -> None:
    view = MetricsView()
    times = (0.0005, 0.001, 0.004, 0.3, 99.0)
    view.report("one", counters(*(("pq", "GRANTED", seconds) for seconds in times)))
    found = samples(view, profile="pq")
    assert found["kokuin_tsa_answer_seconds_bucket{0.001}"] == 2
    assert found["kokuin_tsa_answer_seconds_bucket{0.005}"] == 3
    assert found["kokuin_tsa_answer_seconds_bucket{2.5}"] == 4
    assert found["kokuin_tsa_answer_seconds_bucket{+Inf}"] == len(times)
    assert found["kokuin_tsa_answer_seconds_count{}"] == len(times)
    assert abs(found["kokuin_tsa_answer_seconds_sum{}"] - sum(times)) < 1e-9


def test_transport_refusals_and_gauges_are_shown_by_their_labels() -> None:
    view = MetricsView()
    view.report("one", counters(transport=("HTTP_BODY_LATE", "HTTP_BODY_LATE")))
    assert samples(view, code="HTTP_BODY_LATE") == {"kokuin_http_refusals_total{}": 2}
    text = view.render({READY: {(): 1.0}, KEY_END: {("abc",): 5.0}}).decode()
    assert "kokuin_ready 1.0" in text
    assert 'kokuin_unit_key_end_seconds{unit="abc"} 5.0' in text


def test_a_service_that_has_answered_nobody_has_a_readable_exposition() -> None:
    names = {family.name for family in text_string_to_metric_families(MetricsView().render({}).decode())}
    assert {metric.name for metric in COUNTERS} <= names
    assert SECONDS.name in names


def test_every_metric_has_a_name_of_its_own_and_says_what_it_is() -> None:
    metrics = (*COUNTERS, *GAUGES, SECONDS)
    assert len({metric.name for metric in metrics}) == len(metrics)
    for metric in metrics:
        assert metric.name.startswith("kokuin_")
        assert metric.help.endswith(".")
