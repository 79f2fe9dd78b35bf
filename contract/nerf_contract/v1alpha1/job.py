"""The resource as a whole."""

from typing import Any, Literal

from pydantic import model_validator

from nerf_contract.base import Model
from nerf_contract.v1alpha1.spec import NeRFJobSpec
from nerf_contract.v1alpha1.status import NeRFJobStatus


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
