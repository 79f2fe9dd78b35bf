"""Pictures by several processes are those of one, and what happens when one of them is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from exported import trained_job  # noqa: E402

from nerf_contract import names  # noqa: E402
from nerf_trainer.export import painters  # noqa: E402
from nerf_trainer.export.cameras import Picture  # noqa: E402
from nerf_trainer.export.failure import OutputError  # noqa: E402
from nerf_trainer.export.painters import LEAST_RAYS, Painters, process_count  # noqa: E402
from nerf_trainer.export.scene import open_scene  # noqa: E402

pytestmark = pytest.mark.torch

GB = 1 << 30
TIMEOUT = 60


@pytest.mark.parametrize(
    ("device", "rays", "cpus", "memory", "count"),
    [
        ("cpu", LEAST_RAYS, 4, 64 * GB, 4),
        ("cpu", LEAST_RAYS - 1, 4, 64 * GB, 1),  # they would take longer to start
        ("cpu", LEAST_RAYS, 16, 8 * GB, 7),  # and this one
        ("cpu", LEAST_RAYS, 2, 3 * GB, 2),
        ("cpu", LEAST_RAYS, 2, 2 * GB, 1),
        ("cpu", LEAST_RAYS, 16, GB // 2, 1),
        ("cuda", 100 * LEAST_RAYS, 16, 64 * GB, 1),
    ],
)
def test_as_many_processes_as_pay(
    device: str, rays: int, cpus: int, memory: int, count: int
) -> None:
    assert process_count(device, rays, cpus, memory) == count


@pytest.mark.parametrize(
    ("height", "rays", "sizes"),
    [
        (10, 1000, [10]),
        (10, 300, [5, 5]),
        (10, 200, [2, 3, 2, 3]),
        (5, 150, [1, 2, 2]),
        (3, 10, [1, 1, 1]),
    ],
)
def test_bands_are_all_rows_in_even_parts(height: int, rays: int, sizes: list[int]) -> None:
    bands = Picture(60, height, 50.0).bands(rays)
    assert [len(band) for band in bands] == sizes
    assert [row for band in bands for row in band] == list(range(height))


@pytest.fixture
def two_painters(monkeypatch: pytest.MonkeyPatch) -> Iterator[Painters]:
    """Two processes, for however few rays, that draw bands of a few rows."""
    monkeypatch.setattr(painters, "LEAST_RAYS", 1)
    monkeypatch.setattr(painters, "BAND_RAYS", 300)
    monkeypatch.setattr(painters, "usable_cpus", lambda: 2)
    monkeypatch.setattr(painters, "usable_memory", lambda: 3 * GB)
    job = trained_job()
    monkeypatch.setenv(names.ENV_DATASET_ROOT, str(job.dataset))
    scene = open_scene(job.config, job.folder)
    with closing(Painters(scene, partial(open_scene, job.config, job.folder))) as found:
        yield found


def test_they_draw_what_one_process_draws_until_one_is_killed(two_painters: Painters) -> None:
    scene = two_painters.scene
    poses, picture = scene.cameras.poses[:5], scene.cameras.picture(32)
    drawn = list(two_painters.pictures(poses, picture))
    assert len(active_children()) == 2
    for pixels, pose in zip(drawn, poses, strict=True):
        alone = scene.render(pose, picture)
        assert alone.std() > 20
        # Threads may add up in another order than one does.
        assert np.abs(pixels.astype(int) - alone).max() <= 1
    for process in active_children():
        process.kill()
    with pytest.raises(OutputError, match="was killed"):
        list(two_painters.pictures(poses, picture))


def test_a_process_that_cannot_open_the_scene_says_why(two_painters: Painters) -> None:
    scene = two_painters.scene
    poses, picture = scene.cameras.poses[:2], scene.cameras.picture(32)
    broken = partial(open_scene, scene.config, Path("/nowhere"))
    with closing(Painters(scene, broken)) as found, pytest.raises(OutputError) as failure:
        list(found.pictures(poses, picture))
    assert str(failure.value).startswith("a process that draws could not open the scene: /nowhere")


START_ONE = """
import os, time
from nerf_trainer.export.painters import start_pool
print(start_pool(str, 1).submit(os.getpid).result(), flush=True)
time.sleep(600)
"""


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_they_end_with_their_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", START_ONE], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert runs(pid)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(TIMEOUT)
    deadline = time.monotonic() + TIMEOUT
    while runs(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)
