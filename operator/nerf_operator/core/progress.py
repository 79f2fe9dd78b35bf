"""The summary of the training in the status."""

from nerf_contract.progress import Progress
from nerf_contract.v1alpha1 import CheckpointStatus, NeRFJobStatus, ProgressStatus
from nerf_operator.core.observed import Observed


def summarize(progress: Progress) -> ProgressStatus:
    """Progress as a person wants to read it: rounded, with the time left as a duration."""
    total = max(1, progress.total_steps)
    rays, eta = progress.rays_per_second, progress.eta_seconds
    pause = progress.last_regroup_seconds
    return ProgressStatus(
        step=progress.step,
        total_steps=progress.total_steps,
        percent=min(100, 100 * progress.step // total),
        psnr=None if progress.psnr is None else round(progress.psnr, 2),
        ssim=None if progress.ssim is None else round(progress.ssim, 3),
        rays_per_second=None if rays is None else round(rays),
        eta=None if eta is None else duration(eta),
        world_size=progress.world_size,
        last_regroup_seconds=None if pause is None else round(pause, 3),
    )


def duration(seconds: float) -> str:
    """Seconds as `45s`, `1m30s` or `2h05m`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def merge(
    old: NeRFJobStatus, progress: Progress | None
) -> tuple[ProgressStatus | None, CheckpointStatus | None]:
    """Progress and checkpoint to report; what is not known anew stays as it was.

    A worker that has just started tells step 0 until it has the state of the others: no progress.
    """
    if progress is None or progress.phase in ("starting", "waiting"):
        return old.progress, _checkpoint(old, progress)
    new = summarize(progress)
    if new.psnr is None and old.progress is not None:
        new = new.model_copy(update={"psnr": old.progress.psnr, "ssim": old.progress.ssim})
    return new, _checkpoint(old, progress)


def _checkpoint(old: NeRFJobStatus, progress: Progress | None) -> CheckpointStatus | None:
    newest = progress.checkpoint if progress else None
    return CheckpointStatus(step=newest.step, time=newest.time) if newest else old.checkpoint


def step(old: NeRFJobStatus, observed: Observed) -> int:
    """The last step that is known of."""
    told = observed.progress.step if observed.progress else 0
    return max(told, old.progress.step if old.progress else 0)


def unsaved(progress: Progress | None) -> str | None:
    """What a person must do so that checkpoints can be written again; None while they are."""
    failure = progress.checkpoint_failure if progress else None
    if failure is None:
        return None
    return (
        f"Checkpoints cannot be written since {failure.since} ({failure.message}): the last good "
        "one stays. Make the checkpoint volume larger or writable."
    )


def pace_seconds(progress: Progress | None, fewest: float) -> float:
    """Seconds between two reports: a job of hours is told of less often than one of minutes."""
    eta = (progress.eta_seconds if progress else None) or 0.0
    return max(fewest, min(10.0, eta / 60))
