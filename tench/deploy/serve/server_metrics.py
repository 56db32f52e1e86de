"""Prometheus metrics of the server. They contain nothing about the images."""

from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

LATENCY_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class ServerMetrics(NamedTuple):
    """Metrics of one server."""

    registry: CollectorRegistry
    requests: Counter  # by status
    images: Counter  # by flag: none, low_confidence, out_of_distribution, unreadable
    latency: Histogram  # seconds from a request's headers to its response
    in_flight: Gauge  # requests without a response yet


def create_metrics() -> ServerMetrics:
    """Create metrics, all zero, in a registry of their own."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return ServerMetrics(
        registry=registry,
        requests=Counter(
            "tench_requests", "Requests by response status", ["status"], registry=registry
        ),
        images=Counter("tench_images", "Images by flag", ["flag"], registry=registry),
        latency=Histogram(
            "tench_seconds", "Seconds per request", buckets=LATENCY_BUCKETS, registry=registry
        ),
        in_flight=Gauge("tench_waiting", "Requests in flight", registry=registry),
    )
