"""`kubectl nerf results`: what a job made, from its volume to this machine."""

from pathlib import Path

from rich.console import Console

from nerf_cli import claims, operator_image, telling
from nerf_cli.cluster import Cluster, Object
from nerf_cli.copying import download
from nerf_cli.errors import UserError
from nerf_cli.folder import human
from nerf_cli.meter import Say, meter
from nerf_cli.shell import CommandFailedError
from nerf_cli.volume import Volume
from nerf_cli.volume_pod import MOUNT, Mount, VolumePod, holder
from nerf_contract import children, names

PATHS = (names.OUTPUTS_DIR, names.RENDERS_DIR, names.METRICS_FILE)


def run(
    cluster: Cluster,
    name: str,
    into: Path,
    checkpoints: bool,
    image: str | None,
    console: Console,
    say: Say,
) -> list[str]:
    """Fetch a job's results to a folder; their names. Raises UserError."""
    cluster = cluster.patient(say)
    job = cluster.job(name)
    paths = (*PATHS, names.CHECKPOINTS_DIR) if checkpoints else PATHS
    into.mkdir(parents=True, exist_ok=True)
    with VolumePod(cluster, _mount(cluster, job, image), say) as pod:
        where = f"{MOUNT}/{name}"
        _check_there(Volume(pod.shell(), where), name)
        with meter(console, say) as progress:
            copied, found = download(paths, into, lambda: Volume(pod.shell(), where), progress, say)
    if not found:
        raise UserError(
            f"The job {name!r} has no results yet. `kubectl nerf watch {name}` tells how far it is."
        )
    before = f", {copied.present} were here already" if copied.present else ""
    say(f"fetched {copied.files} files ({human(copied.size)}){before}; all are verified")
    return found


def _mount(cluster: Cluster, job: Object, image: str | None) -> Mount:
    claim = claim_of(job)
    if claims.find(cluster, claim) is None:
        raise UserError(
            f"The volume with the results, the claim {claim!r}, does not exist (any more)."
        )
    image = image or telling.status_of(job).get("image")
    node = holder(cluster.pods(), claim)
    return Mount(claim, operator_image.trainer(cluster, image), read_only=True, node=node)


def claim_of(job: Object) -> str:
    """The claim that the job's results lie on."""
    volume = job["spec"].get("checkpoint", {}).get("volume", {})
    return str(volume.get("claimName") or children.checkpoint_claim(job["metadata"]["name"]))


def _check_there(volume: Volume, name: str) -> None:
    try:
        volume.shell.run(["test", "-d", volume.folder])
    except CommandFailedError as error:
        raise UserError(
            f"The job {name!r} has written nothing yet. `kubectl nerf watch {name}` tells how far "
            "it is."
        ) from error
