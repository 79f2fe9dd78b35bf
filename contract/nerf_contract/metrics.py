"""Every Prometheus metric, once: what trainer and operator export and what dashboards ask for.

Base units, `_total` for counters, no labels that grow without bound.
"""

from dataclasses import dataclass
from typing import Final, Literal

from nerf_contract import goodput


@dataclass(frozen=True)
class Metric:
    """One metric family. `labels` are those that the process itself sets."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


# --- Trainer: one series a worker process, told apart by `local_rank` ----------------------------

_RANK = ("local_rank",)

RAYS: Final = Metric("nerf_trainer_rays_total", "counter", "Rays trained by this process.", _RANK)
SAMPLES: Final = Metric(
    "nerf_trainer_samples_total", "counter", "Samples evaluated by this process.", _RANK
)
STEP: Final = Metric("nerf_trainer_step", "gauge", "Last completed optimizer step.", _RANK)
STEP_SECONDS: Final = Metric(
    "nerf_trainer_step_seconds", "histogram", "Wall time of an optimizer step.", _RANK
)
PHASE_SECONDS: Final = Metric(
    "nerf_trainer_phase_seconds_total",
    "counter",
    "Wall time by phase: data, forward, backward, all_reduce, optimizer, occupancy, evaluation, or "
    "checkpoint (copies for checkpoints and snapshots, which are written in the background).",
    (*_RANK, "phase"),
)
SKIPPED_STEPS: Final = Metric(
    "nerf_trainer_skipped_steps_total",
    "counter",
    "Steps that left the weights alone, as the loss or a gradient was not finite.",
    _RANK,
)
AMP_SCALE: Final = Metric(
    "nerf_trainer_amp_scale", "gauge", "Factor of the loss in fp16; 1 in other precisions.", _RANK
)
LOSS: Final = Metric("nerf_trainer_loss", "gauge", "Training loss (mean squared error).", _RANK)
PSNR: Final = Metric(
    "nerf_trainer_psnr_decibels", "gauge", "Held-out PSNR of the last evaluation.", _RANK
)
SSIM: Final = Metric(
    "nerf_trainer_ssim_ratio", "gauge", "Held-out SSIM of the last evaluation.", _RANK
)
OCCUPANCY: Final = Metric(
    "nerf_trainer_occupancy_ratio", "gauge", "Share of the occupancy grid that is occupied.", _RANK
)
WORLD_SIZE: Final = Metric("nerf_trainer_world_size", "gauge", "Processes in the group.", _RANK)
GENERATION: Final = Metric(
    "nerf_trainer_generation", "gauge", "Generation of the group, from 1.", _RANK
)
REGROUP_SECONDS: Final = Metric(
    "nerf_trainer_regroup_seconds",
    "histogram",
    "Time without training at a change of membership.",
    _RANK,
)
REGROUP_TIMESTAMP: Final = Metric(
    "nerf_trainer_regroup_timestamp_seconds",
    "gauge",
    "When the group last formed, in Unix time, told by the job's writer.",
    _RANK,
)
CHECKPOINT_SECONDS: Final = Metric(
    "nerf_trainer_checkpoint_seconds", "histogram", "Time to write a checkpoint.", _RANK
)
CHECKPOINT_STEP: Final = Metric(
    "nerf_trainer_checkpoint_step", "gauge", "Step of the newest checkpoint; 0 before it.", _RANK
)
CHECKPOINT_TIMESTAMP: Final = Metric(
    "nerf_trainer_checkpoint_timestamp_seconds",
    "gauge",
    "When the newest checkpoint was written, in Unix time; until there is one, when its writer was "
    "ready to train.",
    _RANK,
)
CHECKPOINT_INTERVAL: Final = Metric(
    "nerf_trainer_checkpoint_interval_seconds",
    "gauge",
    "`checkpoint.intervalSeconds`, told by the writer.",
    _RANK,
)
CHECKPOINT_FAILURES: Final = Metric(
    "nerf_trainer_checkpoint_failures_total",
    "counter",
    "Checkpoints that could not be written.",
    _RANK,
)
LOST_SECONDS: Final = Metric(
    "nerf_trainer_lost_seconds_total",
    "counter",
    "Wall time of the job that was not useful training, told by its writer, by cause: "
    f"{goodput.explain(goodput.TRAINER_CAUSES)}.",
    (*_RANK, "cause"),
)
WALL_SECONDS: Final = Metric(
    "nerf_trainer_wall_seconds_total",
    "counter",
    "Wall time of the job since its writer first started; useful training is what is not lost.",
    _RANK,
)
GOODPUT: Final = Metric(
    "nerf_trainer_goodput_ratio",
    "gauge",
    "Rays trained, each once, by those that an undisturbed group of the wanted size would have "
    "trained in the same wall time.",
    _RANK,
)
GROUP_RAYS: Final = Metric(
    "nerf_trainer_group_rays_per_second",
    "gauge",
    "Rays per second of a whole group of this size, as the median of its last steps, told by the "
    "job's writer.",
    (*_RANK, "world_size"),
)
SCALING_EFFICIENCY: Final = Metric(
    "nerf_trainer_scaling_efficiency_ratio",
    "gauge",
    "Rays per second of a group by its size times those of one process; absent until this job has "
    "trained with one.",
    (*_RANK, "world_size"),
)
GPU_MEMORY: Final = Metric(
    "nerf_trainer_gpu_memory_bytes",
    "gauge",
    "GPU memory by state: allocated, reserved, peak (allocated) or total.",
    (*_RANK, "state"),
)
GPU_UTILIZATION: Final = Metric(
    "nerf_trainer_gpu_utilization_ratio",
    "gauge",
    "Share of the last moment in which the GPU was busy, as NVML samples it.",
    _RANK,
)
RESIDENT_MEMORY: Final = Metric(
    "nerf_trainer_resident_memory_bytes", "gauge", "Resident memory of the process.", _RANK
)

TRAINER_METRICS: Final = (
    *(RAYS, SAMPLES, STEP, STEP_SECONDS, PHASE_SECONDS, SKIPPED_STEPS, AMP_SCALE, LOSS),
    *(PSNR, SSIM, OCCUPANCY, WORLD_SIZE, GENERATION, REGROUP_SECONDS),
    *(REGROUP_TIMESTAMP, CHECKPOINT_SECONDS, CHECKPOINT_STEP, CHECKPOINT_TIMESTAMP),
    *(CHECKPOINT_INTERVAL, CHECKPOINT_FAILURES),
    *(LOST_SECONDS, WALL_SECONDS, GOODPUT, GROUP_RAYS, SCALING_EFFICIENCY),
    *(GPU_MEMORY, GPU_UTILIZATION, RESIDENT_MEMORY),
)

# --- Operator ------------------------------------------------------------------------------------

RECONCILE_SECONDS: Final = Metric(
    "nerf_operator_reconcile_seconds", "histogram", "Duration of one reconcile pass.", ("result",)
)
QUEUE_DEPTH: Final = Metric("nerf_operator_queue_depth", "gauge", "Jobs waiting for a pass.")
API_REQUESTS: Final = Metric(
    "nerf_operator_api_requests_total", "counter", "Requests to the API server.", ("verb", "code")
)
ALLOCATION_CHANGES: Final = Metric(
    "nerf_operator_allocation_changes_total",
    "counter",
    "Changes of the size of a job with `scaling.policy` `Auto`, by the reason in its status.",
    ("reason",),
)
ALLOCATION_GPUS: Final = Metric(
    "nerf_operator_allocation_gpus",
    "gauge",
    "GPUs for jobs with `scaling.policy` `Auto`: total (free, or held by such jobs), or allocated.",
    ("state",),
)
ALLOCATION_JOBS: Final = Metric(
    "nerf_operator_allocation_jobs",
    "gauge",
    "Jobs with `scaling.policy` `Auto` that are not done: training, or waiting for GPUs.",
    ("state",),
)
ALLOCATION_SECONDS: Final = Metric(
    "nerf_operator_allocation_seconds", "histogram", "Duration of one decision over all such jobs."
)

WATCH_AGE: Final = Metric(
    "nerf_operator_watch_age_seconds",
    "gauge",
    "Time since the watch of a kind last told anything, bookmarks of the API server included.",
    ("kind",),
)
LOOP_LAG: Final = Metric(
    "nerf_operator_event_loop_lag_seconds", "gauge", "How late the event loop is."
)
JOBS: Final = Metric(
    "nerf_operator_jobs", "gauge", "Jobs for which a condition is true.", ("condition",)
)
JOB_PENDING: Final = Metric(
    "nerf_operator_job_pending_seconds",
    "gauge",
    "How long a job that is to train has not been training, and why: the reason of its condition "
    "Stalled or Running. Absent for every other job.",
    ("job_namespace", "job_name", "reason"),
)
JOB_START: Final = Metric(
    "nerf_operator_job_start_seconds",
    "histogram",
    "How long jobs were pending before they trained: queue, image, photos, compilation.",
)
GPUS: Final = Metric(
    "nerf_operator_gpus",
    "gauge",
    "GPUs by state: total (of nodes that take pods; absent where the operator may not read nodes), "
    "held (by pods of jobs), or wanted (by jobs that are to train: `workers.replicas`, or "
    "`workers.max` with `scaling.policy` `Auto`).",
    ("state",),
)
LEADER: Final = Metric(
    "nerf_operator_leader", "gauge", "1 where this operator holds the Lease, or needs none; else 0."
)

#: These families of its ProcessCollector are named by prometheus-client.
PROCESS_PREFIX: Final = "nerf_operator"
RESIDENT_BYTES: Final = Metric(
    "nerf_operator_process_resident_memory_bytes", "gauge", "Resident memory of the operator."
)
CPU_SECONDS: Final = Metric(
    "nerf_operator_process_cpu_seconds_total", "counter", "CPU time of the operator."
)
OPEN_FILES: Final = Metric(
    "nerf_operator_process_open_fds", "gauge", "Open file descriptors of the operator."
)
START_TIME: Final = Metric(
    "nerf_operator_process_start_time_seconds", "gauge", "When the operator started, in Unix time."
)

OPERATOR_METRICS: Final = (
    *(RECONCILE_SECONDS, QUEUE_DEPTH, API_REQUESTS, WATCH_AGE, LOOP_LAG, JOBS, LEADER),
    *(JOB_PENDING, JOB_START, GPUS),
    *(ALLOCATION_CHANGES, ALLOCATION_GPUS, ALLOCATION_JOBS, ALLOCATION_SECONDS),
    *(RESIDENT_BYTES, CPU_SECONDS, OPEN_FILES, START_TIME),
)
