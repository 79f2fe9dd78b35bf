"""NeRFJob `nerfops.dev/v1alpha1`: the models that the CRD and its reference are made from."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from nerf_contract import goodput
from nerf_contract.base import Model
from nerf_contract.dataset import DatasetConfig, PosesConfig
from nerf_contract.outputs import OutputsConfig
from nerf_contract.training import (
    CROSS_FIELD_RULES,
    CheckpointConfig,
    ModelConfig,
    PreparedDataset,
    TrainerConfig,
    TrainingConfig,
    check_across_fields,
)

Name = Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
Quantity = Annotated[
    str, Field(max_length=32, pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$")
]
LabelValue = Annotated[
    str, Field(max_length=63, pattern=r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")
]

#: CEL rules of what is decided once for all pods of a job: each of them was told it at its start.
FIXED_RULES = (
    (
        "has(self.workers.min) ? has(oldSelf.workers.min) && self.workers.min == "
        "oldSelf.workers.min : !has(oldSelf.workers.min)",
        "workers.min cannot be changed: create the job again",
    ),
    (
        "has(self.workers.min) || self.workers.replicas == oldSelf.workers.replicas",
        "workers.replicas of a job without workers.min cannot be changed: create the job again "
        "with workers.min, which lets it be scaled",
    ),
    (
        "self.workers.gpusPerWorker == oldSelf.workers.gpusPerWorker && "
        "(has(self.workers.processesPerWorker) ? has(oldSelf.workers.processesPerWorker) && "
        "self.workers.processesPerWorker == oldSelf.workers.processesPerWorker : "
        "!has(oldSelf.workers.processesPerWorker))",
        "workers.gpusPerWorker and workers.processesPerWorker cannot be changed: create the job "
        "again",
    ),
    (
        "self.model == oldSelf.model && self.training.determinism == oldSelf.training.determinism "
        "&& self.training.shards == oldSelf.training.shards && self.training.raysPerBatch == "
        "oldSelf.training.raysPerBatch && self.training.precision == oldSelf.training.precision",
        "model, and the determinism, shards, raysPerBatch and precision of training, cannot be "
        "changed: create the job again under another name",
    ),
)

#: CEL rules of the spec: (rule, message). The models enforce the same in Python, but for changes.
SPEC_RULES = (
    (
        "!has(self.workers.min) || self.workers.min <= self.workers.replicas",
        "workers.min must not be greater than workers.replicas",
    ),
    (
        "!has(self.workers.max) || self.workers.replicas <= self.workers.max",
        "workers.replicas must not be greater than workers.max",
    ),
    (
        "!has(self.workers.min) || !has(self.workers.max) || self.workers.min <= self.workers.max",
        "workers.min must not be greater than workers.max",
    ),
    (
        "(has(self.workers.max) ? self.workers.max : self.workers.replicas) * "
        "(self.workers.gpusPerWorker > 0 ? self.workers.gpusPerWorker : "
        "has(self.workers.processesPerWorker) ? self.workers.processesPerWorker : 1) "
        "<= self.training.shards",
        "training.shards must be at least the largest number of worker processes (workers.max or "
        "workers.replicas, times workers.gpusPerWorker or workers.processesPerWorker)",
    ),
    (
        "!has(self.workers.processesPerWorker) || self.workers.gpusPerWorker == 0",
        "workers.processesPerWorker is for workers without GPUs: with workers.gpusPerWorker there "
        "is one process for each GPU",
    ),
    ("!has(self.workers.max) || has(self.workers.min)", "workers.max needs workers.min"),
    *CROSS_FIELD_RULES,
    *FIXED_RULES,
)

#: CEL rules of the dataset: its path lies in a volume that others may share.
DATASET_RULES = (
    ("!self.path.split('/').exists(part, part == '..')", "dataset.path must not contain '..'"),
    (
        "has(self.claimName) || has(self.archive)",
        "dataset needs a claimName (a volume with the photos), an archive, or both",
    ),
)


class VolumeSpec(Model):
    """The volume for checkpoints and results: one that exists, or one made for the job."""

    claim_name: Name | None = Field(
        default=None,
        description="An existing PersistentVolumeClaim. It is never deleted. Without it the "
        "operator makes a ReadWriteOnce claim that is deleted with the job.",
    )
    size: Quantity = Field(default="2Gi", description="Size of the claim that the operator makes.")
    storage_class_name: Name | None = Field(
        default=None, description="Its storage class; the cluster's default one if absent."
    )


class DatasetVolume(Model):
    """The volume that the operator makes for an archive, where no claim is named."""

    size: Quantity = Field(default="10Gi", description="Size of the claim.")
    storage_class_name: Name | None = Field(
        default=None, description="Its storage class; the cluster's default one if absent."
    )


class DatasetSpec(DatasetConfig):
    """Where the photos are, and what they are."""

    claim_name: Name | None = Field(
        default=None,
        description="PersistentVolumeClaim, in the job's namespace, that holds the photos, or that "
        "the archive is unpacked to. For an archive without it the operator makes a ReadWriteOnce "
        "claim that is deleted with the job.",
    )
    volume: DatasetVolume = DatasetVolume()


class CheckpointSpec(CheckpointConfig):
    """When the state is kept, and where."""

    volume: VolumeSpec = VolumeSpec()


class ResourceList(Model):
    """Amounts of a container's resources, in Kubernetes' notation."""

    cpu: Quantity | None = None
    memory: Quantity | None = None
    ephemeral_storage: Quantity | None = Field(default=None, alias="ephemeral-storage")


class ResourceSpec(Model):
    """Requests and limits of a worker container, as in a pod. GPUs go to `gpusPerWorker`."""

    requests: ResourceList = Field(
        default=ResourceList(), description="What the scheduler reserves."
    )
    limits: ResourceList = Field(
        default=ResourceList(), description="What a worker may use at most."
    )


class WorkersSpec(Model):
    """The pods that train."""

    replicas: int = Field(default=1, ge=1, le=1024, description="Worker pods wanted.")
    min: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Fewest pods with which training goes on: makes the job elastic, for good. "
        "Without it `replicas` cannot be changed.",
    )
    max: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Most pods that may ever be wanted, of a job with `min`.",
    )
    gpus_per_worker: int = Field(
        default=0, ge=0, le=16, description="`nvidia.com/gpu` of a pod; one process for each."
    )
    processes_per_worker: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Worker processes in a pod that trains on CPUs: one for each of its CPUs is "
        "fastest; 1 if absent. With `gpusPerWorker` there is one for each GPU.",
    )
    resources: ResourceSpec = ResourceSpec()
    node_selector: dict[str, LabelValue] = Field(
        default_factory=dict, max_length=32, description="Labels of the nodes that may be used."
    )

    @property
    def fewest(self) -> int:
        """Worker pods below which training waits."""
        return self.replicas if self.min is None else self.min

    @property
    def most(self) -> int:
        """Worker pods that torchrun is told of at most; more than these only without `max`."""
        return self.replicas if self.max is None else self.max

    @property
    def elastic(self) -> bool:
        """Whether the job may ever train at another size. It must not depend on `replicas`."""
        return self.min is not None

    @property
    def processes(self) -> int:
        """Worker processes in a pod."""
        return self.gpus_per_worker or self.processes_per_worker or 1


class RunPolicy(Model):
    """How the job ends."""

    backoff_limit: int = Field(
        default=6, ge=0, le=1000, description="Failed worker pods that are replaced in all."
    )


class PosesSpec(PosesConfig):
    """How the cameras of plain photos are found, and what that may use."""

    resources: ResourceSpec = Field(
        default=ResourceSpec(requests=ResourceList(cpu="500m", memory="1Gi")),
        description="Requests and limits of the pod that finds them.",
    )


class ViewerSpec(Model):
    """A web page that shows the scene while it trains and after: `kubectl nerf view`."""

    enabled: bool = Field(default=False, description="Whether to serve it.")
    resources: ResourceSpec = Field(
        default=ResourceSpec(requests=ResourceList(cpu="100m", memory="512Mi")),
        description="Requests and limits of its pod.",
    )


class DatasetStatus(Model):
    """The dataset as it was found."""

    format: str
    photos: int
    posed: int = Field(description="Photos whose camera is known: only those are used.")
    unposed: list[str] = Field(default_factory=list, description="Names of others; 20 at most.")
    poses: str | None = Field(
        default=None, description="Folder, under `.nerf/poses/`, of poses that were found."
    )


class NeRFJobSpec(Model):
    """What the user wants."""

    image: str | None = Field(
        default=None,
        max_length=512,
        pattern=r"^[^\s]+$",
        description="Trainer image; the one that the operator was installed with if absent.",
    )
    dataset: DatasetSpec
    poses: PosesSpec = PosesSpec()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    workers: WorkersSpec = WorkersSpec()
    checkpoint: CheckpointSpec = CheckpointSpec()
    outputs: OutputsConfig = OutputsConfig()
    viewer: ViewerSpec = ViewerSpec()
    run_policy: RunPolicy = RunPolicy()

    @model_validator(mode="after")
    def _cross_field_rules(self) -> "NeRFJobSpec":
        """The Python twin of `SPEC_RULES`, for resources older than a rule."""
        if not self.workers.fewest <= self.workers.replicas <= self.workers.most:
            raise ValueError("workers: min <= replicas <= max must hold")
        if self.workers.most * self.workers.processes > self.training.shards:
            raise ValueError("training.shards must be at least the largest number of processes")
        if self.workers.max is not None and self.workers.min is None:
            raise ValueError("workers.max needs workers.min")
        if self.workers.gpus_per_worker and self.workers.processes_per_worker:
            raise ValueError("workers.processesPerWorker is for workers without GPUs")
        check_across_fields(self.model, self.training)
        if ".." in self.dataset.path.split("/"):
            raise ValueError("dataset.path must not contain '..'")
        if self.dataset.claim_name is None and self.dataset.archive is None:
            raise ValueError("dataset needs a claimName, an archive, or both")
        return self

    def trainer_config(self, found: DatasetStatus | None = None) -> TrainerConfig:
        """The sections that the trainer reads, without those that only the operator needs.

        found: the dataset, once it was looked at: all pods read it as the first one did.
        """
        dataset = self.dataset.model_dump(exclude={"claim_name", "volume"})
        if found is not None:
            dataset["format"] = found.format
        poses = found.poses if found is not None else None
        found_by = self.poses.model_dump(exclude={"resources"})
        checkpoint = self.checkpoint.model_dump(exclude={"volume"})
        return TrainerConfig(
            dataset=PreparedDataset(**dataset, poses=poses),
            poses=PosesConfig(**found_by),
            model=self.model,
            training=self.training,
            checkpoint=CheckpointConfig(**checkpoint),
            outputs=self.outputs,
        )


class Condition(Model):
    """One fact about the job. Times are RFC 3339, UTC."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
    last_transition_time: str
    observed_generation: int


