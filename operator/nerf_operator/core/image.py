"""Which image the pods of a job run: every one the digest of the first."""

import re
from dataclasses import dataclass

from nerf_operator.core.observed import Job, Observed

_DIGEST = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")
_RUNTIME_PREFIX = "docker-pullable://"


@dataclass(frozen=True)
class Image:
    """run: what new pods get. shown: what the status tells; None before any pod ran."""

    run: str
    shown: str | None


def choose(job: Job, observed: Observed, default: str) -> Image:
    """The pinned image once there is one, else the one that the spec asks for."""
    pinned = job.status.image
    if pinned is not None and _DIGEST.fullmatch(pinned):
        return Image(pinned, pinned)
    wanted = (job.spec.image if job.spec else None) or default
    resolved = _resolved(observed)
    if resolved is not None and _DIGEST.fullmatch(resolved):
        return Image(resolved, resolved)
    return Image(wanted, f"{wanted} ({resolved})" if resolved else pinned)


def _resolved(observed: Observed) -> str | None:
    """What the oldest pod with a running container got for its image."""
    pods = [pod for pod in observed.pods if pod.image_id]
    first = min(pods, key=lambda pod: (pod.created, pod.name), default=None)
    return first.image_id.removeprefix(_RUNTIME_PREFIX) if first else None
