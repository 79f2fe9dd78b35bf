"""What to train and how: sections of `NeRFJob.spec` that are also the trainer's config file."""

import itertools
from typing import Final, Literal

from pydantic import Field, model_validator

from nerf_contract.base import MAX_INT, Model
from nerf_contract.dataset import DatasetConfig, PosesConfig
from nerf_contract.outputs import OutputsConfig

#: CEL rules over the section `model`: (rule, message).
MODEL_RULES = (
    (
        "self.baseResolution <= self.finestResolution",
        "model.baseResolution must not be greater than model.finestResolution",
    ),
    (
        "self.space == 'bounded' || self.sampling in ['auto', 'proposal']",
        "model.space unbounded needs model.sampling proposal or auto",
    ),
)
#: The same over `training`.
TRAINING_RULES = (
    (
        "self.raysPerBatch % self.shards == 0",
        "training.raysPerBatch must be a multiple of training.shards",
    ),
    (
        "!has(self.stages) || self.stages.all(a, self.stages"
        ".exists_one(b, a.fromStep == b.fromStep)) && self.stages"
        ".map(stage, stage.fromStep).isSorted()",
        "training.stages must be in the order of their fromStep, each one greater",
    ),
)


#: Samples of a ray in a scene with a background on CPUs, where nobody says otherwise: a third of
#: the default, and so three times as fast.
CPU_BACKGROUND_SAMPLES: Final = 64


class ModelConfig(Model):
    """The radiance field and the volume it lives in."""

    type: Literal["hashgrid", "mlp"] = Field(
        default="hashgrid",
        description="`hashgrid` is a multi-resolution hash encoding with a small MLP "
        "(Instant-NGP, Müller et al. 2022); `mlp` is the classic network of eight layers "
        "(NeRF, Mildenhall et al. 2020), hundreds of times slower.",
    )
    encoding: Literal["auto", "hashgrid", "frequency"] = Field(
        default="auto",
        description="What the network is given of a position; `auto` is `hashgrid` for `hashgrid` "
        "and `frequency`, sines and cosines, for `mlp`.",
    )
    sampling: Literal["auto", "occupancy", "hierarchical", "proposal"] = Field(
        default="auto",
        description="How samples find the surfaces: `occupancy`, a grid of what is empty; "
        "`hierarchical`, a coarse and a fine network; `proposal`, two small fields before the main "
        "one. `auto` is `proposal` for an unbounded scene, else `hierarchical` for `mlp` and "
        "`occupancy` for `hashgrid`.",
    )
    space: Literal["bounded", "unbounded"] = Field(
        default="bounded",
        description="`bounded`: the scene lies in the cube of `sceneBound`. `unbounded`: what lies "
        "outside of it is contracted (mip-NeRF 360, Barron et al. 2022), for a scene with a "
        "background.",
    )
    levels: int = Field(default=10, ge=1, le=24, description="Resolution levels of the hash grid.")
    log2_table_size: int = Field(
        default=16, ge=8, le=24, description="Base-2 logarithm of the entries in a level's table."
    )
    features_per_level: int = Field(default=2, ge=1, le=8, description="Features in an entry.")
    base_resolution: int = Field(
        default=16, ge=2, le=512, description="Cells of the coarsest level."
    )
    finest_resolution: int = Field(
        default=384, ge=2, le=65536, description="Cells along an edge of the finest level."
    )
    hidden_width: int = Field(default=64, ge=8, le=1024, description="Width of the MLP's layers.")
    scene_bound: float = Field(
        default=1.5,
        gt=0,
        le=1e6,
        description="Half the edge of the cube around the origin that holds the scene.",
    )
    occupancy_resolution: int = Field(
        default=64, ge=8, le=512, description="Cells along an edge of the occupancy grid."
    )
    background: Literal["auto", "white", "black", "random"] = Field(
        default="auto",
        description="Colour behind the scene. `random` is another for every ray in training, which "
        "leaves no haze, and white in evaluation. `auto` is `random` for an unbounded scene, where "
        "every ray ends at something, else `white`.",
    )

    @property
    def resolved_encoding(self) -> Literal["hashgrid", "frequency"]:
        """`encoding`, with `auto` replaced by what it stands for."""
        if self.encoding != "auto":
            return self.encoding
        return "frequency" if self.type == "mlp" else "hashgrid"

    @property
    def resolved_background(self) -> Literal["white", "black", "random"]:
        """`background`, with `auto` replaced by what it stands for."""
        if self.background != "auto":
            return self.background
        return "random" if self.space == "unbounded" else "white"

    @property
    def resolved_sampling(self) -> Literal["occupancy", "hierarchical", "proposal"]:
        """`sampling`, with `auto` replaced by what it stands for."""
        if self.sampling != "auto":
            return self.sampling
        if self.space == "unbounded":
            return "proposal"
        return "hierarchical" if self.type == "mlp" else "occupancy"


class Stage(Model):
    """What holds from one step on, until the next stage. What is absent stays as it was."""

    from_step: int = Field(ge=0, le=MAX_INT, description="First step, counted from 0.")
    downscale: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Train on photos that are this much smaller than `dataset.downscale` made "
        "them; 1 at first.",
    )
    samples_per_ray: int | None = Field(
        default=None, ge=8, le=4096, description="Replaces `training.samplesPerRay`."
    )
    detail: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Percent of the encoding's levels or frequencies, coarse to fine, that are "
        "open when the stage begins; between two stages that set it, it changes evenly. 100 "
        "at first.",
    )


