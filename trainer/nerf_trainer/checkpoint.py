"""Checkpoints: a folder each, with the state (safetensors) and a manifest (JSON) of its SHA-256.

    checkpoints/step-000001500/state.safetensors
    checkpoints/step-000001500/manifest.json

A folder gets its name when all in it is on the disk, so a reader never sees half of one; and what
a disk or a person damages later is found by the checksums. Nothing is pickled.
"""

import json
import logging
import math
import re
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from nerf_contract.reasons import CHECKPOINT_MISMATCH, CHECKPOINT_VOLUME
from nerf_trainer import manifest as manifests
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.files import sync_folder, write_durably
from nerf_trainer.manifest import (
    MANIFEST_FILE,
    NO_NOTES,
    STATE_FILE,
    Manifest,
    Notes,
    TornCheckpointError,
)

log = logging.getLogger(__name__)

PREFIX = "step-"
NAME = re.compile(f"{PREFIX}[0-9]+")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and whose checksums hold. time: RFC 3339, UTC."""

    step: int
    time: str
    tensors: dict[str, Tensor]
    notes: Notes = NO_NOTES


class CheckpointReader:
    """The checkpoints in one folder, all of trainings with the same `identity`.

    identity: the config's fields that decide the result, see `config.identity`.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self._folder = folder
        self._identity = identity

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint that is whole; torn ones are skipped with a warning.

        Raises TrainerFailure: CheckpointMismatch where it belongs to another config,
        CheckpointVolumeUnusable where the volume fails: the newest may be whole then, and going on
        from an older one would train its steps again.
        """
        try:
            return self._newest_whole()
        except OSError as error:
            raise _unreadable(self._folder, error) from error

    def _newest_whole(self) -> Checkpoint | None:
        for folder in reversed(self._finished()):
            try:
                return self._read(folder)
            except TornCheckpointError as torn:
                log.warning("checkpoint %s is torn (%s): trying the one before", folder.name, torn)
        return None

    def _read(self, folder: Path) -> Checkpoint:
        manifest = _manifest(folder)
        data = manifests.read_bytes(folder / STATE_FILE)
        manifests.check(data, manifest)
        self._check_identity(folder, manifest["identity"])
        try:
            tensors = load(data)
        except SafetensorError as error:
            raise TornCheckpointError(str(error)) from error
        notes = manifests.notes_of(manifest)
        return Checkpoint(manifest["step"], manifest["time"], tensors, notes)

    def _check_identity(self, folder: Path, theirs: dict[str, Any]) -> None:
        ours = self._identity
        fields = sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))
        if fields:
            told = ", ".join(f"{k} ({theirs.get(k)} there, {ours.get(k)} now)" for k in fields)
            raise TrainerFailure(
                CHECKPOINT_MISMATCH,
                f"{folder} belongs to another config: {told}. Set these fields back, use another "
                f"volume or job name, or delete {folder.parent} to start anew.",
            )

    def _finished(self) -> list[Path]:
        """Folders of finished checkpoints, oldest first."""
        return sorted(p for p in self._folder.iterdir() if NAME.fullmatch(p.name))


class CheckpointStore(CheckpointReader):
    """The same for the worker that writes them.

    keep: so many of the newest are kept, and the best one of those whose quality is known.
    best_score: its score, see `Notes`; -inf without one. known_step: of the last one that was read
    whole or written here; 0 without one.
    """

    def __init__(self, folder: Path, identity: dict[str, Any], keep: int) -> None:
        super().__init__(folder, identity)
        self._keep = keep
        self._mark = secrets.token_hex(4)
        self.known_step = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._tidy_up("")
            self.best_score = max(map(_score, self._finished()), default=-math.inf)
        except OSError as error:
            raise volume_failure(folder, error) from error

    def newest(self) -> Checkpoint | None:
        """See `CheckpointReader.newest`."""
        found = super().newest()
        self.known_step = found.step if found else 0
        return found

    def save(self, step: int, data: bytes | memoryview, notes: Notes = NO_NOTES) -> str:
        """Write a checkpoint and remove those that are too old. Returns its time.

        data: the state as a safetensors file. Raises OSError; what was there before is left alone.
        """
        manifest = manifests.create(step, data, self._identity, notes)
        final = self._folder / f"{PREFIX}{step:09d}"
        temporary = self._folder / f".{final.name}.{self._mark}.tmp"
        self._tidy_up(f".{self._mark}")
        try:
            temporary.mkdir()
            write_durably(temporary / STATE_FILE, data)
            write_durably(temporary / MANIFEST_FILE, json.dumps(manifest, indent=1).encode())
            sync_folder(temporary)
        except OSError:  # Nobody else may have room on a full volume while half of one lies there.
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        self._replace(final, temporary)
        self.known_step = step
        self.best_score = max(self.best_score, notes.rank)
        self._remove_others(final)
        return str(manifest["time"])

    def _replace(self, final: Path, temporary: Path) -> None:
        """Rename into place. One of the same step steps aside; `_tidy_up` would bring it back."""
        aside = self._folder / f".{final.name}.{self._mark}.old"
        if final.exists():
            final.rename(aside)
        temporary.rename(final)
        sync_folder(self._folder)
        shutil.rmtree(aside, ignore_errors=True)

    def _remove_others(self, newest: Path) -> None:
        """Keep the newest ones and the best, and those that a newer writer may have made since."""
        folders = self._finished()
        past = [folder for folder in folders if folder <= newest]
        later = [folder for folder in folders if folder > newest and self._is_ours(folder)]
        scores = {folder: _score(folder) for folder in past}
        best = max(scores.values())
        kept = past[-self._keep :] + [f for f in past if scores[f] == best > -math.inf][-1:] + later
        for folder in folders:
            if folder not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    def _is_ours(self, folder: Path) -> bool:
        """Whether its manifest is whole, and of the same config."""
        try:
            return bool(_manifest(folder)["identity"] == self._identity)
        except TornCheckpointError:
            return False

    def _tidy_up(self, mark: str) -> None:
        """Remove what a process left that was killed while it wrote.

        mark: of the writer, with a dot, or "" for all that were there before this one: one that was
        cut off may still write when its successor does, and leaves what that writes alone.
        """
        for aside in self._folder.glob(f".{PREFIX}*{mark}.old"):
            final = self._folder / aside.name.split(".")[1]
            if final.exists():
                shutil.rmtree(aside)
            else:
                aside.rename(final)
        for folder in self._folder.glob(f".{PREFIX}*{mark}.tmp"):
            shutil.rmtree(folder)


def volume_failure(folder: Path, error: OSError) -> TrainerFailure:
    """The checkpoint volume cannot be used."""
    return TrainerFailure(
        CHECKPOINT_VOLUME,
        f"Checkpoints cannot be written to {folder}: {error.strerror or error}. Make the volume "
        "larger or writable for the worker's user, and check checkpoint.volume.",
    )


def _unreadable(folder: Path, error: OSError) -> TrainerFailure:
    """The checkpoint volume does not give what is on it."""
    return TrainerFailure(
        CHECKPOINT_VOLUME,
        f"Checkpoints cannot be read: {error.filename or folder}: {error.strerror or error}. "
        "Mend the volume or its connection, or delete that checkpoint to go on from an older one.",
    )


def _manifest(folder: Path) -> Manifest:
    return manifests.read(manifests.read_bytes(folder / MANIFEST_FILE))


def _score(folder: Path) -> float:
    """`Notes.rank` of the checkpoint in a folder; -inf where its manifest is torn."""
    try:
        return manifests.notes_of(_manifest(folder)).rank
    except TornCheckpointError:
        return -math.inf
