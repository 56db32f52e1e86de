"""What the server counts, for Prometheus. Nothing of a picture is among it."""

from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Counts(NamedTuple):
    """The figures of one server."""

    registry: CollectorRegistry
    requests: Counter  # by status
    pictures: Counter  # by doubt: none, unsure, stranger, unreadable
    seconds: Histogram  # of a request, from its headers to its answer
    waiting: Gauge  # requests that are not answered yet


def new_counts() -> Counts:
    """Counts at 0."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return Counts(
        registry=registry,
        requests=Counter("tench_requests", "Answered", ["status"], registry=registry),
        pictures=Counter("tench_pictures", "Looked at", ["doubt"], registry=registry),
        seconds=Histogram("tench_seconds", "Per request", buckets=SECONDS, registry=registry),
        waiting=Gauge("tench_waiting", "Requests not answered yet", registry=registry),
    )
