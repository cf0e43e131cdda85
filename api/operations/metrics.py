"""What Prometheus scrapes. Labels name routes, sources and verdicts, never a person or a client.

With several workers, PROMETHEUS_MULTIPROC_DIR names a folder that they share, and each of them answers for all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """Counted as it happens; `page` adds gauges that are read when asked for."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self._requests = Histogram(
            "cdp_request_seconds",
            "Seconds that answers took",
            ("method", "route", "status"),
            registry=registry,
            buckets=_SECONDS,
        )
        self._events = Counter(
            "cdp_events", "Events that came in live, by what became of them", ("source", "outcome"), registry=registry
        )
        self._decisions = Counter(
            "cdp_decisions", "Decisions, by verdict and channel", ("verdict", "channel"), registry=registry
        )

    def request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        self._requests.labels(method, route or "none", status).observe(seconds)

    def events(self, source: str, *, accepted: int, duplicates: int, refused: int) -> None:
        """Count events that arrived over HTTP by what became of them."""
        for outcome, count in (("accepted", accepted), ("duplicate", duplicates), ("refused", refused)):
            if count:
                self._events.labels(source, outcome).inc(count)

    def decision(self, *, allowed: bool, channel: str | None) -> None:
        self._decisions.labels("allowed" if allowed else "refused", channel or "none").inc()

    def page(self, gauges: dict[str, tuple[str, float]]) -> bytes:
        """The text that Prometheus reads; `gauges` gives the meaning and the value by name."""
        page = CollectorRegistry()
        if os.environ.get(SHARED_FOLDER):
            MultiProcessCollector(page)  # type: ignore[no-untyped-call]
        else:
            page.register(self._registry)
        page.register(_Gauges(gauges))
        return generate_latest(page)


class _Gauges(Collector):
    def __init__(self, gauges: dict[str, tuple[str, float]]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        for name, (meaning, value) in self._gauges.items():
            yield GaugeMetricFamily(name, meaning, value=value)
