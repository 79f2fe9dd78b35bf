"""Puts the parts together. Imported after the HTTP server answers, since it imports torch."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from nerf_contract import names
from nerf_contract.goodput import COMPILE, START
from nerf_contract.reasons import CONFIG_INVALID, GROUP_REFUSED, OUT_OF_MEMORY
from nerf_contract.training import TrainerConfig
from nerf_trainer import snapshots
from nerf_trainer.accounts import open_accounts
from nerf_trainer.camera_file import write_cameras
from nerf_trainer.checkpoint import CheckpointStore, volume_failure
from nerf_trainer.clock import Stopwatch
from nerf_trainer.config import group_hash, identity
from nerf_trainer.coordination.client import RefusedError
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
from nerf_trainer.state_buffer import StateBuffer
from nerf_trainer.telemetry import Telemetry
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
    with _explained():
        stopwatch = Stopwatch()
        device = choose_device(config.training.device, local_rank)
        threads = training_threads(config.training.threads, device)
        torch.set_num_threads(threads)
        log.info("training on %s with %d thread(s), %s", device, threads, versions())
        scene = load_scene(config.dataset, dataset_root(), config.model.resolved_background)
        trainer = Trainer(config, scene, device)
        membership = create_membership(device, group_hash(config))
        events = EventLog(output_folder() / names.TENSORBOARD_DIR) if membership.is_writer else None
        accounts = open_accounts(board, metrics, output_folder()) if membership.is_writer else None
        telemetry = Telemetry(board, metrics, local_rank == 0, events, accounts)
        stores = _open_stores(config, trainer, membership.is_writer, local_rank)
        resume(trainer, telemetry, stores)
        output = _create_output(config, trainer, telemetry, scene, stores.volume)
        if output:
            telemetry.keeps(config.checkpoint.interval_seconds)
        snapshot_saver = _create_snapshot_saver(config, trainer, stores.memory)
        telemetry.spent(START)
        trainer.warm_up()
        telemetry.spent(COMPILE)
        log.info("ready to train after %.1f s", stopwatch.lap())
        board.ready.set()
        try:
            return Loop(trainer, membership, telemetry, departure, output, snapshot_saver).run()
        finally:
            telemetry.close()


@contextmanager
def _explained() -> Iterator[None]:
    """Turn errors that a person can do something about into a TrainerFailure that says what."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise TrainerFailure(
            OUT_OF_MEMORY,
            f"Out of memory: {str(error).partition('.')[0]}. Give workers.resources more, or lower "
            "training.raysPerBatch or raise dataset.downscale.",
        ) from error
    except TokenError as error:
        raise TrainerFailure(CONFIG_INVALID, str(error)) from error
    except RefusedError as error:
        raise TrainerFailure(GROUP_REFUSED, f"No place in the group: {error}") from error


@dataclass(frozen=True)
class Stores:
    """Where this process keeps states. volume: only the writer's. memory: see `snapshots`."""

    volume: CheckpointStore | None
    memory: CheckpointStore | None


def _open_stores(config: TrainerConfig, trainer: Trainer, writer: bool, local_rank: int) -> Stores:
    volume = memory = None
    if writer:
        folder = output_folder() / names.CHECKPOINTS_DIR
        volume = CheckpointStore(folder, identity(config), config.checkpoint.keep)
    if local_rank == 0:
        state_bytes = sum(tensor.nbytes for tensor in trainer.state.tensors().values())
        memory = snapshots.open_store(config, state_bytes)
    return Stores(volume, memory)


def resume(trainer: Trainer, telemetry: Telemetry, stores: Stores) -> None:
    """Take over the newest good state on the volume or in memory; peers may have a newer one."""
    saved = stores.volume.newest() if stores.volume else None
    kept = snapshots.newest(stores.memory) if stores.memory else None
    if saved:
        telemetry.resumed(saved.step, saved.time)
    in_memory = kept is not None and (saved is None or kept.step > saved.step)
    found, place = (kept, "snapshot in memory") if in_memory else (saved, "checkpoint")
    if found:
        trainer.state.load(found.tensors)
        log.info("resuming from the %s of step %d", place, found.step, extra={"step": found.step})


def _create_output(
    config: TrainerConfig,
    trainer: Trainer,
    telemetry: Telemetry,
    scene: Scene,
    volume: CheckpointStore | None,
) -> Output | None:
    """What the writer leaves on the volume."""
    if volume is None:
        return None
    folder = output_folder()
    try:
        report = Report(folder, config, scene.held_out.names)
        write_cameras(folder, scene.train)
    except OSError as error:
        raise volume_failure(folder, error) from error
    return Output(
        BackgroundSaver(
            "checkpoint",
            volume,
            StateBuffer(trainer.state.tensors(), trainer.device),
            config.checkpoint.interval_seconds,
            telemetry.saved,
            telemetry.save_failed,
        ),
        report,
    )


def _create_snapshot_saver(
    config: TrainerConfig, trainer: Trainer, memory: CheckpointStore | None
) -> BackgroundSaver | None:
    if memory is None:
        return None
    buffer = StateBuffer(trainer.state.tensors(), trainer.device)
    return BackgroundSaver("snapshot", memory, buffer, config.checkpoint.snapshot_seconds)
