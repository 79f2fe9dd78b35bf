"""Gauges of what is known of the cluster's jobs and GPUs; set whenever someone asks for them."""

from datetime import datetime

from nerf_operator import metrics
from nerf_operator.cluster.cache import Cache
from nerf_operator.cluster.vitals import Vitals
from nerf_operator.core import gpus
from nerf_operator.core.pending import pending


def tell_vitals(vitals: Vitals, waiting: int) -> None:
    """How this process is. waiting: jobs in its queue."""
    metrics.queue_depth.set(waiting)
    metrics.loop_lag.set(vitals.lag())
    oldest: dict[str, float] = {}
    for watch, age in vitals.ages().items():
        kind = watch.rsplit("/", 1)[-1]
        oldest[kind] = max(age, oldest.get(kind, 0.0))
    for kind, age in oldest.items():
        metrics.watch_age.labels(kind).set(age)


def tell_jobs(cache: Cache, now: datetime) -> None:
    """How many jobs there are by condition, and which of them wait."""
    for condition, count in cache.conditions().items():
        metrics.jobs.labels(condition).set(count)
    metrics.job_pending.clear()
    for key, job in cache.jobs.items():
        if (found := pending(job.status)) and not job.deleting:
            seconds = (now - found.since).total_seconds()
            metrics.job_pending.labels(key.namespace, key.name, found.reason).set(seconds)


def tell_gpus(cache: Cache, whole_cluster: bool) -> None:
    """GPUs that jobs want and hold, and, where nodes may be read, that there are."""
    jobs = (job for _, job in cache.jobs.items())
    pods = (pod for _, pod in cache.pods.items())
    metrics.gpus.labels("wanted").set(sum(map(gpus.wanted, jobs)))
    metrics.gpus.labels("held").set(gpus.held(pods))
    if whole_cluster:
        metrics.gpus.labels("total").set(gpus.total(node for _, node in cache.nodes.items()))
