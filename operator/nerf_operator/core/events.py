"""What has just happened to a job, as sentences for `kubectl describe`."""

from nerf_contract import reasons
from nerf_contract.v1alpha1 import Condition, NeRFJobStatus
from nerf_operator.core import auto
from nerf_operator.core.actions import Event


def derive(old: NeRFJobStatus, new: NeRFJobStatus, processes: int = 1) -> tuple[Event, ...]:
    """Events of the step from the old status to the new one, causes first; none where nothing
    happened.

    processes: of each worker.
    """
    found = [_recovered(old, new), _suspended(old, new), _poses(old, new), _resized(old, new)]
    found += [_allocated(old, new), _waits_for_gpus(old, new), _given_up(old, new)]
    found += [_tried_again(old, new), _running(old, new), _rescaled(old, new, processes)]
    found += [_trained(old, new), _outputs(old, new)]
    return tuple(e for e in [*found, _stalled(old, new), _ended(old, new)] if e is not None)


def _turned(old: NeRFJobStatus, new: NeRFJobStatus, type_: str) -> Condition | None:
    """The condition if it became True, or is True for another reason than before."""
    before, after = old.condition(type_), new.condition(type_)
    if after is None or after.status != "True":
        return None
    same = before is not None and before.status == "True" and before.reason == after.reason
    return None if same else after


def _is_true(status: NeRFJobStatus, type_: str) -> bool:
    condition = status.condition(type_)
    return condition is not None and condition.status == "True"


def _resized(old: NeRFJobStatus, new: NeRFJobStatus) -> Event | None:
    if not old.workers or not new.workers or not old.workers.wanted or new.allocation:
        return None  # Nothing was wanted before a first spec that makes sense.
    if old.workers.wanted == new.workers.wanted:
        return None
    return Event("Resized", f"{old.workers.wanted} -> {new.workers.wanted} workers wanted.")


def _allocated(old: NeRFJobStatus, new: NeRFJobStatus) -> Event | None:
    """The size of an Auto job was changed by the allocator."""
    found = auto.resized(old, new)
    if found is None:
        return None
    return Event(found.reason, found.message, found.reason == reasons.CAPACITY_LOST)


def _waits_for_gpus(old: NeRFJobStatus, new: NeRFJobStatus) -> Event | None:
    """Once, however the reason changes meanwhile; `Stalled` tells of what needs a person."""
    after = new.allocation
    if after is None or not auto.waits_for_gpus(new) or auto.waits_for_gpus(old):
        return None
    told = auto.resized(old, new) is not None or after.reason in auto.NEEDS_A_PERSON
    return None if told else Event(after.reason, after.message)


def _given_up(old: NeRFJobStatus, new: NeRFJobStatus) -> Event | None:
    before = old.workers.given_up if old.workers else None
    after = new.workers.given_up if new.workers else None
    if after is None or (before is not None and before.until == after.until):
        return None
    return Event(reasons.WORKERS_GIVEN_UP, after.message, warning=True)


def _tried_again(old: NeRFJobStatus, new: NeRFJobStatus) -> Event | None:
    """Where another spec is the cause, `Resized` says it."""
    before = old.workers.given_up if old.workers else None
    after = new.workers.given_up if new.workers else None
    if not before or not after or not before.workers or after.workers:
        return None
    return Event("WorkersTriedAgain", f"Looks for nodes for {_workers(before.workers)} more.")


