"""NeRFJob `nerfops.dev/v1alpha1`: the models that the CRD and its reference are made from."""

from nerf_contract.v1alpha1.changes import CHANGE_RULE
from nerf_contract.v1alpha1.job import NeRFJob
from nerf_contract.v1alpha1.resources import ResourceList, ResourceSpec
from nerf_contract.v1alpha1.rules import SECTION_RULES, SPEC_RULES
from nerf_contract.v1alpha1.run_policy import RunPolicy
from nerf_contract.v1alpha1.scaling import ScalingSpec
from nerf_contract.v1alpha1.scheduling import Affinity, Toleration, TopologySpread
from nerf_contract.v1alpha1.spec import NeRFJobSpec, PosesSpec, ViewerSpec
from nerf_contract.v1alpha1.status import (
    ActiveStatus,
    AllocationStatus,
    CheckpointStatus,
    Condition,
    DatasetStatus,
    GivenUpStatus,
    GoodputStatus,
    NeRFJobStatus,
    Phase,
    ProgressStatus,
    SpeedStatus,
    StageStatus,
    WorkersStatus,
)
from nerf_contract.v1alpha1.volumes import (
    CheckpointSpec,
    DatasetSpec,
    DatasetVolume,
    VolumeSpec,
)
from nerf_contract.v1alpha1.workers import WorkersSpec

__all__ = [
    "CHANGE_RULE",
    "SECTION_RULES",
    "SPEC_RULES",
    "ActiveStatus",
    "Affinity",
    "AllocationStatus",
    "CheckpointSpec",
    "CheckpointStatus",
    "Condition",
    "DatasetSpec",
    "DatasetStatus",
    "DatasetVolume",
    "GivenUpStatus",
    "GoodputStatus",
    "NeRFJob",
    "NeRFJobSpec",
    "NeRFJobStatus",
    "Phase",
    "PosesSpec",
    "ProgressStatus",
    "ResourceList",
    "ResourceSpec",
    "RunPolicy",
    "ScalingSpec",
    "SpeedStatus",
    "StageStatus",
    "Toleration",
    "TopologySpread",
    "ViewerSpec",
    "VolumeSpec",
    "WorkersSpec",
    "WorkersStatus",
]
