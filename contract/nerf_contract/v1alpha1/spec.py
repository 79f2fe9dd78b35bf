"""What the user wants."""

from pydantic import Field, model_validator

from nerf_contract.base import Model
from nerf_contract.dataset import PosesConfig
from nerf_contract.outputs import OutputsConfig
from nerf_contract.training import (
    CheckpointConfig,
    ModelConfig,
    PreparedDataset,
    TrainerConfig,
    TrainingConfig,
    check_across_fields,
)
from nerf_contract.v1alpha1.resources import ResourceList, ResourceSpec
from nerf_contract.v1alpha1.run_policy import RunPolicy
from nerf_contract.v1alpha1.scaling import ScalingSpec
from nerf_contract.v1alpha1.status import DatasetStatus
from nerf_contract.v1alpha1.types import Name
from nerf_contract.v1alpha1.volumes import CheckpointSpec, DatasetSpec
from nerf_contract.v1alpha1.workers import WorkersSpec


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


class NeRFJobSpec(Model):
    """What the user wants."""

    image: str | None = Field(
        default=None,
        max_length=512,
        pattern=r"^[^\s]+$",
        description="Trainer image; the one that the operator was installed with if absent.",
    )
    image_pull_secrets: list[Name] = Field(
        default_factory=list,
        max_length=8,
        description="Names of the Secrets with which the image is pulled.",
    )
    dataset: DatasetSpec
    poses: PosesSpec = PosesSpec()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    workers: WorkersSpec = WorkersSpec()
    scaling: ScalingSpec = ScalingSpec()
    checkpoint: CheckpointSpec = CheckpointSpec()
    outputs: OutputsConfig = OutputsConfig()
    viewer: ViewerSpec = ViewerSpec()
    run_policy: RunPolicy = RunPolicy()

    @model_validator(mode="after")
    def _cross_field_rules(self) -> "NeRFJobSpec":
        """The Python twin of the CEL rules, for resources older than a rule."""
        if self.auto:
            self._can_be_shared()
        elif not self.workers.fewest <= self.workers.wanted <= self.workers.most:
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

    def _can_be_shared(self) -> None:
        workers = self.workers
        if workers.replicas is not None:
            raise ValueError("workers.replicas must be absent with scaling.policy Auto")
        if workers.min is None or workers.max is None or workers.min > workers.max:
            raise ValueError("scaling.policy Auto needs workers.min <= workers.max")
        if not workers.gpus_per_worker:
            raise ValueError("scaling.policy Auto needs workers.gpusPerWorker")

    @property
    def auto(self) -> bool:
        """Whether the operator says how many workers there are."""
        return self.scaling.policy == "Auto"

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
