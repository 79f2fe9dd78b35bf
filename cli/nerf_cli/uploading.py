"""`kubectl nerf upload`: a folder to a volume."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from nerf_cli import claims, operator_image
from nerf_cli.cluster import Cluster
from nerf_cli.copying import Copied, Others, SurplusError, upload
from nerf_cli.errors import UserError
from nerf_cli.folder import Folder, human
from nerf_cli.meter import Say, meter
from nerf_cli.volume import Volume
from nerf_cli.volume_pod import MOUNT, Mount, VolumePod

#: Names of files that are told.
MOST_NAMES = 5


@dataclass(frozen=True)
class Target:
    """Where to upload to. size, storage_class, shared: of a claim that is made for it.

    others: what becomes of files that are there, and not here.
    """

    claim: str
    path: str
    size: str | None = None
    storage_class: str | None = None
    shared: bool = False
    image: str | None = None
    others: Others = "tell"

    def __str__(self) -> str:
        return f"{self.path or 'the root'} on the claim {self.claim}"


def run(cluster: Cluster, folder: Folder, target: Target, console: Console, say: Say) -> Copied:
    """Make the volume hold the folder, through a pod that is deleted at the end.

    Raises UserError; on KeyboardInterrupt the files that were sent stay.
    """
    for name in folder.skipped:
        say(f"left out: {name} leads out of the folder")
    cluster = cluster.patient(say)
    image = operator_image.trainer(cluster, target.image)
    size = target.size or claims.size_for(folder.size)
    claim, made = claims.ensure(cluster, target.claim, size, target.storage_class, target.shared)
    if made:
        say(f"made the claim {target.claim} ({size})")
    mount = Mount(target.claim, image, together=claims.one_node_only(claim))
    where = f"{MOUNT}/{target.path}".rstrip("/")
    try:
        with VolumePod(cluster, mount, say) as pod, meter(console, say) as progress:
            copied = upload(
                *(folder.files, lambda: Volume(pod.shell(), where), progress, say),
                others=target.others,
            )
    except SurplusError as found:
        raise UserError(refused(found, target)) from found
    say(_told(copied, target))
    if copied.surplus:
        say(told_surplus(copied))
    return copied


def _told(copied: Copied, target: Target) -> str:
    before = f", {copied.present} were there already" if copied.present else ""
    sent = (
        f"sent {copied.files} files ({human(copied.size)})" if copied.files else "nothing to send"
    )
    return f"{sent}{before}; all are verified in {target}"


def refused(found: SurplusError, target: Target) -> str:
    """Why nothing was sent beside files that are not in the folder, and what to do."""
    return (
        f"Other files than those of the folder are in {target}, and the job would use photos among "
        f"them: {_some(found.names)}. Give --delete to remove them, or, if they are of another "
        "scene, another --name or --claim."
    )


def told_surplus(copied: Copied) -> str:
    """Files on the volume that are not in the folder, and what to do about them."""
    count, listed = len(copied.surplus), _some(copied.surplus)
    if copied.removed:
        return f"deleted {count} files that were there and are not in the folder: {listed}"
    return (
        f"warning: {count} files are there that are not in the folder, and a job would use photos "
        f"among them: {listed}. `kubectl nerf upload` with --delete removes them"
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMES]) + (", ..." if len(names) > MOST_NAMES else "")
