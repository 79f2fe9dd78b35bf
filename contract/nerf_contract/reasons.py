"""Condition types, and the reasons and exit codes that explain them.

A reason is a word for machines; the message beside it is a sentence for people, and says what
to do. `FAILURES` is the single table of what can end a worker: who is to blame, and whether
trying again can help.
"""

from dataclasses import dataclass
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
CONDITION_TYPES: Final = (
    *(SUCCEEDED, FAILED, POSES_READY, RUNNING, WORKERS_READY, TRAINED, OUTPUTS_READY),
    *(RECONCILING, STALLED),
)

# --- Reasons that the operator finds -------------------------------------------------------------

TRAINING_COMPLETED: Final = "TrainingCompleted"
TARGET_PSNR_REACHED: Final = "TargetPSNRReached"
TRAINING: Final = "Training"
PREPARING: Final = "Preparing"
EXPORTING: Final = "Exporting"
NOT_WANTED: Final = "NotWanted"
#: Reasons of success that the stages before and after the training give.
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
UP_TO_DATE: Final = "UpToDate"

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


@dataclass(frozen=True)
class Failure:
    """One way for a worker to end.

    exit_code: of the trainer process (sysexits.h where one fits).
    retryable: whether a new attempt may succeed without a person changing something.
    """

    reason: str
    exit_code: int
    retryable: bool
    meaning: str


FAILURES: Final = {
    failure.reason: failure
    for failure in (
        Failure(DATASET_INVALID, 65, False, "The dataset cannot be read as described."),
        Failure(ARCHIVE_INVALID, 66, False, "The archive has another SHA-256, or does harm."),
        Failure(GROUP_REFUSED, 67, True, "The worker has another token, version or config."),
        Failure(ARCHIVE_UNREACHABLE, 68, True, "The archive could not be fetched."),
        Failure(POSES_FAILED, 72, False, "The cameras of too few photos could be found."),
        Failure(OUTPUTS_FAILED, 73, False, "Not all outputs could be made of the trained scene."),
        Failure(STAGE_HUNG, 79, True, "A stage made no progress for six hours, and was ended."),
        Failure(DATASET_VOLUME, 77, True, "The dataset's volume cannot be written or read."),
        Failure(CUDA_UNAVAILABLE, 69, False, "CUDA was asked for, or GPUs given, and do not work."),
        Failure(NON_FINITE_LOSS, 70, False, "The loss was not finite for many steps in a row."),
        Failure(OUT_OF_MEMORY, 71, True, "The worker ran out of memory."),
        Failure(CHECKPOINT_VOLUME, 74, True, "The checkpoint volume cannot be written or read."),
        Failure(WORKER_LEFT, 75, True, "The worker was told to end (SIGTERM), and left."),
        Failure(CHECKPOINT_MISMATCH, 76, False, "The checkpoints there belong to another config."),
        Failure(CONFIG_INVALID, 78, False, "The config file is missing, broken or out of range."),
        Failure(CRASHED, 1, True, "The worker ended by an unexpected error."),
    )
}
