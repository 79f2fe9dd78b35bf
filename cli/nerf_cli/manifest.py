"""A NeRFJob for a folder, with comments for a reader who sees one for the first time."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from nerf_cli.errors import UserError
from nerf_cli.folder import Folder, describe
from nerf_contract import names
from nerf_contract.dataset import VideoConfig
from nerf_contract.training import CPU_BACKGROUND_SAMPLES
from nerf_contract.v1alpha1 import NeRFJobSpec

Space = Literal["bounded", "unbounded"]
MAX_NAME = 42
HASH_LENGTH = 6


@dataclass(frozen=True)
class Wishes:
    """What the command line says of a job; None takes what suits the photos and devices.

    path: folder of the photos on the claim's volume. gpus: of each worker.
    """

    name: str
    claim: str
    path: str
    workers: int = 1
    gpus: int = 0
    steps: int | None = None
    space: Space | None = None


def slug(text: str) -> str:
    """A name for a job or a folder on a volume, from the name of a folder here.

    Where more of it is lost than case and punctuation, it ends with a hash: others would get the
    same name.
    """
    text = unicodedata.normalize("NFC", text)  # Some file systems take letters apart.
    kept = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    name = kept if re.match(r"[a-z]", kept) else f"scene-{kept}".strip("-")
    if kept and text.isascii() and len(name) <= MAX_NAME:
        return name
    digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:HASH_LENGTH]
    return f"{name[: MAX_NAME - HASH_LENGTH - 1].strip('-')}-{digest}"


def space_of(folder: Folder) -> tuple[Space, str]:
    """Where the scene ends, and the reason as a comment."""
    if folder.format == "blender":
        return "bounded", "synthetic scenes of this format lie in a cube around the origin"
    if folder.photos.transparent:
        return "bounded", "the photos are transparent around the object; or unbounded"
    if folder.photos.backdrop is not None:
        return "bounded", f"the object stands before plain {folder.photos.backdrop}"
    if folder.format == "nerfstudio":
        return "bounded", "the scene lies in a cube; unbounded where there is a background"
    return "unbounded", "there is a background; bounded where the object stands before plain white"


def text(folder: Folder, wishes: Wishes) -> str:
    """The NeRFJob as commented YAML."""
    space, why = space_of(folder)
    if wishes.space is not None and wishes.space != space:
        space, why = wishes.space, "as asked for"
    return _TEMPLATE.format(
        found=describe(folder),
        folder=" ".join(folder.root.resolve().name.split()),
        api=names.API_VERSION,
        kind=names.KIND,
        name=_scalar(wishes.name),
        claim=_scalar(wishes.claim),
        path=_scalar(wishes.path),
        format=folder.format,
        space=space,
        why=why,
        background=_background(folder, space),
        frames=_FRAMES if folder.videos else "",
        downscale="" if wishes.gpus else _downscale(folder),
        training=_GPU if wishes.gpus else _CPU[space],
        steps=wishes.steps or (20000 if wishes.gpus else 2000),
        shards=_shards(wishes.workers * (wishes.gpus or CPU_PROCESSES)),
        workers=wishes.workers,
        processes=f"gpusPerWorker: {wishes.gpus}" if wishes.gpus else _CPU_WORKER,
        cpu="'2'" if wishes.gpus else "500m",
        memory="8Gi" if wishes.gpus else "1Gi",
        video=_VIDEO[space],
        size="5Gi" if wishes.gpus else "2Gi",
    )


def _background(folder: Folder, space: Space) -> str:
    """Colour behind the scene, and the reason as a comment."""
    if space == "unbounded":
        return "random # every ray ends at something; another colour for each leaves no haze"
    return (
        f"{folder.photos.backdrop or 'white'} # behind the scene, where it is transparent or empty"
    )


def _downscale(folder: Folder) -> str:
    """The line that shrinks photos to what a CPU has the time for, where they are larger."""
    if folder.videos:
        return _VIDEO_DOWNSCALE
    longest = max((max(size) for size in folder.photos.sizes), default=0)
    if longest <= CPU_EDGE:
        return ""
    by = -(-longest // CPU_EDGE)
    why = f"{longest // by} pixels along the longer edge: all that a CPU has time for"
    return f"    downscale: {by} # {why}\n"


def _scalar(value: str) -> str:
    """A string as YAML, quoted where it must be."""
    return yaml.safe_dump(value, width=10_000, allow_unicode=True).splitlines()[0]


def _shards(processes: int) -> int:
    """Parts of a batch: a power of two, so that the batch can be split evenly."""
    return int(max(4, 1 << (processes - 1).bit_length()))


#: Longest edge of the photos that a CPU trains on. A short training sees each pixel about once.
CPU_EDGE = 640
#: Worker processes in a pod without GPUs: more need more CPUs than a small cluster has to give.
CPU_PROCESSES = 2
_CPU_WORKER = f"processesPerWorker: {CPU_PROCESSES} # in each pod; one for each CPU is fastest"
_CPU = {
    "bounded": "device: cpu # no GPU: a small and short training; see --gpus",
    "unbounded": f"""device: cpu # no GPU: a small and short training; see --gpus
    samplesPerRay: {CPU_BACKGROUND_SAMPLES} # 192 are finer, and three times as slow""",
}
_FRAMES = f"""    video:
      frames: {VideoConfig().frames} # the sharpest ones, spread evenly over the time
"""
_VIDEO_DOWNSCALE = (
    f"    # downscale: 3 # of 1920 pixels: a CPU has time for {CPU_EDGE} along the longer edge\n"
)
_VIDEO = {
    "bounded": "{} # video.mp4, a flight around the scene",
    "unbounded": "{path: cameras} # video.mp4, through the places where the photos were taken",
}
_GPU = """device: cuda
    raysPerBatch: 16384 # more and finer than the defaults, which suit a CPU
    samplesPerRay: 256
    keptSamplesPerRay: 32"""
