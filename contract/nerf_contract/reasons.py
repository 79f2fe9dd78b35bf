"""Condition types, and the reasons and exit codes that explain them.

A reason is a word for machines; the message beside it is a sentence for people, and says what
to do. `FAILURES` and `FOUND_FAILURES` are all that can end a worker: who is to blame, and whether
trying again can help.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# --- Condition types -----------------------------------------------------------------------------

SUCCEEDED: Final = "Succeeded"
FAILED: Final = "Failed"
RUNNING: Final = "Running"
WORKERS_READY: Final = "WorkersReady"
#: kstatus: the operator is still bringing the world to the spec.
RECONCILING: Final = "Reconciling"
#: kstatus: nothing will move until a person does something.
STALLED: Final = "Stalled"
#: The photos are there, and the cameras of those that are used are known.
POSES_READY: Final = "PosesReady"
#: The training has reached its end: it is never repeated, whatever comes after.
TRAINED: Final = "Trained"
#: What `spec.outputs` asks for has been made.
OUTPUTS_READY: Final = "OutputsReady"
#: Someone wants no pods for now: `spec.runPolicy.suspend`.
SUSPENDED: Final = "Suspended"
CONDITION_TYPES: Final = (
    *(SUCCEEDED, FAILED, POSES_READY, RUNNING, WORKERS_READY, TRAINED, OUTPUTS_READY),
    *(SUSPENDED, RECONCILING, STALLED),
)

# --- Reasons that the operator finds -------------------------------------------------------------

TRAINING_COMPLETED: Final = "TrainingCompleted"
TARGET_PSNR_REACHED: Final = "TargetPSNRReached"
TRAINING: Final = "Training"
PREPARING: Final = "Preparing"
EXPORTING: Final = "Exporting"
NOT_WANTED: Final = "NotWanted"
#: Reasons of success that the stages before and after the training give.
ARCHIVE_FETCHED: Final = "ArchiveFetched"
POSES_GIVEN: Final = "PosesGiven"
POSES_FOUND: Final = "PosesFound"
OUTPUTS_MADE: Final = "OutputsMade"
NOT_FINISHED: Final = "NotFinished"
NO_FAILURE: Final = "NoFailure"
JOB_SUCCEEDED: Final = "JobSucceeded"
JOB_FAILED: Final = "JobFailed"
INVALID_SPEC: Final = "InvalidSpec"
NAME_TAKEN: Final = "NameTaken"
REJECTED: Final = "Rejected"
CLAIM_NOT_FOUND: Final = "ClaimNotFound"
CLAIM_PENDING: Final = "ClaimPending"
IMAGE_PULL_FAILED: Final = "ImagePullFailed"
UNSCHEDULABLE: Final = "Unschedulable"
VOLUME_NOT_MOUNTED: Final = "VolumeNotMounted"
CONTAINER_CONFIG_ERROR: Final = "ContainerConfigError"
PODS_PENDING: Final = "PodsPending"
PODS_STARTING: Final = "PodsStarting"
ALL_READY: Final = "AllReady"
RESTARTING_WORKERS: Final = "RestartingWorkers"
#: An elastic job trains without workers that no node took, and tries again later.
WORKERS_GIVEN_UP: Final = "WorkersGivenUp"
BACKOFF_LIMIT_EXCEEDED: Final = "BackoffLimitExceeded"
DEADLINE_EXCEEDED: Final = "DeadlineExceeded"
JOB_SUSPENDED: Final = "JobSuspended"
NOT_SUSPENDED: Final = "NotSuspended"
RESUMED: Final = "Resumed"
UP_TO_DATE: Final = "UpToDate"

# --- Reasons of the size of a job with scaling.policy Auto ---------------------------------------

ADMITTED: Final = "Admitted"
ADMITTED_AFTER_WAIT: Final = "AdmittedAfterWait"
GROWN: Final = "Grown"
SHRUNK: Final = "Shrunk"
BALANCED: Final = "Balanced"
RESCALE_NOT_WORTHWHILE: Final = "RescaleNotWorthwhile"
AT_MAXIMUM: Final = "AtMaximum"
AT_CAPACITY: Final = "AtCapacity"
EFFICIENCY_FLOOR: Final = "EfficiencyFloor"
NOT_DECIDED: Final = "NotDecided"
WAITING_FOR_GPUS: Final = "WaitingForGPUs"
WAITING_FOR_OLDER_JOB: Final = "WaitingForOlderJob"
EXCEEDS_CAPACITY: Final = "ExceedsCapacity"
CAPACITY_LOST: Final = "CapacityLost"
CAPACITY_UNKNOWN: Final = "CapacityUnknown"
NOT_TRAINING: Final = "NotTraining"
#: Those of a size that is another one than before.
OF_CHANGES: Final = (ADMITTED, ADMITTED_AFTER_WAIT, GROWN, SHRUNK, CAPACITY_LOST)

# --- Reasons for the end of a pod that the cluster or the runtime gives --------------------------

PREEMPTED: Final = "Preempted"
EVICTED: Final = "Evicted"
NODE_LOST: Final = "NodeLost"
DISRUPTED: Final = "Disrupted"
CUDA_ERROR: Final = "CudaError"
IMAGE_UNUSABLE: Final = "ImageUnusable"
STORAGE_EXCEEDED: Final = "StorageExceeded"
CONTAINER_NOT_STARTED: Final = "ContainerNotStarted"

# --- Reasons that a worker gives in its termination message --------------------------------------

CONFIG_INVALID: Final = "ConfigInvalid"
DATASET_INVALID: Final = "DatasetInvalid"
ARCHIVE_UNREACHABLE: Final = "ArchiveUnreachable"
ARCHIVE_INVALID: Final = "ArchiveInvalid"
DATASET_VOLUME: Final = "DatasetVolumeUnusable"
POSES_FAILED: Final = "PosesFailed"
OUTPUTS_FAILED: Final = "OutputsFailed"
STAGE_HUNG: Final = "StageHung"
CUDA_UNAVAILABLE: Final = "CudaUnavailable"
CHECKPOINT_MISMATCH: Final = "CheckpointMismatch"
CHECKPOINT_VOLUME: Final = "CheckpointVolumeUnusable"
NON_FINITE_LOSS: Final = "NonFiniteLoss"
OUT_OF_MEMORY: Final = "OutOfMemory"
GROUP_REFUSED: Final = "GroupRefused"
WORKER_LEFT: Final = "WorkerLeft"
CRASHED: Final = "WorkerCrashed"


class FailureClass(StrEnum):
    """Who or what is to blame for a failure."""

    USER_ERROR = "UserError"
    DATA_ERROR = "DataError"
    OUT_OF_MEMORY = "OutOfMemory"
    CUDA_ERROR = "CudaError"
    INFRASTRUCTURE = "Infrastructure"
    DISRUPTION = "Disruption"
    CRASH = "Crash"


@dataclass(frozen=True)
class Failure:
    """One way for a worker to end.

    exit_code: of the trainer process (sysexits.h where one fits); 0 where it says nothing of it.
    retryable: whether a new attempt may succeed without a person changing something.
    of_node: whether it may be the node's fault, so that the next attempt prefers others.
    """

    reason: str
    exit_code: int
    kind: FailureClass
    retryable: bool
    meaning: str
    of_node: bool = False

    @property
    def counts(self) -> bool:
        """Whether it spends the restart budget: what the cluster does to a pod does not."""
        return self.kind is not FailureClass.DISRUPTION


def _table(*failures: Failure) -> dict[str, Failure]:
    return {failure.reason: failure for failure in failures}


_USER, _DATA, _MEMORY = FailureClass.USER_ERROR, FailureClass.DATA_ERROR, FailureClass.OUT_OF_MEMORY
_CUDA, _INFRASTRUCTURE = FailureClass.CUDA_ERROR, FailureClass.INFRASTRUCTURE
_DISRUPTION, _CRASH = FailureClass.DISRUPTION, FailureClass.CRASH

#: What a worker says of its own end, by its exit code and its last word.
FAILURES: Final = _table(
    Failure(DATASET_INVALID, 65, _DATA, False, "The dataset cannot be read as described."),
    Failure(ARCHIVE_INVALID, 66, _DATA, False, "The archive has another SHA-256, or does harm."),
    Failure(GROUP_REFUSED, 67, _CRASH, True, "The worker has another token, version or config."),
    Failure(ARCHIVE_UNREACHABLE, 68, _INFRASTRUCTURE, True, "The archive could not be fetched."),
    Failure(POSES_FAILED, 72, _DATA, False, "The cameras of too few photos could be found."),
    Failure(OUTPUTS_FAILED, 73, _USER, False, "Not all outputs could be made of the scene."),
    Failure(
        *(STAGE_HUNG, 79, _CRASH, True),
        meaning="A stage made no progress for six hours, and was ended.",
    ),
    Failure(
        *(DATASET_VOLUME, 77, _INFRASTRUCTURE, True),
        meaning="The dataset's volume cannot be written or read.",
    ),
    Failure(
        *(CUDA_UNAVAILABLE, 69, _CUDA, False),
        meaning="CUDA was asked for, or GPUs given, and do not work.",
    ),
    Failure(NON_FINITE_LOSS, 70, _USER, False, "The loss was not finite for many steps in a row."),
    Failure(OUT_OF_MEMORY, 71, _MEMORY, True, "The worker ran out of memory."),
    Failure(
        *(CHECKPOINT_VOLUME, 74, _INFRASTRUCTURE, True),
        meaning="The checkpoint volume cannot be written or read.",
    ),
    Failure(
        *(WORKER_LEFT, 75, _DISRUPTION, True),
        meaning="The worker was told to end (SIGTERM), and left.",
    ),
    Failure(
        *(CHECKPOINT_MISMATCH, 76, _USER, False),
        meaning="The checkpoints there belong to another config.",
    ),
    Failure(
        *(CONFIG_INVALID, 78, _USER, False),
        meaning="The config file is missing, broken or out of range.",
    ),
    Failure(CRASHED, 1, _CRASH, True, "The worker ended by an unexpected error."),
)

#: What the operator makes of an end that the worker did not explain.
FOUND_FAILURES: Final = _table(
    Failure(
        *(CUDA_ERROR, 0, _CUDA, True),
        meaning="The last words are of an error of CUDA or NCCL; or GPUs do not work, of a job "
        "that has trained before.",
        of_node=True,
    ),
    Failure(
        *(STORAGE_EXCEEDED, 0, _INFRASTRUCTURE, True),
        meaning="The pod wrote more to its scratch space than its limit allows.",
    ),
    Failure(IMAGE_UNUSABLE, 0, _USER, False, "The image lacks the trainer's programs."),
    Failure(
        *(CONTAINER_NOT_STARTED, 0, _INFRASTRUCTURE, True),
        meaning="The node could not start the container.",
        of_node=True,
    ),
    Failure(PREEMPTED, 0, _DISRUPTION, True, "A pod of a higher priority took its place."),
    Failure(EVICTED, 0, _DISRUPTION, True, "The node, or a drain of it, put the pod out."),
    Failure(NODE_LOST, 0, _DISRUPTION, True, "The node was lost, or shut down."),
    Failure(
        *(DISRUPTED, 0, _DISRUPTION, True),
        meaning="The cluster ended the pod, or its node refused it.",
        of_node=True,
    ),
)

#: Reasons of a pod's condition DisruptionTarget, and in its status, that blame the cluster.
BY_THE_CLUSTER: Final = {
    **dict.fromkeys(("PreemptionByScheduler", "Preempting"), PREEMPTED),
    **dict.fromkeys(("EvictionByEvictionAPI", "TerminationByKubelet", "Evicted"), EVICTED),
    **dict.fromkeys(("DeletionByTaintManager", "DeletionByPodGC", "NodeLost"), NODE_LOST),
    **dict.fromkeys(("Shutdown", "NodeShutdown", "Terminated"), NODE_LOST),
    **dict.fromkeys(("NodeAffinity", "UnexpectedAdmissionError"), DISRUPTED),
}
