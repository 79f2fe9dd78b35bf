"""Why a container does not start on its node: its image, its volumes, its settings."""

import re
from collections.abc import Sequence

from nerf_cli.causes import places
from nerf_cli.causes.finding import Finding, because
from nerf_cli.cluster import Object
from nerf_contract.containers import ours

_IMAGE = frozenset(
    {
        *("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"),
        *("ImageInspectError", "RegistryUnavailable"),
    }
)
_SETTINGS = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_MOUNT = ("FailedMount", "FailedAttachVolume", "FailedMapVolume")

#: Words of the container runtime -> what they mean, and what to do.
_PULLS: tuple[tuple[str, str, str], ...] = (
    (
        r"InvalidImageName|couldn't parse|invalid reference",
        "that is no name of an image",
        "Correct spec.image.",
    ),
    (
        r"unauthorized|denied|forbidden|authorization failed",
        "the registry does not let the node have it",
        "Name a Secret with credentials in spec.imagePullSecrets, or correct spec.image.",
    ),
    (
        r"no such host",
        "the node does not know the registry's host name",
        "Correct spec.image, or the node's DNS.",
    ),
    (
        r"connection refused|timeout|no route to host",
        "the registry does not answer the node",
        "It must be up and reachable from the nodes; else load the image onto them.",
    ),
    (r"pull policy of Never", "the image is not on the node", "Load it onto the nodes."),
    (r"not found", "there is no such image", "Correct spec.image, or push the image."),
)
#: Words of the kubelet and of the attach controller -> what they mean, and what to do.
_MOUNTS: tuple[tuple[str, str, str], ...] = (
    (
        r"Multi-Attach",
        "another node still holds the volume",
        "Wait until the pod there is gone, or use a ReadWriteMany claim.",
    ),
    (
        r'secret "(?P<name>[^"]+)" not found',
        "the Secret {name} does not exist",
        "The operator draws a job's token with its pods: delete this one, and both come anew.",
    ),
    (r"timed out|timeout", "the volume's server or driver does not answer", "Is it up?"),
)


def held(pod: Object, events: Sequence[Object]) -> list[Finding]:
    """What keeps the container from starting; [] where nothing does."""
    waiting = places.container(pod).get("state", {}).get("waiting") or {}
    reason, words = waiting.get("reason"), str(waiting.get("message") or "").strip()
    if reason in _IMAGE:
        return _image(pod, f"{reason}: {words}" if words else str(reason))
    if reason in _SETTINGS:
        todo = "Correct what its words name, in the spec or in spec.image."
        return [Finding("its container cannot be created", todo, (words,) if words else ())]
    running = pod["status"].get("phase") != "Pending"
    return [] if running else _volumes(events)


def _image(pod: Object, words: str) -> list[Finding]:
    image = ours(pod["spec"]["containers"]).get("image", "")
    otherwise = "the node's runtime fails", "Kubernetes keeps trying; its words tell why it fails."
    what, todo = _means(_PULLS, words) or otherwise
    return [
        Finding(f"its image {image} cannot be pulled"),
        *because([Finding(what, todo, (words,))]),
    ]


def _volumes(events: Sequence[Object]) -> list[Finding]:
    told = [str(e.get("message") or "").strip() for e in events if e.get("reason") in _MOUNT]
    if not told:
        return []
    words = told[-1]
    otherwise = "its node cannot mount one", "See `kubectl describe pvc`, and the volume's driver."
    what, todo = _means(_MOUNTS, words) or otherwise
    return [
        Finding("its volumes are not mounted"),
        *because([Finding(what, todo, (words,))]),
    ]


def _means(rules: Sequence[tuple[str, str, str]], words: str) -> tuple[str, str] | None:
    for pattern, what, todo in rules:
        if found := re.search(pattern, words, re.IGNORECASE):
            return what.format(**found.groupdict()), todo
    return None