_TEMPLATE = """\
# {folder}: {found}.
#
#   kubectl nerf run FOLDER -f THIS_FILE
#
# Every field is explained by `kubectl explain nerfjob.spec`; those that are not here have defaults.
apiVersion: {api}
kind: {kind}
metadata:
  name: {name}
spec:
  dataset:
    claimName: {claim} # the volume that the photos are uploaded to
    path: {path} # the folder on it
    format: auto # found here: {format}
    holdoutEvery: 8 # every 8th photo is kept out of the training, to measure its quality
{frames}{downscale}  model:
    space: {space} # {why}
    background: {background}
  training:
    steps: {steps}
    {training}
    shards: {shards} # equal parts of a batch: the most processes that can share the work
    # targetPSNR: 30 # stop early, once held-out photos are rendered this well (dB)
  workers:
    replicas: {workers} # pods that train together
    # min: 1 # go on with fewer, and
    # max: 2 # allow more: `kubectl nerf scale`
    {processes}
    resources:
      requests: # what is kept free for each pod
        cpu: {cpu}
        memory: {memory}
  checkpoint:
    volume:
      size: {size} # made for the job and deleted with it; or claimName: of your own
  outputs: # made after the training; take away what you do not want
    video: {video}
    stills: {{}}
    mesh: {{}} # mesh.ply, mesh.glb
    points: {{}} # points.ply
    onnx: {{}} # field.onnx
    report: {{}} # report.html
  viewer:
    enabled: false # true: a page that shows the scene while it trains; `kubectl nerf view`
"""


def parse(document: str, source: str) -> dict[str, Any]:
    """The one NeRFJob of a YAML document. Raises UserError that names source and field."""
    try:
        jobs = [d for d in yaml.safe_load_all(document) if isinstance(d, dict)]
    except yaml.YAMLError as error:
        raise UserError(f"{source} is not YAML: {_on_one_line(error)}.") from error
    jobs = [job for job in jobs if job.get("kind") == names.KIND]
    if len(jobs) != 1:
        raise UserError(f"{source} holds {len(jobs)} objects of kind {names.KIND}; it takes one.")
    spec_of(jobs[0], source)
    if not (jobs[0].get("metadata") or {}).get("name"):
        raise UserError(f"{source}: metadata.name is missing; it names the job.")
    return jobs[0]


def spec_of(job: dict[str, Any], source: str) -> NeRFJobSpec:
    """Its spec with all defaults. Raises UserError that names source and field."""
    try:
        return NeRFJobSpec.model_validate(job.get("spec") or {})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["spec", *(str(part) for part in first["loc"])])
        raise UserError(f"{source}: {where}: {first['msg'].rstrip('.')}.") from error


def place_of(job: dict[str, Any], source: str) -> tuple[str, str]:
    """Claim and folder of the job's photos. Raises UserError that names the source."""
    dataset = spec_of(job, source).dataset
    if dataset.claim_name is None:
        raise UserError(
            f"{source}: spec.dataset.claimName is missing; it names the volume for the photos."
        )
    return dataset.claim_name, dataset.path


def _on_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
