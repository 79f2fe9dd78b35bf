"""Every name that crosses a process boundary, once: labels, env, ports, paths, reasons.

Standard library only: the coordinator imports this module and must stay small.
"""

from typing import Final

GROUP: Final = "nerfops.dev"
VERSION: Final = "v1alpha1"
KIND: Final = "NeRFJob"
PLURAL: Final = "nerfjobs"
SINGULAR: Final = "nerfjob"
SHORT_NAME: Final = "nj"
CATEGORY: Final = "ml"
API_VERSION: Final = f"{GROUP}/{VERSION}"

#: The extended resource that GPUs are asked for by.
GPU: Final = "nvidia.com/gpu"

# --- Labels and annotations of the child objects ------------------------------------------------

FIELD_MANAGER: Final = "nerf-operator"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
LABEL_APP: Final = "app.kubernetes.io/name"
LABEL_COMPONENT: Final = "app.kubernetes.io/component"
LABEL_JOB: Final = f"{GROUP}/job"
LABEL_INDEX: Final = f"{GROUP}/worker-index"
LABEL_ATTEMPT: Final = f"{GROUP}/attempt"
LABEL_FAILURES: Final = f"{GROUP}/failures"
LABEL_COORDINATOR: Final = f"{GROUP}/coordinator"
#: On pods that hold a dataset volume which only one node may mount: they are placed together.
#: A pod that puts photos on such a volume while a job waits for them should carry it too.
LABEL_DATASET_CLAIM: Final = f"{GROUP}/dataset-claim"
APP_TRAINER: Final = "nerf-trainer"
COMPONENT_WORKER: Final = "worker"
COMPONENT_COORDINATOR: Final = "coordinator"
COMPONENT_DOWNLOAD: Final = "download"
COMPONENT_POSES: Final = "poses"
COMPONENT_EXPORT: Final = "export"
COMPONENT_VIEWER: Final = "viewer"
#: Pods of stages that do their work once.
STAGE_COMPONENTS: Final = (COMPONENT_DOWNLOAD, COMPONENT_POSES, COMPONENT_EXPORT)
#: A pod of `kubectl nerf` that holds a volume while files are copied.
COMPONENT_COPY: Final = "copy"
#: Failures in a row, without progress between them, before a pod; and the step it began from.
ANNOTATION_ROUNDS: Final = f"{GROUP}/failures-without-progress"
ANNOTATION_STEP: Final = f"{GROUP}/first-step"
#: Nodes, with commas between, to which a pod prefers others: there its place failed before.
ANNOTATION_AVOIDED: Final = f"{GROUP}/avoided-nodes"
ANNOTATION_CONFIG: Final = f"{GROUP}/trainer-config"

# --- Inside a worker pod -------------------------------------------------------------------------

CONTAINER_TRAINER: Final = "trainer"
CONFIG_DIR: Final = "/etc/nerf"
CONFIG_FILE: Final = "config.json"
DATASET_MOUNT: Final = "/data"
CHECKPOINT_MOUNT: Final = "/checkpoint"
GROUP_TOKEN_MOUNT: Final = "/etc/nerf-group"
VIEWER_TOKEN_MOUNT: Final = "/etc/nerf-viewer"
TRAINER_UID: Final = 10001

