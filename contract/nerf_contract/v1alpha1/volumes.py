"""The volumes of a job: photos, and checkpoints with results."""

from typing import Literal

from pydantic import Field

from nerf_contract.base import Model
from nerf_contract.dataset import DatasetConfig
from nerf_contract.training import CheckpointConfig
from nerf_contract.v1alpha1.types import Name, Quantity


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
    retention_policy: Literal["Delete", "Retain"] = Field(
        default="Delete",
        description="What becomes of the claim that the operator made when the job is deleted, by "
        "hand or by `ttlSecondsAfterFinished`. A later job of that name goes on from a claim that "
        "was retained.",
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
