"""When a job goes on, how it ends, and what is left of it then."""

from typing import Literal

from pydantic import Field

from nerf_contract.base import MAX_INT, Model


class RunPolicy(Model):
    """When the job goes on, how it ends, and what is left of it then. May change at any time."""

    suspend: bool = Field(
        default=False,
        description="Remove all pods, the viewer's too, and make none. Volumes and what was "
        "reached stay: the job goes on from there once this is false again, with a fresh "
        "`backoffLimit`.",
    )
    active_deadline_seconds: int | None = Field(
        default=None,
        ge=1,
        le=MAX_INT,
        description="Seconds, not counting those suspended, after which the job fails with "
        "`DeadlineExceeded`. A scene that is trained by then is a success, without the outputs "
        "that are not made.",
    )
    ttl_seconds_after_finished: int | None = Field(
        default=None,
        ge=0,
        le=MAX_INT,
        description="Seconds after its end at which the job is deleted, with all that it owns; "
        "volumes that you brought stay. It is kept if absent.",
    )
    backoff_limit: int = Field(
        default=6,
        ge=0,
        le=1000,
        description="Failed worker pods that are replaced in all. Preemption, eviction, lost nodes "
        "and images that cannot be pulled spend none of it; what no new attempt can mend ends the "
        "job at once. The pause before an attempt doubles from 1 s to 60 s, and is 0 again after "
        "progress.",
    )
    clean_pod_policy: Literal["None", "Running", "All"] = Field(
        default="Running",
        description="Which pods are removed at the end of the job: those that still run, all, or "
        "none, which leaves workers to end by themselves, but for a deadline. The viewer of a "
        "trained scene stays.",
    )
