"""The few forms of PromQL that rules and dashboards are made of."""

from nerf_contract.metrics import Metric

#: Labels that scraping adds: which job, and which pod of it. `job` is the name of the NeRFJob.
JOB = ("namespace", "job")
POD = (*JOB, "pod")
#: One process of a job, apart from its job.
PROCESS = ("pod", "local_rank")


def each(operator: str, labels: tuple[str, ...], expression: str) -> str:
    """An aggregation that keeps these labels."""
    return f"{operator} by ({', '.join(labels)}) ({expression})"


def rate(metric: Metric, window: str, matchers: str = "") -> str:
    """Increase by the second of a counter."""
    return f"rate({metric.name}{_braces(matchers)}[{window}])"


def counted(metric: Metric, window: str, matchers: str = "") -> str:
    """Observations by the second of a histogram."""
    return f"rate({metric.name}_count{_braces(matchers)}[{window}])"


def summed(metric: Metric, window: str, matchers: str = "") -> str:
    """What a histogram observed, by the second."""
    return f"rate({metric.name}_sum{_braces(matchers)}[{window}])"


def quantile(q: float, metric: Metric, window: str, matchers: str = "") -> str:
    """A quantile of what a histogram observed."""
    buckets = each("sum", ("le",), f"rate({metric.name}_bucket{_braces(matchers)}[{window}])")
    return f"histogram_quantile({q}, {buckets})"


def of(metric: Metric, matchers: str = "") -> str:
    """The series of a metric that match."""
    return f"{metric.name}{_braces(matchers)}"


def _braces(matchers: str) -> str:
    return f"{{{matchers}}}" if matchers else ""
