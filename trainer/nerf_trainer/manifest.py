"""What lies beside a checkpoint's state: whose it is, and checksums by which damage is found."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nerf_contract.base import MAX_INT
from nerf_trainer.clock import is_timestamp, timestamp
from nerf_trainer.config import identity_hash

FORMAT = 1
_KINDS = {"step": int, "time": str, "identity": dict, "bytes": int, "sha256": str}
STATE_FILE = "state.safetensors"
MANIFEST_FILE = "manifest.json"
Manifest = Mapping[str, Any]


class TornCheckpointError(Exception):
    """A checkpoint that is incomplete or damaged."""


@dataclass(frozen=True)
class Notes:
    """What a checkpoint tells of its training. Resuming takes no notice of it.

    psnr: held-out PSNR (dB) of the last evaluation, which may have been some steps before.
    score: that of this very state, over the few views that every evaluation judges, so that it
    can be compared; None where nobody knows.
    """

    world_size: int | None = None
    psnr: float | None = None
    score: float | None = None

    @property
    def rank(self) -> float:
        """The score; -inf without one."""
        return -math.inf if self.score is None or math.isnan(self.score) else self.score


NO_NOTES = Notes()


def create(
    step: int, data: bytes | memoryview, identity: Mapping[str, Any], notes: Notes
) -> Manifest:
    """The manifest of a state. data: the file that holds it."""
    manifest = {
        "format": FORMAT,
        "step": step,
        "time": timestamp(),
        "identity": identity,
        "identitySha256": identity_hash(dict(identity)),
        "file": STATE_FILE,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "notes": {
            "worldSize": notes.world_size,
            "psnr": notes.psnr,
            "score": notes.score,
        },
    }
    return manifest | {"manifestSha256": _checksum(manifest)}


def read(data: bytes) -> Manifest:
    """The manifest in a file. Raises TornCheckpointError."""
    try:
        manifest = json.loads(data)
        whole = isinstance(manifest, dict) and manifest.get("manifestSha256") == _checksum(manifest)
    except (ValueError, RecursionError) as error:
        raise TornCheckpointError(f"its manifest is not JSON: {error}") from error
    if not whole:
        raise TornCheckpointError("its manifest's checksum does not hold")
    if manifest.get("format") != FORMAT:
        raise TornCheckpointError(f"its format is unknown, {FORMAT} is known")
    wrong = [name for name, kind in _KINDS.items() if type(manifest.get(name)) is not kind]
    if wrong:
        raise TornCheckpointError(f"its manifest lacks {', '.join(wrong)}")
    if not is_timestamp(manifest["time"]) or not 0 <= manifest["step"] <= MAX_INT:
        raise TornCheckpointError("its step or time is none that a training writes")
    return manifest


def check(data: bytes, manifest: Manifest) -> None:
    """Raises TornCheckpointError where the state's file is not what was written."""
    if len(data) != manifest["bytes"]:
        raise TornCheckpointError(f"{len(data)} bytes instead of {manifest['bytes']}")
    if hashlib.sha256(data).hexdigest() != manifest["sha256"]:
        raise TornCheckpointError("its checksum does not hold")


def notes_of(manifest: Manifest) -> Notes:
    """Checkpoints of earlier versions have none, or fewer."""
    told = manifest.get("notes")
    if not isinstance(told, dict):
        return NO_NOTES
    size = told.get("worldSize")
    return Notes(
        size if isinstance(size, int) else None, _figure(told, "psnr"), _figure(told, "score")
    )


def _figure(told: Mapping[str, Any], name: str) -> float | None:
    """A number, if it is one that can be reckoned with."""
    value = told.get(name)
    if isinstance(value, float):
        return value
    return float(value) if type(value) is int and abs(value) < 2**53 else None


def _checksum(manifest: Manifest) -> str:
    rest = {key: value for key, value in manifest.items() if key != "manifestSha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def read_bytes(path: Path) -> bytes:
    """The content. Raises TornCheckpointError where there is no file, OSError where it fails."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise TornCheckpointError(f"{path.name}: {error.strerror}") from error