ENV_JOB_NAME: Final = "NERF_JOB_NAME"
ENV_POD_NAME: Final = "NERF_POD_NAME"
ENV_POD_IP: Final = "NERF_POD_IP"
ENV_WORKER_INDEX: Final = "NERF_WORKER_INDEX"
#: host:port of the job's coordinator; unset outside Kubernetes.
ENV_COORDINATOR: Final = "NERF_COORDINATOR"
#: File with the token of messages to the coordinator; unset outside Kubernetes.
ENV_GROUP_TOKEN_FILE: Final = "NERF_GROUP_TOKEN_FILE"
#: "1" in the pod whose torchrun agent hosts the coordinator (fixed-size jobs).
ENV_HOST_COORDINATOR: Final = "NERF_HOST_COORDINATOR"
#: Fewest worker pods with which the group may train.
ENV_MIN_WORKERS: Final = "NERF_MIN_WORKERS"
#: Worker processes wanted when the pod was made; unset outside Kubernetes.
ENV_WANTED_PROCESSES: Final = "NERF_WANTED_PROCESSES"
#: Unique among jobs, also of one name. torchrun sets it for its processes: --rdzv-id.
ENV_RUN_ID: Final = "TORCHELASTIC_RUN_ID"
#: "1" in the only pod that mounts the checkpoint volume, read-write.
ENV_CHECKPOINT_WRITER: Final = "NERF_CHECKPOINT_WRITER"
#: Private networks, as CIDRs with commas between, that archives may be fetched from.
ENV_ARCHIVE_NETWORKS: Final = "NERF_ARCHIVE_NETWORKS"
ENV_DATASET_ROOT: Final = "NERF_DATASET_ROOT"
ENV_OUTPUT_ROOT: Final = "NERF_OUTPUT_ROOT"
#: Folder in memory for snapshots; the agent of a pod makes one where it is unset.
ENV_SNAPSHOTS: Final = "NERF_SNAPSHOTS"
SHARED_MEMORY: Final = "/dev/shm"
#: What torchrun runs in each worker process, in the image.
WORKER_SCRIPT: Final = "/opt/nerf/nerf_trainer/train.py"
#: Folder with compiled kernels in the image.
ENV_KERNELS: Final = "NERF_KERNELS"
ENV_TERMINATION_LOG: Final = "NERF_TERMINATION_LOG"
TERMINATION_LOG: Final = "/dev/termination-log"

ENV_VIEWER_TOKEN: Final = "NERF_VIEWER_TOKEN"
#: File with that token, which may change; unset outside Kubernetes.
ENV_VIEWER_TOKEN_FILE: Final = "NERF_VIEWER_TOKEN_FILE"
#: Key of the token in a job's Secrets, and parameter of the viewer's address.
TOKEN_KEY: Final = "token"

RENDEZVOUS_BACKEND: Final = "nerf"
COORDINATOR_PORT: Final = 29400
#: Serves /metrics, /status and /healthz of one worker pod; each further process has the next port.
TRAINER_HTTP_PORT: Final = 9400
#: Names of the ports that serve /metrics in a pod: `http`, `http-1` and so on.
HTTP_PORTS: Final = "http(-[0-9]+)?"
OPERATOR_HTTP_PORT: Final = 9500
#: Of the operator: the image of jobs that name none.
ENV_TRAINER_IMAGE: Final = "TRAINER_IMAGE"
#: Of the operator: the namespaces that it serves, with commas between; all if empty.
ENV_WATCH_NAMESPACES: Final = "WATCH_NAMESPACES"
#: The Lease, in the operator's namespace, that one of several operators must hold to work.
ENV_LEASE: Final = "LEASE_NAME"
VIEWER_PORT: Final = 8080

# --- In the dataset's folder ---------------------------------------------------------------------

#: Poses that were found for plain photos: a folder each, named by the hash of its inputs.
POSES_DIR: Final = ".nerf/poses"
#: Frames that were picked from videos: a folder for each video, named by the hash of its inputs.
FRAMES_DIR: Final = ".nerf/frames"
#: There while files are still being copied to the folder: what reads it waits.
UPLOADING_MARKER: Final = ".nerf/uploading"

# --- On the checkpoint volume, under <mount>/<job name>/ -----------------------------------------

CHECKPOINTS_DIR: Final = "checkpoints"
RENDERS_DIR: Final = "renders"
TENSORBOARD_DIR: Final = "tensorboard"
METRICS_FILE: Final = "metrics.json"
#: Where the job's wall time went, for the process that takes the place of the writer.
LEDGER_FILE: Final = "ledger.json"
CAMERAS_FILE: Final = "cameras.json"
OUTPUTS_DIR: Final = "outputs"
RESULTS: Final = frozenset(
    {
        *(CHECKPOINTS_DIR, RENDERS_DIR, TENSORBOARD_DIR, OUTPUTS_DIR),
        *(METRICS_FILE, LEDGER_FILE, CAMERAS_FILE),
    }
)
