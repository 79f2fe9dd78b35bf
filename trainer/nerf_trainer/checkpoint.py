"""Checkpoints: a folder each, with the state (safetensors) and a manifest (JSON) of its SHA-256.

    checkpoints/step-000001500/state.safetensors
    checkpoints/step-000001500/manifest.json

A folder gets its name when all in it is on the disk, so a reader never sees half of one; and what
a disk or a person damages later is found by the checksums. Nothing is pickled.
"""

import hashlib
import json
import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from nerf_contract.reasons import CHECKPOINT_MISMATCH, CHECKPOINT_VOLUME
from nerf_trainer.config import identity_hash
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.files import sync_folder, write_durably

log = logging.getLogger(__name__)

FORMAT = 1
STATE_FILE = "state.safetensors"
MANIFEST_FILE = "manifest.json"
PREFIX = "step-"


class TornCheckpointError(Exception):
    """A checkpoint that is incomplete or damaged."""


@dataclass(frozen=True)
class Notes:
    """What a checkpoint tells people about its training. Resuming takes no notice of it.

    psnr: held-out PSNR (dB) of the last evaluation, which may have been some steps before.
    """

    world_size: int | None = None
    psnr: float | None = None


NO_NOTES = Notes()


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
        manifest = _read_manifest(folder / MANIFEST_FILE)
        data = _read_bytes(folder / STATE_FILE)
        if len(data) != manifest["bytes"]:
            raise TornCheckpointError(f"{len(data)} bytes instead of {manifest['bytes']}")
        if hashlib.sha256(data).hexdigest() != manifest["sha256"]:
            raise TornCheckpointError("its checksum does not hold")
        self._check_identity(folder, manifest["identity"])
        try:
            tensors = load(data)
        except SafetensorError as error:
            raise TornCheckpointError(str(error)) from error
        return Checkpoint(manifest["step"], manifest["time"], tensors, _notes(manifest))

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
        return sorted(p for p in self._folder.iterdir() if p.name.startswith(PREFIX))


class CheckpointStore(CheckpointReader):
    """The same for the worker that writes them.

    keep: so many of the newest are kept.
    """

    def __init__(self, folder: Path, identity: dict[str, Any], keep: int) -> None:
        super().__init__(folder, identity)
        self._keep = keep
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._remove_unfinished()
        except OSError as error:
            raise volume_failure(folder, error) from error

    def save(self, step: int, tensors: dict[str, Tensor], notes: Notes = NO_NOTES) -> str:
        """Write a checkpoint and remove those that are too old. Returns its time."""
        final = self._folder / f"{PREFIX}{step:09d}"
        temporary = self._folder / f".{final.name}.tmp"
        data = save(tensors)
        manifest = self._manifest(step, data, notes)
        self._remove_unfinished()
        temporary.mkdir()
        write_durably(temporary / STATE_FILE, data)
        write_durably(temporary / MANIFEST_FILE, json.dumps(manifest, indent=1).encode())
        sync_folder(temporary)
        self._replace(final, temporary)
        self._remove_others(final)
        return str(manifest["time"])

    def _manifest(self, step: int, data: bytes, notes: Notes) -> dict[str, Any]:
        manifest = {
            "format": FORMAT,
            "step": step,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "identity": self._identity,
            "identitySha256": identity_hash(self._identity),
            "file": STATE_FILE,
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "notes": {"worldSize": notes.world_size, "psnr": notes.psnr},
        }
        return manifest | {"manifestSha256": _manifest_hash(manifest)}

    def _replace(self, final: Path, temporary: Path) -> None:
        """Rename into place; a checkpoint of the same step there can only be a torn one."""
        if final.exists():
            shutil.rmtree(final)
        temporary.rename(final)
        sync_folder(self._folder)

    def _remove_others(self, newest: Path) -> None:
        """Keep `newest` and those just before it; a later step can only be a torn one."""
        folders = self._finished()
        kept = [folder for folder in folders if folder <= newest][-self._keep :]
        for folder in folders:
            if folder not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    def _remove_unfinished(self) -> None:
        for folder in self._folder.glob(f".{PREFIX}*.tmp"):
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


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(_read_bytes(path))
    except ValueError as error:
        raise TornCheckpointError(f"its manifest is not JSON: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("manifestSha256") != _manifest_hash(manifest):
        raise TornCheckpointError("its manifest's checksum does not hold")
    if manifest["format"] != FORMAT:
        raise TornCheckpointError(f"format {manifest['format']} is unknown, {FORMAT} is known")
    return manifest


def _notes(manifest: dict[str, Any]) -> Notes:
    """Checkpoints of earlier versions have none."""
    told = manifest.get("notes", {})
    return Notes(told.get("worldSize"), told.get("psnr"))


def _manifest_hash(manifest: dict[str, Any]) -> str:
    rest = {key: value for key, value in manifest.items() if key != "manifestSha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _read_bytes(path: Path) -> bytes:
    """The content. Raises TornCheckpointError where there is no file, OSError where it fails."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise TornCheckpointError(f"{path.name}: {error.strerror}") from error
