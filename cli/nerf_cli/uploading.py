"""`kubectl nerf upload`: a folder to a volume."""

from dataclasses import dataclass

from rich.console import Console

from nerf_cli import claims, operator_image
from nerf_cli.cluster import Cluster
from nerf_cli.copying import Copied, upload
from nerf_cli.folder import Folder, human
from nerf_cli.meter import Say, meter
from nerf_cli.volume import Volume
from nerf_cli.volume_pod import MOUNT, Mount, VolumePod


@dataclass(frozen=True)
class Target:
    """Where to upload to. size, storage_class, shared: of a claim that is made for it."""

    claim: str
    path: str
    size: str | None = None
    storage_class: str | None = None
    shared: bool = False
    image: str | None = None


def run(cluster: Cluster, folder: Folder, target: Target, console: Console, say: Say) -> Copied:
    """Make the volume hold the folder, through a pod that is deleted at the end.

    Raises UserError; on KeyboardInterrupt the files that were sent stay.
    """
    for name in folder.skipped:
        say(f"left out: {name} leads out of the folder")
    image = operator_image.trainer(cluster, target.image)
    size = target.size or claims.size_for(folder.size)
    claim, made = claims.ensure(cluster, target.claim, size, target.storage_class, target.shared)
    if made:
        say(f"made the claim {target.claim} ({size})")
    mount = Mount(target.claim, image, together=claims.one_node_only(claim))
    where = f"{MOUNT}/{target.path}".rstrip("/")
    with VolumePod(cluster, mount, say) as pod, meter(console, say) as progress:
        copied = upload(folder.files, lambda: Volume(pod.shell(), where), progress, say)
    say(_told(copied, target))
    return copied


def _told(copied: Copied, target: Target) -> str:
    before = f", {copied.present} were there already" if copied.present else ""
    sent = (
        f"sent {copied.files} files ({human(copied.size)})" if copied.files else "nothing to send"
    )
    where = f"{target.path or 'the root'} on the claim {target.claim}"
    return f"{sent}{before}; all are verified in {where}"
