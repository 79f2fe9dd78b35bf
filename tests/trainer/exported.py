"""A small scene, trained as a job leaves it, and its outputs."""

import shutil
import tempfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image, PngImagePlugin
from scene_files import blender_scene
from small_trainings import ALONE, MODELS, train

from nerf_contract import names
from nerf_contract.training import TrainerConfig
from nerf_trainer.checkpoint import CheckpointStore
from nerf_trainer.config import identity
from nerf_trainer.evaluate import evaluate
from nerf_trainer.export.run import Exported, export
from nerf_trainer.pictures import png
from nerf_trainer.report import Report
from nerf_trainer.scenes import load_scene
from nerf_trainer.stage import StageBoard
from nerf_trainer.state import TrainState
from nerf_trainer.trainer import Trainer

STEPS = 120
BOUND = 1.0
#: In the photos' metadata and in the path to them: none of it may be in an output.
SECRETS = ("Annegret", "Kirchgasse", "SN-48213")
OUTPUTS: dict[str, Any] = {
    "video": {"seconds": 1, "framesPerSecond": 8, "width": 32},
    "stills": {"count": 2},
    "mesh": {"resolution": 40},
    "points": {"count": 4000},
    "onnx": {},
    "report": {},
}
MADE = [
    *("video.mp4", "stills/", "mesh.glb", "mesh.ply", "points.ply"),
    *("field.onnx", "report.html"),
]


@dataclass(frozen=True)
class TrainedJob:
    """dataset: the folder with photos. folder: the job's, with checkpoints and metrics.json."""

    dataset: Path
    folder: Path
    config: TrainerConfig

    @property
    def outputs(self) -> Path:
        return self.folder / names.OUTPUTS_DIR

    def wanting(self, **outputs: Any) -> "TrainedJob":
        """The same job that wants other outputs; None: not this one."""
        document = self.config.model_dump(mode="json", by_alias=True)
        document["outputs"] = {k: v for k, v in {**OUTPUTS, **outputs}.items() if v is not None}
        return replace(self, config=TrainerConfig.model_validate(document))

    def export(self, board: StageBoard | None = None) -> Exported:
        return export(self.config, self.folder, board or StageBoard("export"))

    def times(self) -> dict[str, int]:
        """When each file of the outputs was written, in ns."""
        files = [path for path in self.outputs.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.outputs)): path.stat().st_mtime_ns for path in files}


@cache
def trained_job() -> TrainedJob:
    """The same job for all tests: they only read it."""
    return train_job(Path(tempfile.mkdtemp()))


def copied(job: TrainedJob, folder: Path, *without: str) -> TrainedJob:
    """The job in another folder, without files of these names."""
    ignored = shutil.ignore_patterns(*without)
    place = shutil.copytree(job.folder, folder / job.folder.name, ignore=ignored)
    return replace(job, folder=place)


def train_job(folder: Path) -> TrainedJob:
    """Train the ball, seen on photos that tell who took them, and where; and make all outputs."""
    dataset = blender_scene(folder / "Annegret" / "photos", train=16, width=32)
    for path in dataset.rglob("*.png"):
        _sign(path)
    document = {
        "model": MODELS["occupancy"] | {"sceneBound": BOUND},
        "training": {
            **{"steps": STEPS, "raysPerBatch": 256, "samplesPerRay": 48, "shards": 4},
            **{"compile": False, "threads": 1, "device": "cpu"},
        },
        "outputs": OUTPUTS,
    }
    job = TrainedJob(dataset, folder / "ball", TrainerConfig.model_validate(document))
    torch.set_num_threads(1)
    scene = load_scene(job.config.dataset, dataset, job.config.model.resolved_background)
    trainer = Trainer(job.config, scene, torch.device("cpu"))
    train(trainer, STEPS)
    save(job, trainer.state)
    report = Report(job.folder, job.config, scene.held_out.names)
    for step in (STEPS // 2, STEPS):
        scores = evaluate(
            *(trainer.render, trainer.held_out_rays, ALONE),
            lambda view, picture: report.picture(view, png(picture)),
            range(trainer.held_out_rays.views),
        )
        report.metrics(step, scores, {"raysPerSecond": 1234.5, "trainingSeconds": 3.0})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(names.ENV_DATASET_ROOT, str(dataset))
        found = job.export()
    assert found.failed == {}
    assert found.made == MADE
    return job


def save(job: TrainedJob, state: TrainState) -> None:
    """Write a checkpoint of the job."""
    store = CheckpointStore(job.folder / names.CHECKPOINTS_DIR, identity(job.config), keep=1)
    store.save(state.step, safetensors.torch.save(state.tensors()))


def _sign(path: Path) -> None:
    """Write a name, a serial number, an address and a place into a photo's metadata."""
    with Image.open(path) as image:
        pixels = Image.fromarray(np.asarray(image))
    exif = Image.Exif()
    exif[0x013B], exif[0x010F], exif[0xC62F] = SECRETS[0], "Camera", SECRETS[2]
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 0.0), 3: "E", 4: (11.0, 34.0, 0.0)})
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", SECRETS[1])
    pixels.save(path, exif=exif, pnginfo=text)
    with Image.open(path) as image:
        assert image.getexif().get_ifd(0x8825)[1] == "N"