def _rescaled(old: NeRFJobStatus, new: NeRFJobStatus, processes: int) -> Event | None:
    """The group that trains has another size than when it was last told of."""
    if old.progress is None or new.progress is None:
        return None
    before, after = old.progress.world_size, new.progress.world_size
    if not before or not after:
        return None
    workers, former = -(-after // processes), -(-before // processes)
    if workers == former:
        return None
    pause = new.progress.last_regroup_seconds
    cost = "" if pause is None else f", after a pause of {pause:.2f} s"
    return Event(
        "Rescaled", f"Training goes on with {_workers(workers)} instead of {former}{cost}."
    )


def _workers(count: int) -> str:
    return f"{count} {'worker' if count == 1 else 'workers'}"


def _poses(old: NeRFJobStatus, new: NeRFJobStatus) -> Event | None:
    """Poses that the spec says are there need no word."""
    ready = _turned(old, new, reasons.POSES_READY)
    return Event(ready.reason, ready.message) if ready is not None and new.dataset else None


def _trained(old: NeRFJobStatus, new: NeRFJobStatus) -> Event | None:
    """Where nothing follows the training, `Succeeded` says it."""
    trained = _turned(old, new, reasons.TRAINED)
    over = _is_true(new, reasons.SUCCEEDED)
    return Event("Trained", trained.message) if trained is not None and not over else None


def _outputs(old: NeRFJobStatus, new: NeRFJobStatus) -> Event | None:
    made = _turned(old, new, reasons.OUTPUTS_READY)
    if made is not None:
        return Event(made.reason, made.message)
    told, ended = new.condition(reasons.OUTPUTS_READY), _turned(old, new, reasons.SUCCEEDED)
    failed = told is not None and told.status == "False" and told.reason != reasons.NOT_WANTED
    if ended is None or told is None or not failed:
        return None
    return Event(told.reason, told.message, warning=True)


def _running(old: NeRFJobStatus, new: NeRFJobStatus) -> Event | None:
    started = _turned(old, new, reasons.RUNNING)
    if started is not None:
        resumed = old.progress is not None and old.progress.step > 0
        if resumed and (_at_the_end(old) or _at_the_end(new)):
            return None  # Workers that leave and come while the last ones save and judge.
        return Event("TrainingResumed" if resumed else "TrainingStarted", started.message)
    after = new.condition(reasons.RUNNING)
    ends = (reasons.SUCCEEDED, reasons.FAILED, reasons.TRAINED, reasons.SUSPENDED)
    over = any(_is_true(new, type_) for type_ in ends) or _at_the_end(old)
    stopped = after is not None and after.status != "True" and _is_true(old, reasons.RUNNING)
    if after is not None and stopped and not over:
        return Event("TrainingInterrupted", after.message, warning=True)
    return None


def _at_the_end(status: NeRFJobStatus) -> bool:
    """Whether all steps are done: workers that leave then interrupt nothing."""
    progress = status.progress
    return progress is not None and progress.step >= progress.total_steps


def _suspended(old: NeRFJobStatus, new: NeRFJobStatus) -> Event | None:
    before, after = _is_true(old, reasons.SUSPENDED), _is_true(new, reasons.SUSPENDED)
    if after and not before:
        step = f" at step {new.progress.step}" if new.progress else ""
        return Event("Suspended", f"The job is suspended{step}: its pods are removed.")
    if before and not after:
        return Event("Resumed", "The job is no longer suspended.")
    return None


def _stalled(old: NeRFJobStatus, new: NeRFJobStatus) -> Event | None:
    if _is_true(new, reasons.FAILED):
        return None
    stalled = _turned(old, new, reasons.STALLED)
    return None if stalled is None else Event(stalled.reason, stalled.message, warning=True)


def _recovered(old: NeRFJobStatus, new: NeRFJobStatus) -> Event | None:
    if _is_true(new, reasons.FAILED):
        return None
    rests = _is_true(new, reasons.SUSPENDED)
    if _is_true(old, reasons.STALLED) and not _is_true(new, reasons.STALLED) and not rests:
        return Event("Recovered", "What the job waited for has been done.")
    return None


def _ended(old: NeRFJobStatus, new: NeRFJobStatus) -> Event | None:
    failed = _turned(old, new, reasons.FAILED)
    if failed is not None:
        return Event("Failed", f"{failed.reason}: {failed.message}", warning=True)
    succeeded = _turned(old, new, reasons.SUCCEEDED)
    if succeeded is None:
        return None
    psnr = new.progress.psnr if new.progress else None
    told = psnr is None or "PSNR" in succeeded.message
    tail = "" if told else f" Held-out PSNR: {psnr:.2f} dB."
    return Event("Succeeded", f"{succeeded.message}{tail}")
