"""The operator's own Prometheus metrics."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from nerf_contract import metrics as contract
from nerf_contract import reasons
from nerf_contract.metrics import Metric

REGISTRY = CollectorRegistry()
ProcessCollector(namespace=contract.PROCESS_PREFIX, registry=REGISTRY)


def _counter(metric: Metric) -> Counter:
    return Counter(metric.name, metric.help, metric.labels, registry=REGISTRY)


def _gauge(metric: Metric) -> Gauge:
    return Gauge(metric.name, metric.help, metric.labels, registry=REGISTRY)


reconcile_seconds = Histogram(
    contract.RECONCILE_SECONDS.name,
    contract.RECONCILE_SECONDS.help,
    contract.RECONCILE_SECONDS.labels,
    registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
queue_depth = _gauge(contract.QUEUE_DEPTH)
api_requests = _counter(contract.API_REQUESTS)
watch_age = _gauge(contract.WATCH_AGE)
loop_lag = _gauge(contract.LOOP_LAG)
jobs = _gauge(contract.JOBS)
leader = _gauge(contract.LEADER)
job_pending = _gauge(contract.JOB_PENDING)
job_start = Histogram(
    contract.JOB_START.name,
    contract.JOB_START.help,
    registry=REGISTRY,
    buckets=(1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600),
)
gpus = _gauge(contract.GPUS)
allocation_changes = _counter(contract.ALLOCATION_CHANGES)
allocation_gpus = _gauge(contract.ALLOCATION_GPUS)
allocation_jobs = _gauge(contract.ALLOCATION_JOBS)
allocation_seconds = Histogram(
    contract.ALLOCATION_SECONDS.name,
    contract.ALLOCATION_SECONDS.help,
    registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
)

# What was never counted is told as 0.
for _reason in reasons.OF_CHANGES:
    allocation_changes.labels(_reason)
for _gauged, _states in (
    (allocation_gpus, ("total", "allocated")),
    (allocation_jobs, ("training", "waiting")),
):
    for _state in _states:
        _gauged.labels(_state)


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)
