"""What a worker pod tells: `GET /status`, and its termination message.

The image is the user's choice, and so are its words: what is out of bounds here is not heard, lest
a status be written that the API server refuses, or one that grows without end.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from nerf_contract.base import MAX_INT, Model
from nerf_contract.training import PreparedDataset

#: Characters of a sentence; a termination message has 4096 bytes in all.
LONGEST_SENTENCE = 4096
#: More than any figure of a training, in seconds, rays or dB.
LARGEST = 1e12
#: rays/s that no group of workers reaches.
LARGEST_RATE = 1e10

Count = Annotated[int, Field(ge=0, le=MAX_INT)]
Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, le=LARGEST_RATE, allow_inf_nan=False)]
Sentence = Annotated[str, AfterValidator(lambda text: text[:LONGEST_SENTENCE])]
Moment = Annotated[str, Field(max_length=64)]
Word = Annotated[str, Field(max_length=64)]
#: A reason, as the API server wants those of events and conditions.
Reason = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z][A-Za-z0-9]*$")]


class Report(Model):
    """A worker may be newer than the operator: what it tells beyond this is left alone."""

    model_config = ConfigDict(extra="ignore")


class CheckpointInfo(Report):
    """A checkpoint that is safe on the volume. `time` is RFC 3339, UTC."""

    step: Count
    time: Moment


class CheckpointFailure(Report):
    """Checkpoints cannot be written. `since` is RFC 3339, UTC; the newest good one stays."""

    since: Moment
    message: Sentence


class GoodputReport(Report):
    """What became of the wall time since the job's writer first started; see `goodput`.

    ratio: goodput in [0, 1], or None before the first step. efficiency: of the group as it is, or
    None where this job never trained with one process. lost_seconds: by cause; what is missing to
    wall_seconds was useful training.
    """

    ratio: Number | None = None
    efficiency: Number | None = None
    wall_seconds: Number
    lost_seconds: dict[Word, Number] = Field(max_length=64)


class Progress(Report):
    """`GET /status` of a worker pod.

    psnr, ssim: held-out PSNR (dB) and SSIM of the last evaluation, or None before the first.
    eta_seconds: None until the throughput is known. goodput: told by the writer alone.
    last_regroup_seconds: from when this process last stopped for a change of the group until it had
    the group's state.
    """

    phase: Literal["starting", "waiting", "training", "evaluating", "done"]
    step: Count
    total_steps: Count
    world_size: Count
    generation: Count
    rank: Count | None = None
    loss: Number | None = None
    psnr: Number | None = None
    ssim: Number | None = None
    rays_per_second: Rate | None = None
    eta_seconds: Number | None = None
    last_regroup_seconds: Number | None = None
    checkpoint: CheckpointInfo | None = None
    checkpoint_failure: CheckpointFailure | None = None
    goodput: GoodputReport | None = None


class StageProgress(Report):
    """`GET /status` of a pod that fetches or prepares the dataset, or exports the scene.

    activity: such as `matching`, or `video`. done: share of the whole stage, in [0, 1].
    """

    stage: Literal["download", "poses", "export"]
    activity: Word
    done: Number
    eta_seconds: Number | None = None


#: What `GET /status` of a pod may answer.
Told = Progress | StageProgress


class DatasetReport(Report):
    """What the poses stage found. unposed: names, the first 20 at most.

    poses: name of the folder under `.nerf/poses/`; None where the dataset brought its poses.
    """

    format: str
    photos: Count
    posed: Count
    unposed: list[str] = Field(default_factory=list)
    poses: str | None = None

    @model_validator(mode="after")
    def _can_be_told_on(self) -> "DatasetReport":
        """The pods that follow are told of it in their config."""
        found = PreparedDataset.model_validate({"format": self.format, "poses": self.poses})
        if found.format == "auto":
            raise ValueError("format: auto is not what was found")
        return self


class TerminationMessage(Report):
    """The last word of a worker, in its termination log as JSON.

    reason: a key of `reasons.FAILURES`, or a reason of success.
    dataset: by the poses stage. outputs: files that the export stage made, in `outputs/`.
    """

    reason: Reason
    message: Sentence
    progress: Progress | None = None
    dataset: DatasetReport | None = None
    outputs: list[str] | None = None
