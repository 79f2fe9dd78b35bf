"""What a job's status says, in words: plain functions of the job as the API writes it.

Fields are looked up by name, not through the models, as the operator may be newer than this.
"""

from typing import Any

from nerf_cli.cluster import Object
from nerf_contract import reasons

WIDTH = 30
#: Conditions that tell of trouble where they are `True`; of others, `False` may be trouble.
_BAD_IF_TRUE = (reasons.STALLED, reasons.FAILED)
#: Conditions that stay `False` for good where something went wrong; before, they just wait.
_MAY_FAIL = (reasons.POSES_READY, reasons.OUTPUTS_READY)
_ENDS = frozenset(
    {
        *(*reasons.FAILURES, *reasons.FOUND_FAILURES),
        *(reasons.BACKOFF_LIMIT_EXCEEDED, reasons.DEADLINE_EXCEEDED),
    }
)


def status_of(job: Object) -> Object:
    """`.status`; {} before the operator has written it."""
    return job.get("status") or {}


def condition(job: Object, type_: str) -> dict[str, str]:
    """A condition; {} before it was written."""
    conditions = status_of(job).get("conditions") or []
    return next((c for c in conditions if c["type"] == type_), {})


def holds(job: Object, type_: str) -> bool:
    """Whether that condition is `True`."""
    return condition(job, type_).get("status") == "True"


def ended(job: Object) -> bool:
    """Whether nothing more will happen."""
    return holds(job, reasons.SUCCEEDED) or holds(job, reasons.FAILED)


def troubles(job: Object) -> list[dict[str, str]]:
    """Conditions that are not fine. Of a job that failed, `Stalled` says nothing new."""
    conditions = status_of(job).get("conditions") or []
    known = {reasons.STALLED} if holds(job, reasons.FAILED) else set()
    return [c for c in conditions if is_trouble(c) and c["type"] not in known]


def is_trouble(found: dict[str, str]) -> bool:
    """Whether a condition tells of something that went wrong."""
    type_, status, reason = found["type"], found["status"], found.get("reason", "")
    if type_ in _BAD_IF_TRUE:
        return status == "True"
    return status == "False" and type_ in _MAY_FAIL and reason in _ENDS


def sentence(found: dict[str, str]) -> str:
    """A condition as `Failed (DatasetInvalid): message`."""
    return f"{found['type']} ({found.get('reason', '')}): {found.get('message', '')}"


def line(job: Object) -> str:
    """What is going on, in one line."""
    done = percent(job)
    drawn = [f"{bar(done)} {done:3d} %"] if done is not None else []
    return "  ".join([f"{phase(job):<9}", *drawn, words(job)])


def phase(job: Object) -> str:
    """A word for where the job is."""
    return str(status_of(job).get("phase") or "Pending")


def percent(job: Object) -> int | None:
    """Done of the stage, or of the training; None before either has begun."""
    part = _part(status_of(job))
    return int(part["percent"]) if part else None


def words(job: Object) -> str:
    """What is going on, without the bar."""
    status = status_of(job)
    part = _part(status)
    if not part:
        return _waiting(job)
    told = _stage(part) if "activity" in part else _training(part, status)
    eta = [f"ETA {part['eta']}"] if part.get("eta") else []
    return "  ".join([*told, *eta])


def _part(status: Object) -> Object | None:
    """The stage that is under way, else the training, if it has begun."""
    progress = status.get("progress") or {}
    stage: Object | None = status.get("stage")
    return stage or (progress if progress.get("step") else None)


def _stage(stage: Object) -> list[str]:
    return [f"{stage['name']}: {stage['activity']}"]


def _training(progress: Object, status: Object) -> list[str]:
    rays = progress.get("raysPerSecond")
    return [
        f"step {progress['step']}/{progress['totalSteps']}",
        *([f"{rays:,} rays/s"] if rays else []),
        f"PSNR {psnr(progress)}",
        f"workers {workers(status)}",
    ]


def _waiting(job: Object) -> str:
    ready = f"workers {workers(status_of(job))}"
    if holds(job, reasons.FAILED):
        return condition(job, reasons.FAILED).get("reason", "")
    if holds(job, reasons.STALLED):
        return f"{ready}  stalled: {condition(job, reasons.STALLED).get('reason', '')}"
    moving = reasons.RECONCILING if holds(job, reasons.RECONCILING) else reasons.WORKERS_READY
    return f"{ready}  {condition(job, moving).get('message', 'waiting for the operator')}"


def bar(percent: int) -> str:
    """A bar of text."""
    filled = max(0, min(100, percent)) * WIDTH // 100
    return f"[{'#' * filled}{'.' * (WIDTH - filled)}]"


def psnr(progress: Object) -> str:
    """Held-out PSNR."""
    value = progress.get("psnr")
    return f"{value:.2f} dB" if value is not None else "-"


def workers(status: Object) -> str:
    """Ready and wanted workers."""
    return str((status.get("workers") or {}).get("summary", "0/?"))


def dataset(job: Object) -> str:
    """What was found of the dataset; "" before."""
    found: Any = status_of(job).get("dataset")
    if not found:
        return ""
    text = f"{found['posed']} of {found['photos']} photos are used (format {found['format']})"
    unposed = found.get("unposed") or []
    if not unposed:
        return text
    more = found["photos"] - found["posed"] - len(unposed)
    return f"{text}; not posed: {', '.join(unposed)}{f' and {more} more' if more > 0 else ''}"


def end(job: Object) -> str:
    """How the job ended, in a line."""
    for type_ in (reasons.SUCCEEDED, reasons.FAILED):
        if holds(job, type_):
            return sentence(condition(job, type_))
    return line(job)
