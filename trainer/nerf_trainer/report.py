"""What a training leaves for people: pictures and metrics.json, beside the checkpoints."""

import json
import logging
from pathlib import Path
from typing import Any

from nerf_contract import names
from nerf_contract.training import TrainerConfig
from nerf_trainer.clock import timestamp
from nerf_trainer.evaluate import Evaluation
from nerf_trainer.files import write_atomically

log = logging.getLogger(__name__)


class Report:
    """Writes to `folder`. A resumed training goes on with the history that lies there.

    error: what went wrong with the last metrics.json, if anything. A full volume does not end the
    training while it may get room again.
    """

    def __init__(self, folder: Path, config: TrainerConfig, view_names: tuple[str, ...]) -> None:
        self._renders = folder / names.RENDERS_DIR
        self._file = folder / names.METRICS_FILE
        self._config = config.model_dump(mode="json", by_alias=True)
        self._view_names = view_names
        self._renders.mkdir(parents=True, exist_ok=True)
        self.error: OSError | None = None

    def picture(self, view: int, png: bytes) -> None:
        """Write the picture of a held-out view, over that of the last evaluation."""
        _write(self._renders / f"view_{view:03d}.png", png)

    def metrics(self, step: int, evaluation: Evaluation, figures: dict[str, Any]) -> None:
        """Write metrics.json after an evaluation. complete: whether it is of all held-out views.

        figures: weightsSha256 (see `state.weights_digest`). Of the process that writes it,
        without what it did before a resumption or what other processes did: raysPerSecond and
        samplesPerSecond (of all ranks, over all its steps), trainingSeconds (its steps),
        firstStepSeconds (from its start to the end of its first step), peakRssBytes, peakGpuBytes
        (of its tensors; null without a GPU), worldSize (now).
        And of the whole job, in `ledger`: goodput, wallSeconds, seconds (by cause, useful training
        among them), wantedWorldSize, raysPerSecondByWorldSize and scalingEfficiency.
        """
        scores = {"psnr": evaluation.psnr, "ssim": evaluation.ssim}
        history = [entry for entry in self._history() if entry["step"] < step]
        document = {
            "step": step,
            **scores,
            "complete": len(evaluation.numbers) == len(self._view_names),
            **figures,
            "views": self._views(evaluation),
            "history": [*history, {"step": step, **scores, "time": timestamp()}],
            "config": self._config,
        }
        self.error = _write(self._file, json.dumps(document, indent=1).encode())

    def _views(self, evaluation: Evaluation) -> list[dict[str, Any]]:
        numbered = zip(evaluation.numbers, evaluation.views, strict=True)
        return [
            {"name": self._view_names[number], "psnr": view.psnr, "ssim": view.ssim}
            for number, view in numbered
        ]

    def _history(self) -> list[dict[str, Any]]:
        try:
            history = json.loads(self._file.read_text())["history"]
            return [entry for entry in history if isinstance(entry["step"], int)]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s is not readable (%s): its history starts anew", self._file, error)
            return []


def _write(path: Path, data: bytes) -> OSError | None:
    try:
        write_atomically(path, data)
    except OSError as error:
        log.warning("%s was not written: %s", path, error)
        return error
    return None
