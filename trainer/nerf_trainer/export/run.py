"""Makes the outputs one after the other; one that fails does not keep the others from it."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from nerf_contract import names
from nerf_contract.base import Model
from nerf_contract.outputs import OutputsConfig, VideoOutput
from nerf_contract.reasons import CHECKPOINT_VOLUME, DATASET_VOLUME
from nerf_contract.training import TrainerConfig
from nerf_trainer.export.failure import OutputError
from nerf_trainer.export.manifest import Manifest
from nerf_trainer.export.mesh import make_mesh
from nerf_trainer.export.network import make_network
from nerf_trainer.export.painters import Painters
from nerf_trainer.export.points import make_points
from nerf_trainer.export.report import make_report
from nerf_trainer.export.scene import open_scene
from nerf_trainer.export.video import make_stills, make_video
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.places import dataset_root
from nerf_trainer.stage import StageBoard

log = logging.getLogger(__name__)

Figures = dict[str, Any]
Tell = Callable[[float], None]
#: How long the outputs take, more or less, by their default settings.
WEIGHTS = {"video": 60, "stills": 5, "mesh": 20, "points": 5, "onnx": 10, "report": 5}


@dataclass(frozen=True)
class Exported:
    """made: files and folders in the outputs' folder. failed: why, by the output's name."""

    made: list[str]
    failed: dict[str, str]

    @property
    def message(self) -> str:
        """The end in a sentence or two."""
        made = f"Made {', '.join(self.made)}." if self.made else "No outputs were made."
        return " ".join([made, *(f"No {name}: {why}" for name, why in self.failed.items())])


@dataclass(frozen=True)
class Job:
    """An output to be made.

    settings: what decides how it comes out, beside the scene. make: writes its files into a folder,
    tells its progress and returns figures.
    """

    name: str
    settings: Callable[[], Figures]
    make: Callable[[Path, Tell], Figures]


def export(config: TrainerConfig, folder: Path, board: StageBoard) -> Exported:
    """Make what the config asks for and is not there yet. folder: the job's, with its checkpoints.

    Raises TrainerFailure where none of it can be made: see `open_scene`; and where a volume fails
    (CheckpointVolumeUnusable, DatasetVolumeUnusable).
    """
    scene = open_scene(config, folder)
    try:
        manifest = Manifest(folder / names.OUTPUTS_DIR, scene.step, scene.weights)
        with closing(Painters(scene, partial(open_scene, config, folder))) as painters:
            _make_all(jobs(config.outputs, painters, manifest, folder), manifest, board)
    except OSError as error:
        raise _volume_failure(error, folder / names.OUTPUTS_DIR) from error
    return Exported(manifest.made, manifest.failed)


def _volume_failure(error: OSError, outputs: Path) -> TrainerFailure:
    """Names the volume that failed: that of the file that the error names, if it names one."""
    why, dataset = error.strerror or str(error), dataset_root().resolve()
    file = Path(os.fsdecode(error.filename)).resolve() if error.filename else outputs
    if file.is_relative_to(dataset) and not file.is_relative_to(outputs.parent.resolve()):
        return TrainerFailure(
            DATASET_VOLUME,
            f"{file} cannot be read: {why}. The dataset's volume must be mounted, and readable for "
            "the worker's user.",
        )
    return TrainerFailure(
        CHECKPOINT_VOLUME,
        f"Outputs cannot be written to {outputs}: {why}. Make the checkpoint volume larger or "
        "writable for the worker's user.",
    )


def jobs(wanted: OutputsConfig, painters: Painters, manifest: Manifest, folder: Path) -> list[Job]:
    """What is to be made; the report comes last, since it shows the others."""
    scene, path = painters.scene, wanted.video or VideoOutput()
    found = []
    if video := wanted.video:
        found.append(Job("video", _dumped(video), lambda *to: make_video(painters, video, *to)))
    if stills := wanted.stills:
        along = {"path": path.path, "seconds": path.seconds}
        found.append(
            Job(
                "stills",
                lambda: {**_dumped(stills)(), **along},
                lambda *to: make_stills(painters, stills, path, *to),
            )
        )
    if mesh := wanted.mesh:
        found.append(Job("mesh", _dumped(mesh), lambda *to: make_mesh(scene, mesh, *to)))
    if points := wanted.points:
        found.append(Job("points", _dumped(points), lambda *to: make_points(scene, points, *to)))
    if onnx := wanted.onnx:
        found.append(Job("onnx", _dumped(onnx), lambda *to: make_network(scene, onnx, to[0])))
    if wanted.report is not None:
        found.append(
            Job(
                "report",
                lambda: {"of": _digest(manifest, folder)},
                lambda *to: make_report(scene, manifest, folder, to[0]),
            )
        )
    return found


def _dumped(section: Model) -> Callable[[], Figures]:
    return partial(section.model_dump, mode="json", by_alias=True)


def _digest(manifest: Manifest, folder: Path) -> str:
    """SHA-256 of all that the report shows."""
    others = {name: entry for name, entry in manifest.outputs.items() if name != "report"}
    shown = json.dumps([others, manifest.failed], sort_keys=True).encode()
    metrics = folder / names.METRICS_FILE
    return hashlib.sha256(shown + (metrics.read_bytes() if metrics.exists() else b"")).hexdigest()


def _make_all(wanted: list[Job], manifest: Manifest, board: StageBoard) -> None:
    whole = sum(WEIGHTS[job.name] for job in wanted)
    behind = 0
    for job in wanted:
        settings = job.settings()
        if manifest.has(job.name, settings):
            log.info("%s is there already", job.name)
        else:
            board.begin(behind / whole)
            _make(job, settings, manifest, _teller(board, job.name, behind, whole))
        behind += WEIGHTS[job.name]
    board.update("done", 1.0)


def _teller(board: StageBoard, name: str, behind: int, whole: int) -> Tell:
    """Turns the share of one output into that of all."""

    def tell(share: float) -> None:
        board.update(name, (behind + WEIGHTS[name] * share) / whole)

    return tell


def _make(job: Job, settings: Figures, manifest: Manifest, tell: Tell) -> None:
    """Make an output, or write down why not. Raises OSError where the volume fails."""
    tell(0.0)
    began = time.monotonic()
    staging = manifest.begin(job.name)
    try:
        figures = job.make(staging, tell)
    except Exception as error:
        # Pillow and others raise it for what is wrong with a file's content, without a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        message = _explain(error, job.name)
        log.error("%s: %s", job.name, message)
        # The message gets into files that are passed on.
        manifest.fail(job.name, message.replace(str(dataset_root()), "<dataset>"))
        return
    seconds = time.monotonic() - began
    manifest.finish(job.name, settings, seconds, figures)
    log.info("%s is made, in %.1f s", job.name, seconds)


def _explain(error: Exception, name: str) -> str:
    """Why an output could not be made, in a sentence."""
    if isinstance(error, OutputError):
        return str(error)
    if isinstance(error, TrainerFailure):
        return error.message
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return f"out of memory. Give the workers more, or ask for less in outputs.{name}."
    log.error("%s ended by an unexpected error", name, exc_info=error)
    return f"unexpected error, {type(error).__name__}: {error}"
