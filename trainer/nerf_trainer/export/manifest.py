"""`outputs.json`: what has been made, of which checkpoint, and what could not be made.

    {"checkpointStep": 1500, "weights": "<sha256>",
     "outputs": {"mesh": {"files": {"mesh.ply": "<sha256>"}, "seconds": 9.1, "settings": {...}}},
     "failed": {"onnx": "why"}}

It is written after each output, so that an export that was killed goes on with what is missing.
"""

import hashlib
import json
import logging
import shutil
from pathlib import Path
from typing import Any

from nerf_trainer.files import sync_file, sync_folder, write_atomically

log = logging.getLogger(__name__)

FILE = "outputs.json"
#: Where an output is made, before it gets its place.
STAGING = ".making"

Document = dict[str, Any]


class Manifest:
    """The outputs in `folder`, all of the checkpoint with the weights whose SHA-256 is `weights`.

    Those of another checkpoint are removed.
    """

    def __init__(self, folder: Path, step: int, weights: str) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder / STAGING, ignore_errors=True)
        self._document: Document = {"checkpointStep": step, "weights": weights}
        found = _read(folder / FILE)
        self.outputs: dict[str, Document] = found["outputs"]
        self.failed: dict[str, str] = {}
        if found["weights"] != weights:
            for name in list(self.outputs):
                self._remove(name)
        self._write()

    def has(self, name: str, settings: Document) -> bool:
        """Whether the output was made with these settings, and its files are as they were."""
        entry = self.outputs.get(name, {})
        return entry.get("settings") == settings and self._whole(entry["files"])

    def begin(self, name: str) -> Path:
        """Forget the output, and give an empty folder to make it in."""
        self._remove(name)
        self._write()
        staging = self._folder / STAGING
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        return staging

    def finish(self, name: str, settings: Document, seconds: float, figures: Document) -> None:
        """Put the files that were made in their places, and write them down."""
        staging = self._folder / STAGING
        files = {}
        for path in sorted(p for p in staging.rglob("*") if p.is_file()):
            place = path.relative_to(staging)
            (self._folder / place).parent.mkdir(exist_ok=True)
            files[str(place)] = _sha256(path)
            sync_file(path)
            path.rename(self._folder / place)
            sync_folder((self._folder / place).parent)
        sync_folder(self._folder)
        entry = {"files": files, "seconds": round(seconds, 2), "settings": settings}
        self.outputs[name] = {**entry, **figures}
        shutil.rmtree(staging)
        self._write()

    def fail(self, name: str, message: str) -> None:
        """Write down why an output could not be made."""
        shutil.rmtree(self._folder / STAGING, ignore_errors=True)
        self.failed[name] = message
        self._write()

    @property
    def made(self) -> list[str]:
        """Files of all outputs, and folders, such as `stills/`, where an output has its own."""
        files = [file for entry in self.outputs.values() for file in entry["files"]]
        return list(dict.fromkeys(_top(file) for file in files))

    def _remove(self, name: str) -> None:
        for file in self.outputs.pop(name, {"files": {}})["files"]:
            (self._folder / file).unlink(missing_ok=True)

    def _whole(self, files: dict[str, str]) -> bool:
        paths = {self._folder / file: digest for file, digest in files.items()}
        return all(path.is_file() and _sha256(path) == digest for path, digest in paths.items())

    def _write(self) -> None:
        document = {**self._document, "outputs": self.outputs, "failed": self.failed}
        write_atomically(self._folder / FILE, json.dumps(document, indent=1).encode())


def _read(path: Path) -> Document:
    """The manifest; one without outputs where there is none that can be read."""
    try:
        document = json.loads(path.read_text())
        outputs = document["outputs"]
        if all({"files", "settings"} <= entry.keys() for entry in outputs.values()):
            return {"outputs": outputs, "weights": document["weights"]}
    except FileNotFoundError:
        pass
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s is damaged (%s): all outputs are made again", path, error)
    return {"outputs": {}, "weights": None}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _top(file: str) -> str:
    folder, slash, _ = file.partition("/")
    return folder + slash
