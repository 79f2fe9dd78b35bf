"""What a container may use."""

from pydantic import Field

from nerf_contract.base import Model
from nerf_contract.v1alpha1.types import Quantity


class ResourceList(Model):
    """Amounts of a container's resources, in Kubernetes' notation."""

    cpu: Quantity | None = Field(default=None, description="CPUs, such as `500m` or `4`.")
    memory: Quantity | None = Field(
        default=None, description="Memory, `/dev/shm` among it, such as `8Gi`."
    )
    ephemeral_storage: Quantity | None = Field(
        default=None, alias="ephemeral-storage", description="Scratch space on the node's disk."
    )


class ResourceSpec(Model):
    """Requests and limits of a worker container, as in a pod. GPUs go to `gpusPerWorker`."""

    requests: ResourceList = Field(
        default=ResourceList(), description="What the scheduler reserves."
    )
    limits: ResourceList = Field(
        default=ResourceList(), description="What a worker may use at most."
    )
