"""How torch.compile is used, and the kernels that travel in the image.

    python3 -m nerf_trainer.compiler     compile the default settings' kernels, to be put there

On two cores a C++ compiler needs a minute and a half for the kernels of a training step, so each
worker begins with those that were compiled when the image was built. Other settings than the
defaults are compiled at the start, and kept in TORCHINDUCTOR_CACHE_DIR.
"""

import os
import platform
import shutil
import tempfile
from pathlib import Path

import torch

from nerf_contract import names
from nerf_contract.training import TrainerConfig
from nerf_trainer.models import create_model
from nerf_trainer.rays import Rays
from nerf_trainer.schedule import chunk_rays

CACHE_DIR = "TORCHINDUCTOR_CACHE_DIR"
#: Bits of a vector register in kernels for x86-64, whatever the machine has: nodes of all kinds
#: share the image's kernels, and compute the same.
AVX2_BITS = 256


def set_up() -> None:
    """To be called before anything is compiled, once the number of threads is set."""
    import torch._functorch.config as functorch
    import torch._inductor.config as inductor

    # Trying the vector instructions takes seconds in every process; tests/images has tried them.
    inductor.cpp.vec_isa_ok = True
    if platform.machine() == "x86_64":
        inductor.cpp.simdlen = AVX2_BITS
    # Kernels must not depend on the number of threads: the cache takes no notice of it.
    inductor.cpp.dynamic_threads = torch.get_num_threads() > 1
    # Spares tracing the backward passes again. It cannot store views that are replayed.
    functorch.enable_autograd_cache = True
    functorch.view_replay_for_aliased_outputs = False
    unpack_kernels()


def unpack_kernels() -> None:
    """Begin the cache with the image's kernels, unless there is one already.

    They only work at the path where they were compiled. Processes may do this at the same time.
    """
    source, cache = os.environ.get(names.ENV_KERNELS), os.environ.get(CACHE_DIR)
    if not source or not cache or Path(cache).exists():
        return
    parent = Path(cache).parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        mine = Path(shutil.copytree(source, Path(folder) / "kernels"))
        try:
            mine.rename(cache)
        except OSError:  # Another process was faster.
            return


def compile_default() -> None:
    """Compile what a training with default settings and one thread needs."""
    torch.set_num_threads(1)
    set_up()
    config = TrainerConfig()
    count = chunk_rays(config.training, 0)
    model = create_model(config, count)
    model.compile_parts()
    rays = Rays(torch.zeros(count, 3), torch.ones(count, 3), torch.zeros(count, 3))
    model(rays, torch.zeros(model.noise_rows(), count)).value.backward()


if __name__ == "__main__":
    compile_default()
