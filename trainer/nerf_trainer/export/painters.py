"""Pictures by all CPUs: a process for each, of one thread.

Threads would share out every single operation and wait for each other after it, and where something
else runs on the same cores each of those waits may last a time slice. Processes share out bands of
pictures, and wait for nobody.
"""

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np
from numpy.typing import NDArray

from nerf_trainer import logs
from nerf_trainer.cpus import usable_cpus
from nerf_trainer.export.cameras import Picture
from nerf_trainer.export.failure import OutputError
from nerf_trainer.export.scene import TrainedScene
from nerf_trainer.memory import usable_memory

log = logging.getLogger(__name__)

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]
Open = Callable[[int], TrainedScene]  # the threads that it may use -> the scene
Band = tuple[Array, Picture, range]  # pose (3, 4), shape of the picture, rows

#: Rays of a band: a process is some seconds at it.
BAND_RAYS = 1 << 17
#: A process takes seconds to start, which fewer rays are not worth.
LEAST_RAYS = 1 << 20
#: What a process takes; the one that starts the others is one of them.
PROCESS_BYTES = 1 << 30


class Painters:
    """Draws pictures of the scene; processes are started once that pays.

    open_scene: opens the same scene in another process, so it has to be a function that pickle
    knows.
    """

    def __init__(self, scene: TrainedScene, open_scene: Open) -> None:
        self.scene = scene
        self._open = open_scene
        self._pool: ProcessPoolExecutor | None = None

    def close(self) -> None:
        """End the processes."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)
        self._pool = None

    def pictures(self, poses: Array, picture: Picture) -> Iterator[Pixels]:
        """What cameras at `poses` (N, 3, 4) see, one after the other: (H, W, 3).

        Raises OutputError where a process was killed, or could not open the scene.
        """
        rays = len(poses) * picture.width * picture.height
        count = process_count(self.scene.device.type, rays, usable_cpus(), usable_memory())
        if count == 1:
            return (self.scene.render(pose, picture) for pose in poses)
        if self._pool is None:
            self._pool = start_pool(self._open, count)
        return self._pictures_by(self._pool, poses, picture, ahead=2 * count)

    def _pictures_by(
        self, pool: ProcessPoolExecutor, poses: Array, picture: Picture, ahead: int
    ) -> Iterator[Pixels]:
        bands = picture.bands(BAND_RAYS)
        jobs = ((pose, picture, rows) for pose in poses for rows in bands)
        try:
            drawn = _drawn(pool, jobs, ahead)
            for _ in poses:
                yield np.concatenate([next(drawn) for _ in bands])
        except OutputError:
            self.close()  # Other processes may open it.
            raise
        except BrokenProcessPool as error:
            self._pool = None
            raise OutputError(
                "a process that draws was killed, most likely since memory ran out. Give the "
                "workers more memory."
            ) from error


def _drawn(pool: ProcessPoolExecutor, jobs: Iterable[Band], ahead: int) -> Iterator[Pixels]:
    """The bands in their order; no more than `ahead` are drawn before they are asked for."""
    waiting: deque[Future[Pixels]] = deque()
    for job in jobs:
        waiting.append(pool.submit(_draw, *job))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def process_count(device: str, rays: int, cpus: int, memory: int) -> int:
    """Processes that so many rays are worth; 1: this one. memory: bytes that all may take."""
    if device != "cpu" or rays < LEAST_RAYS:
        return 1
    return max(1, min(cpus, memory // PROCESS_BYTES - 1))


def start_pool(open_scene: Open, count: int) -> ProcessPoolExecutor:
    """So many processes, each with the scene."""
    # Not by fork: this process has threads, of which locks might be left behind.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(count, context, initializer=_begin, initargs=(open_scene,))


class _Scene:
    """What a process of the pool draws, or why it cannot."""

    opened: TrainedScene | OutputError


def _begin(open_scene: Open) -> None:
    """Set up a process of the pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logs.set_up()
    try:
        _Scene.opened = open_scene(1)
    except Exception as error:  # Raised here, it would look like a process that was killed.
        log.exception("cannot open the scene")
        why = str(error) or type(error).__name__
        _Scene.opened = OutputError(f"a process that draws could not open the scene: {why}")


def _end_with_parent() -> None:
    """A parent that is killed cannot tell its pool to end."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _draw(pose: Array, picture: Picture, rows: range) -> Pixels:
    if isinstance(_Scene.opened, OutputError):
        raise _Scene.opened
    return _Scene.opened.render(pose, picture, rows)
