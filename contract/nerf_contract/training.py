"""What to train and how: sections of `NeRFJob.spec` that are also the trainer's config file."""

from typing import Annotated, Literal

from pydantic import Field

from nerf_contract.base import Model

#: Kubernetes' own bound for an int32 field keeps CEL's cost estimates finite.
MAX_INT = 2**31 - 1
RelativePath = Annotated[str, Field(max_length=1024, pattern=r"^$|^[^/$\x00]([^$\x00]*)$")]


class DatasetConfig(Model):
    """Photos with known camera poses."""

    path: RelativePath = Field(
        default="", description="Folder of the dataset, relative to the root of its volume."
    )
    format: Literal["auto", "nerfstudio", "blender"] = Field(
        default="auto",
        description="`nerfstudio` is one transforms.json; `blender` is transforms_train.json and "
        "its siblings; `auto` looks which of them is there. Both may have lens distortion "
        "(`camera_model` OPENCV or OPENCV_FISHEYE, or a special case) and masks (`mask_path`; "
        "white is used).",
    )
    downscale: int = Field(
        default=1, ge=1, le=64, description="Shrink the photos by this factor with a box filter."
    )
    holdout_every: int = Field(
        default=8,
        ge=2,
        le=MAX_INT,
        description="Hold out every n-th photo for evaluation where the dataset has no split.",
    )
    wait_seconds: int = Field(
        default=0,
        ge=0,
        le=86400,
        description="Wait this long for the dataset's transforms file to appear, for a job that is "
        "applied while its photos are still being uploaded. Write that file last.",
    )


class ModelConfig(Model):
    """The radiance field and the volume it lives in."""

    type: Literal["hashgrid"] = Field(
        default="hashgrid",
        description="`hashgrid` is a multi-resolution hash encoding with a small MLP "
        "(Instant-NGP, Müller et al. 2022).",
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
    background: Literal["white", "black"] = Field(
        default="white", description="Colour behind the scene."
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
    samples_per_ray: int = Field(
        default=192, ge=8, le=4096, description="Candidate samples along a ray."
    )
    kept_samples_per_ray: int = Field(
        default=16,
        ge=2,
        le=4096,
        description="Samples a ray that are evaluated on average over a batch, after empty space "
        "was skipped. This fixes the size of a step; while more are occupied, they are thinned.",
    )
    shards: int = Field(
        default=8,
        ge=1,
        le=1024,
        description="Equal parts of a batch that are dealt out to the workers; the upper bound of "
        "the world size.",
    )
    learning_rate: float = Field(default=0.02, gt=0, le=10, description="Adam's first step size.")
    seed: int = Field(default=0, ge=0, le=MAX_INT, description="Seed of everything random.")
    precision: Literal["auto", "fp32", "fp16", "bf16"] = Field(
        default="auto", description="`auto` is fp32 on a CPU and mixed precision on a GPU."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="`auto` is CUDA where the worker was given GPUs, else the CPU."
    )
    threads: int = Field(
        default=0, ge=0, le=1024, description="Intra-op threads of a process; 0 takes its CPUs."
    )
    compile: bool = Field(default=True, description="Compile the step by torch.compile.")
    eval_every: int = Field(
        default=500, ge=1, le=MAX_INT, description="Steps between two evaluations."
    )
    target_psnr: float | None = Field(
        default=None,
        alias="targetPSNR",
        gt=0,
        le=100,
        description="Stop early once the held-out PSNR (dB) reaches this.",
    )


class CheckpointConfig(Model):
    """When the state is kept."""

    interval_seconds: int = Field(
        default=30, ge=1, le=86400, description="Seconds between two checkpoints."
    )
    keep: int = Field(default=3, ge=1, le=1000, description="Newest checkpoints that are kept.")


class TrainerConfig(Model):
    """The trainer's config file (JSON): what `--config` names."""

    dataset: DatasetConfig = DatasetConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
