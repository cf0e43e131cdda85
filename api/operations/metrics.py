"""Prometheus metrics. Labels are routes, sources and verdicts, never a person or a client.

With several workers, PROMETHEUS_MULTIPROC_DIR names a shared folder, and each worker reports for all.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


@dataclass(frozen=True)
class Gauge:
    """Values that are read on demand: (labels, value), a value for each combination of labels."""

    name: str
    meaning: str
    values: Sequence[tuple[tuple[str, ...], float]]
    labels: tuple[str, ...] = ()


class Metrics:
    """Counters and histograms; `page` adds gauges that are read on demand."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self._requests = Histogram(
            "cdp_request_seconds",
            "Response time in seconds",
            ("method", "route", "status"),
            registry=registry,
            buckets=_SECONDS,
        )
        self._events = Counter(
            "cdp_events", "Live events received, by outcome", ("source", "outcome"), registry=registry
        )
        self._decisions = Counter(
            "cdp_decisions", "Decisions made, by verdict and channel", ("verdict", "channel"), registry=registry
        )

    def request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        self._requests.labels(method, route or "none", status).observe(seconds)

    def events(self, source: str, *, accepted: int, duplicates: int, refused: int) -> None:
        """Count events received over HTTP by outcome."""
        for outcome, count in (("accepted", accepted), ("duplicate", duplicates), ("refused", refused)):
            if count:
                self._events.labels(source, outcome).inc(count)

    def decision(self, *, allowed: bool, channel: str | None) -> None:
        self._decisions.labels("allowed" if allowed else "refused", channel or "none").inc()

    def page(self, gauges: Iterable[Gauge]) -> bytes:
        """The metrics in Prometheus's text format."""
        page = CollectorRegistry()
        if os.environ.get(SHARED_FOLDER):
            MultiProcessCollector(page)  # type: ignore[no-untyped-call]
        else:
            page.register(self._registry)
        page.register(_Gauges(gauges))
        return generate_latest(page)


class _Gauges(Collector):
    def __init__(self, gauges: Iterable[Gauge]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        for gauge in self._gauges:
            family = GaugeMetricFamily(gauge.name, gauge.meaning, labels=gauge.labels)
            for labels, value in gauge.values:
                family.add_metric(labels, value)
            yield family
