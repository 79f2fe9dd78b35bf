"""`kubectl nerf scale`: how many workers a job may have, and asking for them."""

from nerf_cli.cluster import Cluster, Object
from nerf_cli.errors import UserError
from nerf_cli.telling import ended


def run(cluster: Cluster, name: str, workers: int) -> None:
    """Ask for so many workers. Raises UserError where the job cannot have them."""
    job = cluster.job(name)
    check(job, workers)
    cluster.scale_job(name, workers)


def check(job: Object, workers: int) -> None:
    """Raises UserError where the job's spec does not allow so many workers."""
    name, spec = job["metadata"]["name"], job["spec"].get("workers", {})
    replicas = spec.get("replicas", 1)
    fewest, most = spec.get("min"), spec.get("max")
    if ended(job):
        raise UserError(f"The job {name!r} has ended; there is nothing to scale.")
    if job["spec"].get("scaling", {}).get("policy") == "Auto":
        raise UserError(
            f"The operator chooses the size of the job {name!r} (scaling.policy Auto), from "
            f"{fewest} to {most} workers: change workers.max of its spec instead."
        )
    if fewest is None and workers != replicas:
        raise UserError(
            f"The number of workers of the job {name!r} is fixed, at {replicas}: its spec has no "
            "workers.min. Give it, and workers.max if you like, when you create a job."
        )
    if fewest is not None and (workers < fewest or workers > (most or workers)):
        upper = f"to {most}" if most else "or more"
        raise UserError(
            f"The job {name!r} may have {fewest} {upper} workers (workers.min and workers.max "
            f"of its spec), not {workers}."
        )
