"""The newest checkpoint of a job, to look at: nothing is written, and nothing removed."""

from dataclasses import dataclass
from pathlib import Path

import torch

from nerf_contract import names
from nerf_contract.training import TrainerConfig
from nerf_trainer.checkpoint import PREFIX, Checkpoint, CheckpointReader
from nerf_trainer.config import identity
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.manifest import Notes
from nerf_trainer.models import SceneModel
from nerf_trainer.models.interface import BACKGROUNDS
from nerf_trainer.schedule import chunk_rays
from nerf_trainer.trained_model import open_model
from nerf_trainer.viewer.preview import Preview, make_preview


@dataclass(frozen=True)
class Snapshot:
    """A scene as a checkpoint has it. time: RFC 3339, UTC."""

    step: int
    time: str
    notes: Notes
    model: SceneModel
    preview: Preview


class Source:
    """Follows the checkpoints in the folder of a job."""

    def __init__(self, config: TrainerConfig, folder: Path) -> None:
        self._config = config
        self._folder = folder / names.CHECKPOINTS_DIR
        self._reader = CheckpointReader(self._folder, identity(config))
        self._read: str | None = None

    def changed(self) -> bool:
        """Whether there is a checkpoint that `read` has not seen; lists the folder only."""
        newest = self._newest()
        return newest is not None and newest != self._read

    def read(self) -> Snapshot | None:
        """The newest checkpoint that is whole, or None.

        Raises TrainerFailure (CheckpointMismatch, CheckpointVolumeUnusable).
        """
        newest = self._newest()
        try:
            found = self._reader.newest()
        except TrainerFailure as failure:
            self._read = None if failure.failure.retryable else newest
            raise
        self._read = newest
        return None if found is None else open_snapshot(self._config, found)

    def _newest(self) -> str | None:
        try:
            found = (p.name for p in self._folder.iterdir() if p.name.startswith(PREFIX))
            return max(found, default=None)
        except OSError:  # It is not there yet. What else may be wrong, `read` tells.
            return None


def open_snapshot(config: TrainerConfig, checkpoint: Checkpoint) -> Snapshot:
    """The model of a checkpoint, without what only training needs, and its preview."""
    model = open_model(config, checkpoint, chunk_rays(config.training, 0), torch.device("cpu"))
    model.requires_grad_(False)
    preview = make_preview(model, BACKGROUNDS[config.model.resolved_background])
    return Snapshot(checkpoint.step, checkpoint.time, checkpoint.notes, model, preview)