class GivenUpStatus(Model):
    """Workers of an elastic job that no node took: it trains without them, and tries again."""

    workers: int = Field(description="How many it does without; 0 while it tries again.")
    times: int = Field(description="How often in a row they were given up.")
    until: str = Field(description="When they are tried again: RFC 3339, UTC.")
    message: str


class WorkersStatus(Model):
    """Worker pods: wanted, existing, and ready to train."""

    wanted: int
    replicas: int
    ready: int
    summary: str = Field(description="`ready/wanted`, for printing.")
    given_up: GivenUpStatus | None = None


class ProgressStatus(Model):
    """A throttled summary of the training; series belong in Prometheus."""

    step: int
    total_steps: int
    percent: int
    psnr: float | None = Field(default=None, description="Held-out PSNR, dB.")
    ssim: float | None = Field(default=None, description="Held-out SSIM; 1 is perfect.")
    rays_per_second: int | None = None
    eta: str | None = Field(default=None, description="Time left, such as `1m30s`.")
    world_size: int | None = Field(default=None, description="Processes that train together.")
    last_regroup_seconds: float | None = Field(
        default=None, description="How long training paused when their group last changed."
    )


class CheckpointStatus(Model):
    """The newest checkpoint on the volume."""

    step: int
    time: str


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
    wall_seconds: int
    lost_seconds: dict[str, int] = Field(
        description="Wall time that was not useful training, by cause: "
        f"{goodput.explain(goodput.OPERATOR_CAUSES | goodput.TRAINER_CAUSES)}.",
    )


