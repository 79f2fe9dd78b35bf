"""Photos in, a scene out, in one container without Kubernetes.

    python3 -m nerf_trainer [--config FILE]

finds the cameras of the photos in the current folder (NERF_DATASET_ROOT), trains on all GPUs that
are there, else on the CPU, and makes all outputs; results go to ./output (NERF_OUTPUT_ROOT). Each
stage is a process of its own. What an earlier run has finished is not done again.
"""

import argparse
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from nerf_contract import names
from nerf_contract.base import Model
from nerf_contract.outputs import OutputsConfig
from nerf_contract.progress import TerminationMessage
from nerf_contract.reasons import CRASHED, FAILURES
from nerf_contract.training import CPU_BACKGROUND_SAMPLES, TrainerConfig
from nerf_trainer import logs
from nerf_trainer.config import load_config
from nerf_trainer.cpus import usable_cpus
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.gpu_files import numbered_gpus, visible
from nerf_trainer.places import output_folder

log = logging.getLogger("nerf_trainer")
Section = TypeVar("Section", bound=Model)

ENDPOINT = f"127.0.0.1:{names.COORDINATOR_PORT}"


class StageFailedError(Exception):
    """A stage has ended badly, and has said why. exit_code: of its process."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"exit code {exit_code}")
        self.exit_code = exit_code


def main() -> int:
    """Run the stages, and return the exit code of the first one that failed."""
    parser = argparse.ArgumentParser(
        prog="nerf_trainer", description="Make a scene of the photos in a folder."
    )
    parser.add_argument("--config", type=Path, help="JSON file; all defaults if absent")
    args = parser.parse_args()
    logs.set_up()
    # The first process of a container is not ended by SIGTERM unless it says so.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        config = load_config(args.config)
        with tempfile.TemporaryDirectory() as scratch:
            run_stages(config, Path(scratch))
    except TrainerFailure as failure:
        log.error("%s: %s", failure.reason, failure.message)
        return failure.failure.exit_code
    except StageFailedError as failed:
        return failed.exit_code
    return 0


def run_stages(config: TrainerConfig, scratch: Path) -> None:
    """Download, prepare, train, export. scratch: for what the stages tell each other."""
    if not config.outputs.wanted:
        config = config.model_copy(update={"outputs": OutputsConfig.everything()})
    stages = Stages(scratch)
    if config.dataset.archive is not None:
        stages.run(config, "nerf_trainer.download")
    prepared = stages.run(config, "nerf_trainer.prepare")
    if prepared and prepared.dataset and prepared.dataset.poses:
        dataset = config.dataset.model_copy(update={"poses": prepared.dataset.poses})
        config = for_photos(config.model_copy(update={"dataset": dataset}))
    if is_trained(config, output_folder()):
        log.info("the scene is trained already")
    else:
        stages.run(config, "nerf_trainer.train", processes=processes(config))
    stages.run(config, "nerf_trainer.export")


def for_photos(config: TrainerConfig) -> TrainerConfig:
    """The config with what suits a background, which is in bare photos, where nobody has chosen.

    The video goes through the places of the cameras: elsewhere nobody has seen the background.
    """
    model = _by_default(config.model, "space", "unbounded")
    if model.space != "unbounded":
        return config
    training, outputs = config.training, config.outputs
    if not gpus(config):
        training = _by_default(training, "samples_per_ray", CPU_BACKGROUND_SAMPLES)
    if outputs.video is not None:
        video = _by_default(outputs.video, "path", "cameras")
        outputs = outputs.model_copy(update={"video": video})
    return config.model_copy(update={"model": model, "training": training, "outputs": outputs})


def _by_default(section: Section, field: str, value: object) -> Section:
    """The section with this value of a field, unless somebody has set that."""
    chosen = field in section.model_fields_set
    return section if chosen else section.model_copy(update={field: value})


class Stages:
    """Runs the stages as pods do: each is given a config file, and leaves its last word."""

    def __init__(self, scratch: Path) -> None:
        self._config = scratch / names.CONFIG_FILE
        self._last_word = scratch / "last-word.json"

    def run(
        self, config: TrainerConfig, module: str, processes: int = 1
    ) -> TerminationMessage | None:
        """Run a stage to its end. Returns its last word. Raises StageFailedError."""
        self._config.write_text(config.model_dump_json(by_alias=True))
        self._last_word.unlink(missing_ok=True)
        command = [*launcher(processes), "-m", module, "--config", str(self._config)]
        environment = os.environ | {names.ENV_TERMINATION_LOG: str(self._last_word)}
        process = subprocess.Popen(command, env=environment)
        try:
            exit_code = process.wait()
        finally:  # Where this process is told to end, it is not at its end yet.
            process.terminate()
            process.wait()
        told = self._told()
        if exit_code:
            raise StageFailedError(_exit_code(exit_code, told))
        return told

    def _told(self) -> TerminationMessage | None:
        try:
            return TerminationMessage.model_validate_json(self._last_word.read_text())
        except (OSError, ValidationError):
            return None


def _exit_code(exit_code: int, told: TerminationMessage | None) -> int:
    """That of the reason, as torchrun has one of its own; 128 + n for signal n, as shells do."""
    if told and told.reason in FAILURES:
        return FAILURES[told.reason].exit_code
    log.error("%s: a stage ended without a word, with exit code %d", CRASHED, exit_code)
    return 128 - exit_code if exit_code < 0 else exit_code


def launcher(processes: int) -> list[str]:
    """What starts a module: Python, or torchrun where there are several processes."""
    if processes == 1:
        return [sys.executable]
    torchrun = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}"]
    return [*torchrun, f"--rdzv-backend={names.RENDEZVOUS_BACKEND}", f"--rdzv-endpoint={ENDPOINT}"]


#: Where there is a GPU without a number: WSL2, and Jetson.
LONE_GPUS = (Path("/dev/dxg"), Path("/dev/nvmap"))


def processes(config: TrainerConfig) -> int:
    """One for each GPU that is there, else for each CPU; not more than a batch has shards."""
    return min(gpus(config) or usable_cpus(), config.training.shards)


def gpus(config: TrainerConfig) -> int:
    """How many GPUs a training by this config uses."""
    if config.training.device == "cpu":
        return 0
    return visible(numbered_gpus() or int(any(map(Path.exists, LONE_GPUS))))


def is_trained(config: TrainerConfig, folder: Path) -> bool:
    """Whether checkpoint and scores are there of the last step, or of one that was good enough.

    Scores of a few of the held-out views are those of a training that went on.
    """
    try:
        metrics = json.loads((folder / names.METRICS_FILE).read_text())
        step, psnr, complete = int(metrics["step"]), float(metrics["psnr"]), metrics["complete"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    target = config.training.target_psnr
    ended = step == config.training.steps or (target is not None and psnr >= target)
    if complete is not True or not ended:
        return False
    return any((folder / names.CHECKPOINTS_DIR).glob(f"*-{step:09d}"))


if __name__ == "__main__":
    sys.exit(main())
