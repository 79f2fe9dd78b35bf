"""What is."""

from typing import Literal

from pydantic import Field

from nerf_contract import goodput
from nerf_contract.base import Model


class DatasetStatus(Model):
    """The dataset as it was found."""

    format: str = Field(description="As `spec.dataset.format`, but never `auto`.")
    photos: int = Field(description="Photos, and frames of videos, that were found.")
    posed: int = Field(description="Photos whose camera is known: only those are used.")
    unposed: list[str] = Field(default_factory=list, description="Names of others; 20 at most.")
    poses: str | None = Field(
        default=None, description="Folder, under `.nerf/poses/`, of poses that were found."
    )


class Condition(Model):
    """One fact about the job. Times are RFC 3339, UTC."""

    type: str = Field(description="What the fact is about.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it is so.")
    reason: str = Field(description="Why, as a word for machines.")
    message: str = Field(description="Why, as a sentence that says what to do.")
    last_transition_time: str = Field(description="When `status` changed last.")
    observed_generation: int = Field(description="`metadata.generation` that it is about.")


class GivenUpStatus(Model):
    """Workers of an elastic job that no node took: it trains without them, and tries again."""

    workers: int = Field(description="How many it does without; 0 while it tries again.")
    times: int = Field(description="How often in a row they were given up.")
    until: str = Field(description="When they are tried again: RFC 3339, UTC.")
    message: str = Field(description="Why no node took them, and what to do.")


class WorkersStatus(Model):
    """Worker pods: wanted, existing, and ready to train."""

    wanted: int = Field(description="`spec.workers.replicas`, or as `status.allocation` tells.")
    replicas: int = Field(description="Those that run, or will run.")
    ready: int = Field(description="Those that train.")
    summary: str = Field(description="`ready/wanted`, for printing.")
    given_up: GivenUpStatus | None = None


class SpeedStatus(Model):
    """How fast a job trained with so many workers, when it last had them."""

    workers: int = Field(description="Worker pods that trained together.")
    rays_per_second: int = Field(description="All workers together.")
    time: str = Field(description="When it was measured: RFC 3339, UTC.")


class AllocationStatus(Model):
    """The size that the operator chose for a job with `scaling.policy` `Auto`. Times are RFC 3339,
    UTC."""

    workers: int = Field(description="Worker pods: 0, or from `workers.min` to `workers.max`.")
    reason: str = Field(description="Why it has this size, in a word for machines.")
    message: str = Field(description="Why it has this size, in a sentence for people.")
    since: str = Field(description="When it got this size.")
    requested: str | None = Field(
        default=None, description="Since when it wants workers; absent while it wants none."
    )
    speeds: list[SpeedStatus] = Field(
        default_factory=list, description="What is believed of its speed, one a size."
    )


class ProgressStatus(Model):
    """A throttled summary of the training; series belong in Prometheus."""

    step: int = Field(description="Optimizer steps that are done.")
    total_steps: int = Field(description="Steps in all: `spec.training.steps`.")
    percent: int = Field(description="Part of the steps that is done.")
    psnr: float | None = Field(default=None, description="Held-out PSNR, dB.")
    ssim: float | None = Field(default=None, description="Held-out SSIM; 1 is perfect.")
    rays_per_second: int | None = Field(
        default=None, description="Speed of the group, all workers together."
    )
    eta: str | None = Field(default=None, description="Time left, such as `1m30s`.")
    world_size: int | None = Field(default=None, description="Processes that train together.")
    last_regroup_seconds: float | None = Field(
        default=None, description="How long training paused when their group last changed."
    )


class CheckpointStatus(Model):
    """The newest checkpoint on the volume."""

    step: int = Field(description="Steps that were done when it was taken.")
    time: str = Field(description="When it was written: RFC 3339, UTC.")


class GoodputStatus(Model):
    """What became of the job's wall time, from its first worker pod on."""

    ratio: float | None = Field(
        default=None,
        description="Rays trained, each once, by those that an undisturbed group of the wanted "
        "size would have trained in the same wall time.",
    )
    efficiency: float | None = Field(
        default=None,
        description="Rays per second of the group by its size times those of one process; absent "
        "until this job has trained with one.",
    )
    wall_seconds: int = Field(description="Wall time so far.")
    lost_seconds: dict[str, int] = Field(
        description="Wall time that was not useful training, by cause: "
        f"{goodput.explain(goodput.OPERATOR_CAUSES | goodput.TRAINER_CAUSES)}.",
    )


class ActiveStatus(Model):
    """How long the job was not suspended, for `runPolicy.activeDeadlineSeconds`."""

    seconds: int = Field(description="Active time before `since`.")
    since: str | None = Field(
        default=None, description="Since when it is active; absent while suspended, and at the end."
    )


class StageStatus(Model):
    """What a stage before or after the training is at."""

    name: Literal["download", "poses", "export"] = Field(description="Which one.")
    activity: str = Field(description="Such as `matching`, or `video`.")
    percent: int = Field(description="Part of it that is done.")
    eta: str | None = Field(default=None, description="Time left, such as `1m30s`.")


Phase = Literal["Pending", "Preparing", "Running", "Exporting", "Suspended", "Succeeded", "Failed"]


class NeRFJobStatus(Model):
    """What is."""

    observed_generation: int | None = Field(
        default=None, description="`metadata.generation` of the spec that this is about."
    )
    phase: Phase | None = Field(
        default=None, description="A printed summary of the conditions; decide by those."
    )
    conditions: list[Condition] = Field(default_factory=list, max_length=32)
    workers: WorkersStatus | None = None
    allocation: AllocationStatus | None = None
    selector: str | None = Field(default=None, description="Label selector of the worker pods.")
    dataset: DatasetStatus | None = None
    stage: StageStatus | None = None
    progress: ProgressStatus | None = None
    checkpoint: CheckpointStatus | None = None
    goodput: GoodputStatus | None = None
    outputs: list[str] = Field(
        default_factory=list,
        description="Files in `outputs/` of the job's folder on the checkpoint volume.",
    )
    restarts: int = Field(default=0, description="Failed worker pods that were replaced.")
    image: str | None = Field(
        default=None, description="Image, by digest, that every worker of the job runs."
    )
    start_time: str | None = Field(default=None, description="When it was first not suspended.")
    active: ActiveStatus | None = None
    completion_time: str | None = Field(
        default=None, description="When it succeeded or failed: RFC 3339, UTC."
    )

    def condition(self, type_: str) -> Condition | None:
        """The condition of that type, if it was ever written."""
        return next((c for c in self.conditions if c.type == type_), None)
