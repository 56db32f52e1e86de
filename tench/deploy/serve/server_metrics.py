"""What the server counts, for Prometheus. Nothing of an image is among it."""

from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

LATENCY_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class ServerMetrics(NamedTuple):
    """The figures of one server."""

    registry: CollectorRegistry
    requests: Counter  # by status
    images: Counter  # by doubt: none, unsure, stranger, unreadable
    seconds: Histogram  # of a request, from its headers to its answer
    waiting: Gauge  # requests that are not answered yet


def create_metrics() -> ServerMetrics:
    """Counts at 0."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return ServerMetrics(
        registry=registry,
        requests=Counter("tench_requests", "Answered", ["status"], registry=registry),
        images=Counter("tench_images", "Looked at", ["doubt"], registry=registry),
        seconds=Histogram(
            "tench_seconds", "Per request", buckets=LATENCY_BUCKETS, registry=registry
        ),
        waiting=Gauge("tench_waiting", "Requests not answered yet", registry=registry),
    )
