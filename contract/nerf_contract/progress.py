"""What a worker pod tells: `GET /status`, and its termination message."""

from typing import Literal

from pydantic import ConfigDict, Field

from nerf_contract.base import Model


class Report(Model):
    """A worker may be newer than the operator: what it tells beyond this is left alone."""

    model_config = ConfigDict(extra="ignore")


class CheckpointInfo(Report):
    """A checkpoint that is safe on the volume. `time` is RFC 3339, UTC."""

    step: int
    time: str


class CheckpointFailure(Report):
    """Checkpoints cannot be written. `since` is RFC 3339, UTC; the newest good one stays."""

    since: str
    message: str


class GoodputReport(Report):
    """What became of the wall time since the job's writer first started; see `goodput`.

    ratio: goodput in [0, 1], or None before the first step. efficiency: of the group as it is, or
    None where this job never trained with one process. lost_seconds: by cause; what is missing to
    wall_seconds was useful training.
    """

    ratio: float | None = None
    efficiency: float | None = None
    wall_seconds: float
    lost_seconds: dict[str, float]


class Progress(Report):
    """`GET /status` of a worker pod.

    psnr, ssim: held-out PSNR (dB) and SSIM of the last evaluation, or None before the first.
    eta_seconds: None until the throughput is known. goodput: told by the writer alone.
    last_regroup_seconds: from when this process last stopped for a change of the group until it had
    the group's state.
    """

    phase: Literal["starting", "waiting", "training", "evaluating", "done"]
    step: int
    total_steps: int
    world_size: int
    generation: int
    rank: int | None = None
    loss: float | None = None
    psnr: float | None = None
    ssim: float | None = None
    rays_per_second: float | None = None
    eta_seconds: float | None = None
    last_regroup_seconds: float | None = None
    checkpoint: CheckpointInfo | None = None
    checkpoint_failure: CheckpointFailure | None = None
    goodput: GoodputReport | None = None


class StageProgress(Report):
    """`GET /status` of a pod that prepares the dataset or exports the scene.

    activity: such as `matching`, or `video`. done: share of the whole stage, in [0, 1].
    """

    stage: Literal["poses", "export"]
    activity: str
    done: float
    eta_seconds: float | None = None


#: What `GET /status` of a pod may answer.
Told = Progress | StageProgress


class DatasetReport(Report):
    """What the poses stage found. unposed: names, the first 20 at most.

    poses: name of the folder under `.nerf/poses/`; None where the dataset brought its poses.
    """

    format: str
    photos: int
    posed: int
    unposed: list[str] = Field(default_factory=list)
    poses: str | None = None


class TerminationMessage(Report):
    """The last word of a worker, in its termination log as JSON.

    reason: a key of `reasons.FAILURES`, or a reason of success.
    dataset: by the poses stage. outputs: files that the export stage made, in `outputs/`.
    """

    reason: str
    message: str
    progress: Progress | None = None
    dataset: DatasetReport | None = None
    outputs: list[str] | None = None
