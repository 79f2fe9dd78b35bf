"""The pods that train."""

from pydantic import Field, model_validator

from nerf_contract.base import Model
from nerf_contract.v1alpha1.resources import ResourceSpec
from nerf_contract.v1alpha1.rules import RESERVED_PREFIXES, SYSTEM_PRIORITY
from nerf_contract.v1alpha1.scheduling import Affinity, Toleration, TopologySpread
from nerf_contract.v1alpha1.types import AnnotationValue, LabelValue, Name, Quantity


class WorkersSpec(Model):
    """The pods that train."""

    replicas: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Worker pods wanted; 1 if absent, but an autoscaler finds only what is there. "
        "Not with `scaling.policy` `Auto`, where the operator decides.",
    )
    min: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Fewest pods with which training goes on: makes the job elastic. Without it "
        "`replicas` cannot be changed while the job is active.",
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
    shared_memory: Quantity | None = Field(
        default=None,
        description="Size of `/dev/shm`, which counts as memory of the container: 1Gi, and one "
        "more for each GPU, if absent.",
    )
    termination_grace_period_seconds: int | None = Field(
        default=None,
        ge=1,
        le=3600,
        description="Time for a pod to leave its group and save a checkpoint: 30 seconds, with "
        "GPUs 60, if absent.",
    )
    node_selector: dict[str, LabelValue] = Field(
        default_factory=dict,
        max_length=32,
        description="Labels of the nodes that may be used, by the pods of all stages.",
    )
    affinity: Affinity | None = None
    tolerations: list[Toleration] = Field(
        default_factory=list,
        max_length=32,
        description="Taints of nodes that may be used all the same. `nvidia.com/gpu` is tolerated "
        "by all pods of a job with `gpusPerWorker`.",
    )
    topology_spread_constraints: list[TopologySpread] = Field(
        default_factory=list,
        max_length=8,
        description="How evenly the workers lie over zones, nodes or other domains.",
    )
    priority_class_name: Name | None = Field(
        default=None, description="PriorityClass of the job's pods; none of the system's."
    )
    runtime_class_name: Name | None = Field(
        default=None, description="RuntimeClass, such as `nvidia`, of the pods of all stages."
    )
    scheduler_name: Name | None = Field(
        default=None, description="Scheduler of the job's pods; the cluster's default if absent."
    )
    labels: dict[str, LabelValue] = Field(
        default_factory=dict,
        max_length=16,
        description="More labels of the job's pods, such as a team or a cost centre.",
    )
    annotations: dict[str, AnnotationValue] = Field(
        default_factory=dict, max_length=16, description="More annotations of the job's pods."
    )

    @model_validator(mode="after")
    def _nothing_that_is_reserved(self) -> "WorkersSpec":
        """The Python twin of the CEL rules on it."""
        for field, keys in (("labels", self.labels), ("annotations", self.annotations)):
            taken = [key for key in keys if key.startswith(RESERVED_PREFIXES)]
            if taken:
                raise ValueError(f"workers.{field} must not have {', '.join(taken)}")
        if (self.priority_class_name or "").startswith(SYSTEM_PRIORITY):
            raise ValueError("workers.priorityClassName must not be one of the system's")
        return self

    @property
    def shm(self) -> str:
        """Size of `/dev/shm`. NCCL needs some for each GPU; snapshots of the state lie there."""
        return self.shared_memory or f"{1 + self.gpus_per_worker}Gi"

    @property
    def grace_seconds(self) -> int:
        """A state on GPUs takes longer to be copied and let go."""
        return self.termination_grace_period_seconds or (60 if self.gpus_per_worker else 30)

    @property
    def wanted(self) -> int:
        """Worker pods wanted; of an Auto job only in `core.auto.sized`."""
        return 1 if self.replicas is None else self.replicas

    @property
    def fewest(self) -> int:
        """Worker pods below which training waits."""
        return self.wanted if self.min is None else self.min

    @property
    def most(self) -> int:
        """Worker pods that torchrun is told of at most; more than these only without `max`."""
        return self.wanted if self.max is None else self.max

    @property
    def elastic(self) -> bool:
        """Whether the job may ever train at another size. It must not depend on `replicas`."""
        return self.min is not None

    @property
    def processes(self) -> int:
        """Worker processes in a pod."""
        return self.gpus_per_worker or self.processes_per_worker or 1
