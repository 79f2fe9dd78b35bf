"""What a training leaves for people: pictures and metrics.json, beside the checkpoints."""

import io
import json
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nerf_contract import names
from nerf_contract.training import TrainerConfig
from nerf_trainer.files import write_atomically

log = logging.getLogger(__name__)

#: Pictures are made of so many held-out views.
PICTURES = 16


class Report:
    """Writes to `folder`. A resumed training goes on with the history that lies there."""

    def __init__(self, folder: Path, config: TrainerConfig, view_names: tuple[str, ...]) -> None:
        self._renders = folder / names.RENDERS_DIR
        self._file = folder / names.METRICS_FILE
        self._config = config.model_dump(mode="json", by_alias=True)
        self._view_names = view_names
        self._renders.mkdir(parents=True, exist_ok=True)

    def picture(self, view: int, truth: NDArray[np.uint8], render: NDArray[np.uint8]) -> None:
        """Write truth and render (H, W, 3) of a held-out view side by side, as PNG."""
        if view >= PICTURES:
            return
        buffer = io.BytesIO()
        Image.fromarray(np.concatenate([truth, render], 1)).save(buffer, "PNG")
        write_atomically(self._renders / f"view_{view:03d}.png", buffer.getvalue())

    def metrics(self, step: int, views: tuple[float, ...], **more: Any) -> None:
        """Write metrics.json after an evaluation; `more` are further entries."""
        psnr = sum(views) / len(views)
        history = [entry for entry in self._history() if entry["step"] < step]
        entry = {"step": step, "psnr": psnr, "time": _now()}
        document = {
            "step": step,
            "psnr": psnr,
            **more,
            "views": [
                {"name": name, "psnr": value}
                for name, value in zip(self._view_names, views, strict=True)
            ],
            "history": [*history, entry],
            "config": self._config,
        }
        write_atomically(self._file, json.dumps(document, indent=1).encode())

    def _history(self) -> list[dict[str, Any]]:
        try:
            history = json.loads(self._file.read_text())["history"]
            return [entry for entry in history if isinstance(entry["step"], int)]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s is not readable (%s): its history starts anew", self._file, error)
            return []


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