class TrainingConfig(Model):
    """The optimisation."""

    steps: int = Field(default=2000, ge=1, le=MAX_INT, description="Optimizer steps in all.")
    rays_per_batch: int = Field(
        default=2048,
        ge=8,
        le=1 << 22,
        description="Rays in a step, over all workers: the world size does not change it.",
    )
    rays_per_chunk: int | None = Field(
        default=None,
        ge=1,
        le=1 << 22,
        description="Most rays of a shard that are in memory at once; all if absent. A GPU that "
        "runs out of memory halves it for the whole job.",
    )
    samples_per_ray: int = Field(
        default=192,
        ge=8,
        le=4096,
        description="Samples along a ray: candidates with `occupancy`; evaluations in all with "
        "`hierarchical` (a quarter coarse, and half more for the fine network; 512 for the classic "
        "NeRF); candidates of the first proposal with `proposal`, then half, then a quarter.",
    )
    kept_samples_per_ray: int = Field(
        default=8,
        ge=2,
        le=4096,
        description="Samples a ray that are evaluated on average over a batch, after empty space "
        "was skipped. This fixes the size of a step; while more are occupied, they are thinned.",
    )
    shards: int = Field(
        default=4,
        ge=1,
        le=1024,
        description="Equal parts of a batch that are dealt out to the workers; the upper bound of "
        "the world size.",
    )
    stages: list[Stage] = Field(
        default_factory=list,
        max_length=16,
        description="From coarse to fine in mid-training, in order of `fromStep`.",
    )
    learning_rate: float | None = Field(
        default=None,
        gt=0,
        le=10,
        description="Adam's first step size; if absent 0.02 with a hash grid, else 0.0005.",
    )
    seed: int = Field(default=0, ge=0, le=MAX_INT, description="Seed of everything random.")
    precision: Literal["auto", "fp32", "fp16", "bf16"] = Field(
        default="auto", description="`auto` is fp32 on a CPU and mixed precision on a GPU."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="`auto` is CUDA where the worker was given GPUs, else the CPU."
    )
    threads: int = Field(
        default=0,
        ge=0,
        le=1024,
        description="Intra-op threads of a process. 0 is one where a CPU trains, as further "
        "processes (`workers.processesPerWorker`) help and further threads hardly do; beside a "
        "GPU, the process's part of the CPUs.",
    )
    determinism: Literal["auto", "exact", "fast"] = Field(
        default="auto",
        description="`exact`: the same weights, bit for bit, whatever the number of workers was "
        "on the way, on CPUs of one kind. `fast`: a plain sum over the workers, whose last bits "
        "depend on their number. `auto` is `exact` on a CPU and `fast` on a GPU.",
    )
    compile: bool = Field(default=True, description="Compile the step by torch.compile.")
    eval_every: int = Field(
        default=500,
        ge=1,
        le=MAX_INT,
        description="Steps between two evaluations of a few held-out views; all of them are judged "
        "at the end.",
    )
    target_psnr: float | None = Field(
        default=None,
        alias="targetPSNR",
        gt=0,
        le=100,
        description="Stop early once the held-out PSNR (dB) reaches this.",
    )

    def exact_on(self, device: str) -> bool:
        """`determinism`, with `auto` replaced by what it stands for on `cpu` or `cuda`."""
        return self.determinism == "exact" or (self.determinism == "auto" and device == "cpu")


class CheckpointConfig(Model):
    """When the state is kept."""

    interval_seconds: int = Field(
        default=30, ge=1, le=86400, description="Seconds between two checkpoints."
    )
    snapshot_seconds: int = Field(
        default=5,
        ge=0,
        le=86400,
        description="Seconds between two snapshots in the memory of a worker, from which a process "
        "that is started again in the same pod goes on. They take three times the memory of a "
        "checkpoint: two in /dev/shm, of which a fifth is kept free, and a copy in the process. 0 "
        "takes none.",
    )
    keep: int = Field(
        default=3,
        ge=1,
        le=1000,
        description="Newest checkpoints that are kept. Beside them, the one with the best held-out "
        "PSNR is.",
    )


class PreparedDataset(DatasetConfig):
    """The dataset as a worker sees it."""

    poses: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{16}$",
        description="Which of the poses that were found for plain photos to use: their folder "
        "under `.nerf/poses/` in the dataset's folder.",
    )


class TrainerConfig(Model):
    """The trainer's config file (JSON): what `--config` names."""

    dataset: PreparedDataset = PreparedDataset()
    poses: PosesConfig = PosesConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    outputs: OutputsConfig = OutputsConfig()

    @model_validator(mode="after")
    def _cross_field_rules(self) -> "TrainerConfig":
        check_across_fields(self.model, self.training)
        return self


def check_across_fields(model: ModelConfig, training: TrainingConfig) -> None:
    """The Python twin of `MODEL_RULES` and `TRAINING_RULES`. Raises ValueError."""
    if training.rays_per_batch % training.shards:
        raise ValueError(
            f"training.raysPerBatch ({training.rays_per_batch}) must be a multiple of "
            f"training.shards ({training.shards})"
        )
    if model.base_resolution > model.finest_resolution:
        raise ValueError(
            f"model.baseResolution ({model.base_resolution}) must not be greater than "
            f"model.finestResolution ({model.finest_resolution})"
        )
    if model.space == "unbounded" and model.resolved_sampling != "proposal":
        raise ValueError("model.space unbounded needs model.sampling proposal or auto")
    steps = [stage.from_step for stage in training.stages]
    if any(b <= a for a, b in itertools.pairwise(steps)):
        raise ValueError("training.stages must be in the order of their fromStep, each one greater")
