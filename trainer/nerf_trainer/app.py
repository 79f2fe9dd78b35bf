"""Puts the parts together. Imported after the HTTP server answers, since it imports torch."""

import logging

import torch

from nerf_contract import names
from nerf_contract.reasons import CONFIG_INVALID, OUT_OF_MEMORY
from nerf_contract.training import TrainerConfig
from nerf_trainer.camera_file import write_cameras
from nerf_trainer.checkpoint import CheckpointStore, volume_failure
from nerf_trainer.config import identity
from nerf_trainer.coordination.token import TokenError
from nerf_trainer.departure import Departure
from nerf_trainer.device import choose_device, training_threads, versions
from nerf_trainer.elastic import create_membership
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.loop import Loop, Outcome, Output
from nerf_trainer.metrics import TrainerMetrics
from nerf_trainer.places import dataset_root, output_folder
from nerf_trainer.progress import Board
from nerf_trainer.report import Report
from nerf_trainer.saver import BackgroundSaver
from nerf_trainer.scenes import Scene, load_scene
from nerf_trainer.telemetry import Stopwatch, Telemetry
from nerf_trainer.tensorboard import EventLog
from nerf_trainer.trainer import Trainer

log = logging.getLogger(__name__)


def run(
    config: TrainerConfig,
    board: Board,
    metrics: TrainerMetrics,
    local_rank: int,
    departure: Departure,
) -> Outcome:
    """Train as the config says. Raises TrainerFailure with a reason and what to do."""
    board.update(total_steps=config.training.steps)
    try:
        return _run(config, board, metrics, local_rank, departure)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise TrainerFailure(
            OUT_OF_MEMORY,
            f"Out of memory: {str(error).partition('.')[0]}. Give workers.resources more, or lower "
            "training.raysPerBatch or raise dataset.downscale.",
        ) from error
    except TokenError as error:
        raise TrainerFailure(CONFIG_INVALID, str(error)) from error


def _run(
    config: TrainerConfig,
    board: Board,
    metrics: TrainerMetrics,
    local_rank: int,
    departure: Departure,
) -> Outcome:
    stopwatch = Stopwatch()
    device = choose_device(config.training.device, local_rank)
    threads = training_threads(config.training.threads, device)
    torch.set_num_threads(threads)
    log.info("training on %s with %d thread(s), %s", device, threads, versions())
    scene = load_scene(config.dataset, dataset_root(), config.model.background)
    trainer = Trainer(config, scene, device)
    membership = create_membership(device)
    events = EventLog(output_folder() / names.TENSORBOARD_DIR) if membership.is_writer else None
    telemetry = Telemetry(board, metrics, talkative=local_rank == 0, events=events)
    output = None
    if membership.is_writer:
        output = _create_output(config, trainer, telemetry, scene)
    trainer.warm_up()
    log.info("ready to train after %.1f s", stopwatch.lap())
    board.ready.set()
    try:
        return Loop(trainer, membership, telemetry, output, departure).run()
    finally:
        telemetry.close()


def _create_output(
    config: TrainerConfig, trainer: Trainer, telemetry: Telemetry, scene: Scene
) -> Output:
    """Open the output folder, and resume from the newest good checkpoint in it."""
    folder = output_folder()
    store = CheckpointStore(
        folder / names.CHECKPOINTS_DIR, identity(config), config.checkpoint.keep
    )
    try:
        report = Report(folder, config, scene.held_out.names)
        write_cameras(folder, scene.train)
    except OSError as error:
        raise volume_failure(folder, error) from error
    found = store.newest()
    if found:
        trainer.state.load(found.tensors)
        telemetry.resumed(found.step, found.time)
        log.info("resuming from the checkpoint of step %d", found.step, extra={"step": found.step})
    step = found.step if found else 0
    saver = BackgroundSaver(store, config.checkpoint.interval_seconds, telemetry.saved, step)
    return Output(saver, report)
