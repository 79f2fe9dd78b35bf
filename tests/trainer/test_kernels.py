"""The kernels that travel in the trainer image."""

import json
import subprocess
from pathlib import Path

import pytest
from scene_files import blender_scene

from images.recipes import CHECKOUT, trainer
from nerf_contract import names
from nerf_contract.training import CPU_BACKGROUND_SAMPLES

pytestmark = pytest.mark.cluster

#: Stands in for the compiler: it is there, but fails when it is asked to compile.
NO_COMPILER = f"""\
mkdir /tmp/bin
cat > /tmp/bin/g++ <<'END'
#!/bin/sh
[ "$1" = --version ] && exec /usr/bin/g++ --version
echo "the compiler was needed" >&2
exit 1
END
chmod +x /tmp/bin/g++
PATH=/tmp/bin:$PATH torchrun --rdzv-backend=nerf --rdzv-endpoint=127.0.0.1:29400 \\
  --run-path --start-method=fork {names.WORKER_SCRIPT} --config /data/config.json || exit
cd "$TORCHINDUCTOR_CACHE_DIR" && diff -r "$NERF_KERNELS/$PWD/aotautograd" aotautograd
"""


def train(
    folder: Path, threads: int, *options: str, space: str = "bounded", **training: object
) -> subprocess.CompletedProcess[str]:
    """Take a few steps with usual settings in the image of the pods, as in a new one."""
    blender_scene(folder)
    folder.chmod(0o755)
    training |= {"steps": 20, "evalEvery": 10, "threads": threads, "device": "cpu"}
    config = {"model": {"space": space}, "training": training}
    (folder / "config.json").write_text(json.dumps(config))
    return subprocess.run(
        [
            *(str(CHECKOUT / "tools/images/in-trainer"), "--image", trainer("cpu").image),
            *(
                "--no-cache",
                "-w",
                "/workspace",
                "-v",
                f"{folder}:/data:ro",
                "-e",
                "NERF_DATASET_ROOT=/data",
            ),
            *("-e", "NERF_TERMINATION_LOG=/tmp/end", *options, "--", "bash", "-c", NO_COMPILER),
        ],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_with_default_settings_nothing_is_traced_or_compiled(tmp_path: Path, threads: int) -> None:
    done = train(tmp_path, threads)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"[-3000:]


def test_nor_does_one_of_a_scene_with_a_background(tmp_path: Path) -> None:
    done = train(tmp_path, 1, space="unbounded", samplesPerRay=CPU_BACKGROUND_SAMPLES)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"[-3000:]


def test_without_them_it_would(tmp_path: Path) -> None:
    done = train(tmp_path, 1, "-e", "NERF_KERNELS=")
    assert done.returncode != 0
    assert "the compiler was needed" in f"{done.stdout}{done.stderr}"
