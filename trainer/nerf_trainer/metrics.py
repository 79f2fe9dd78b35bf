"""The trainer's Prometheus metrics, in a registry of their own; names come from the contract."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from nerf_contract import metrics as m
from nerf_trainer.process import resident_bytes

STEP_BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5)
CHECKPOINT_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
REGROUP_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_BUCKETS = {
    m.STEP_SECONDS.name: STEP_BUCKETS,
    m.CHECKPOINT_SECONDS.name: CHECKPOINT_BUCKETS,
    m.REGROUP_SECONDS.name: REGROUP_BUCKETS,
}


class TrainerMetrics:
    """All families of `nerf_contract.metrics.TRAINER_METRICS`, labelled with the local rank."""

    def __init__(self, local_rank: int = 0) -> None:
        self.registry = CollectorRegistry()
        self._local_rank = str(local_rank)
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for metric in m.TRAINER_METRICS:
            self._create(metric)
        resident = self._gauges[m.RESIDENT_MEMORY.name]
        resident.labels(self._local_rank).set_function(resident_bytes)

    def _create(self, metric: m.Metric) -> None:
        name, text, labels = metric.name, metric.help, metric.labels
        if metric.kind == "counter":
            self._counters[name] = Counter(name, text, labels, registry=self.registry)
        elif metric.kind == "gauge":
            self._gauges[name] = Gauge(name, text, labels, registry=self.registry)
        else:
            self._histograms[name] = Histogram(
                name, text, labels, registry=self.registry, buckets=_BUCKETS[name]
            )

    def set(self, metric: m.Metric, value: float, *labels: str) -> None:
        """Set a gauge. `labels` are those after the local rank."""
        self._gauges[metric.name].labels(self._local_rank, *labels).set(value)

    def add(self, metric: m.Metric, value: float, *labels: str) -> None:
        """Increase a counter. `labels` are those after the local rank."""
        self._counters[metric.name].labels(self._local_rank, *labels).inc(value)

    def observe(self, metric: m.Metric, value: float) -> None:
        """Record a value in a histogram."""
        self._histograms[metric.name].labels(self._local_rank).observe(value)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