class StageStatus(Model):
    """What a stage before or after the training is at."""

    name: Literal["poses", "export"]
    activity: str = Field(description="Such as `matching`, or `video`.")
    percent: int
    eta: str | None = Field(default=None, description="Time left, such as `1m30s`.")


Phase = Literal["Pending", "Preparing", "Running", "Exporting", "Succeeded", "Failed"]


class NeRFJobStatus(Model):
    """What is."""

    observed_generation: int | None = None
    phase: Phase | None = Field(
        default=None, description="A printed summary of the conditions; decide by those."
    )
    conditions: list[Condition] = Field(default_factory=list)
    workers: WorkersStatus | None = None
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
    start_time: str | None = None
    completion_time: str | None = None

    def condition(self, type_: str) -> Condition | None:
        """The condition of that type, if it was ever written."""
        return next((c for c in self.conditions if c.type == type_), None)


class NeRFJob(Model):
    """A scene to train. Only the parts of `metadata` that are ours are modelled."""

    api_version: Literal["nerfops.dev/v1alpha1"] = "nerfops.dev/v1alpha1"
    kind: Literal["NeRFJob"] = "NeRFJob"
    metadata: dict[str, Any]
    spec: NeRFJobSpec
    status: NeRFJobStatus = NeRFJobStatus()

    @model_validator(mode="before")
    @classmethod
    def _absent_status(cls, data: Any) -> Any:
        """A new resource has no status, or an empty one."""
        return {k: v for k, v in data.items() if not (k == "status" and v is None)}
