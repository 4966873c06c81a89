"""Every metric by name, in one place; workers count, the keeper adds up and shows (`/metrics`)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client.metrics_core import Metric

_SEPARATOR = "\x1f"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_SUM = "sum"


@dataclass(frozen=True, slots=True)
class MetricName:
    """One metric: its name, what it says, the names of its labels."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


ANSWERS = MetricName(
    "kokuin_tsa_answers", "Time-stamp responses by profile and outcome code.", ("profile", "code")
)
SECONDS = MetricName("kokuin_tsa_answer_seconds", "From the whole request to its response.", ("profile",))
TRANSPORT = MetricName("kokuin_http_refusals", "Requests ended by the transport, by code.", ("code",))
LEDGER_SIZE = MetricName("kokuin_ledger_leaves", "Leaves in the ledger.")
LEDGER_LAG = MetricName("kokuin_ledger_lag_seconds", "How long the oldest append has been waiting.")
UNWITNESSED = MetricName(
    "kokuin_ledger_unwitnessed_seconds", "How long a checkpoint has wanted its quorum of witnesses."
)
EVIDENCE_BATCHES = MetricName("kokuin_evidence_batches", "Archive time-stamps over batches of tokens.")
EVIDENCE_TOKENS = MetricName("kokuin_evidence_tokens", "Tokens that these cover.")
EVIDENCE_BACKLOG = MetricName(
    "kokuin_evidence_backlog_seconds", "How long the oldest token has been waiting for evidence."
)
EVIDENCE_END = MetricName(
    "kokuin_evidence_end_seconds",
    "Unix time at which the first of the stored evidence ends; 0: none is known.",
)
EVIDENCE_DUE = MetricName("kokuin_evidence_renewal_due", "1 when stored evidence is to be renewed.")
CLOCK_FIT = MetricName("kokuin_clock_fit", "1 when time-stamps may be issued by the clock.")
CLOCK_OFFSET = MetricName("kokuin_clock_offset_seconds", "Estimated offset of the wall clock from UTC.")
CLOCK_UNCERTAINTY = MetricName("kokuin_clock_uncertainty_seconds", "Bound of that estimate's error.")
KEY_END = MetricName(
    "kokuin_unit_key_end_seconds", "Unix time at which the unit's key period ends.", ("unit",)
)
READY = MetricName("kokuin_ready", "1 when /readyz answers 200.")
WORKERS = MetricName("kokuin_workers", "Workers that have reported.")

COUNTERS = (ANSWERS, TRANSPORT, EVIDENCE_BATCHES, EVIDENCE_TOKENS)
GAUGES = (
    LEDGER_SIZE,
    LEDGER_LAG,
    UNWITNESSED,
    EVIDENCE_BACKLOG,
    EVIDENCE_END,
    EVIDENCE_DUE,
    CLOCK_FIT,
    CLOCK_OFFSET,
    CLOCK_UNCERTAINTY,
    KEY_END,
    READY,
    WORKERS,
)


class WorkerCounters:
    """What one worker counts; keys travel to the keeper as text."""

    def __init__(self) -> None:
        self.values: Counter[str] = Counter()

    def answered(self, profile: str, code: str, seconds: float) -> None:
        """Count one response and how long it took."""
        values = self.values
        answers, total, buckets = _keys(profile, code)
        values[answers] += 1
        values[buckets[bisect_left(_BUCKETS, seconds)]] += 1
        values[total] += seconds  # type: ignore[assignment]

    def transport(self, code: str) -> None:
        """Count one request that the transport ended."""
        self.values[f"{TRANSPORT.name}{_SEPARATOR}{code}"] += 1


@lru_cache(maxsize=256)
def _keys(profile: str, code: str) -> tuple[str, str, tuple[str, ...]]:
    """Return the keys of a response's count, of the sum of seconds, and of each bucket."""
    prefix = f"{SECONDS.name}{_SEPARATOR}{profile}{_SEPARATOR}"
    buckets = tuple(f"{prefix}{number}" for number in range(len(_BUCKETS) + 1))
    return f"{ANSWERS.name}{_SEPARATOR}{profile}{_SEPARATOR}{code}", prefix + _SUM, buckets


class MetricsView:
    """The keeper's view: sums over all workers that ever reported, and gauges of the moment."""

    def __init__(self) -> None:
        self._by_worker: dict[str, Mapping[str, float]] = {}
        self._gone: Counter[str] = Counter()

    def report(self, worker: str, counters: Mapping[str, float]) -> None:
        """Take a worker's sums since its start."""
        self._by_worker[worker] = counters

    def retire(self, worker: str) -> None:
        """Keep the sums of a worker that ended, so that no counter falls."""
        self._gone.update(self._by_worker.pop(worker, {}))

    def render(self, gauges: Mapping[MetricName, Mapping[tuple[str, ...], float]]) -> bytes:
        """Return the Prometheus text exposition.

        Args:
            gauges: for each gauge its values by label values.
        """
        total = Counter(self._gone)
        for counters in self._by_worker.values():
            total.update(counters)
        registry = CollectorRegistry()
        registry.register(_Collected([*_counters(total), _histogram(total), *_gauges(gauges)]))
        return generate_latest(registry)


class _Collected:
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _split(total: Mapping[str, float], metric: MetricName) -> Iterable[tuple[list[str], float]]:
    for key, value in sorted(total.items()):
        name, *labels = key.split(_SEPARATOR)
        if name == metric.name:
            yield labels, value


def _counters(total: Mapping[str, float]) -> Iterable[Metric]:
    for metric in COUNTERS:
        family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, value in _split(total, metric):
            family.add_metric(labels, value)
        yield family


def _histogram(total: Mapping[str, float]) -> Metric:
    family = HistogramMetricFamily(SECONDS.name, SECONDS.help, labels=SECONDS.labels)
    by_profile: dict[str, dict[str, float]] = {}
    for (profile, bucket), value in _split(total, SECONDS):
        by_profile.setdefault(profile, {})[bucket] = value
    edges = [*(str(edge) for edge in _BUCKETS), "+Inf"]
    for profile, counts in by_profile.items():
        running, buckets = 0.0, []
        for number, edge in enumerate(edges):
            running += counts.get(str(number), 0)
            buckets.append((edge, running))
        family.add_metric([profile], buckets, sum_value=counts.get(_SUM, 0.0))
    return family


def _gauges(gauges: Mapping[MetricName, Mapping[tuple[str, ...], float]]) -> Iterable[Metric]:
    for metric, values in gauges.items():
        family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, value in values.items():
            family.add_metric(list(labels), value)
        yield family
