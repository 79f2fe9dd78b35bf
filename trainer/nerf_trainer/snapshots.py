"""Snapshots: checkpoints in memory, for the process that takes the place of this one in its pod.

The agent that restarts processes makes a folder for them and removes it at its end, so that only
its own processes find them there. Without such an agent there are none.
"""

import errno
import logging
import shutil
from pathlib import Path

from nerf_contract.training import TrainerConfig
from nerf_trainer.checkpoint import Checkpoint, CheckpointStore
from nerf_trainer.config import identity
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.manifest import NO_NOTES, Notes
from nerf_trainer.places import snapshot_folder

log = logging.getLogger(__name__)

#: Share of the memory file system that is left alone: NCCL, or others on the node, share it.
RESERVE = 0.2


class SnapshotStore(CheckpointStore):
    """One snapshot, and another one while it is written, never more than there is room for."""

    def save(self, step: int, data: bytes | memoryview, notes: Notes = NO_NOTES) -> str:
        """See `CheckpointStore.save`. Raises OSError too where the reserve would be touched."""
        if len(data) > _room(self._folder):
            raise OSError(errno.ENOSPC, "too little memory is free beside the reserve")
        return super().save(step, data, notes)


def open_store(config: TrainerConfig, state_bytes: int) -> SnapshotStore | None:
    """Where snapshots of a state of this size are kept; None where there are to be none."""
    folder = snapshot_folder()
    if folder is None or not config.checkpoint.snapshot_seconds:
        return None
    try:
        store = SnapshotStore(folder, identity(config), keep=1)
        room = _room(folder) + _held(folder)
    except (TrainerFailure, OSError) as error:
        log.warning("training goes on without snapshots: %s", error)
        return None
    if room < 2 * state_bytes:
        log.warning(
            "training goes on without snapshots in memory: two of %.0f MB do not fit in the %.0f "
            "MB that %s has beside its reserve",
            *(state_bytes / 1e6, room / 1e6, folder),
        )
        return None
    return store


def newest(store: CheckpointStore) -> Checkpoint | None:
    """The snapshot that another process of this pod has left, if it can be used."""
    try:
        return store.newest()
    except TrainerFailure as failure:
        log.warning("the snapshot in memory is not used: %s", failure.message)
        return None


def _room(folder: Path) -> int:
    """Bytes that are free beside the reserve; negative where it is in use."""
    usage = shutil.disk_usage(folder)
    return usage.free - int(RESERVE * usage.total)


def _held(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
