"""How torch.compile is used, and the kernels that travel in the image: see `kernels`.

A C++ compiler needs a minute and more for the kernels of a training step, so a worker in the image
begins with those that were compiled when it was built, for one thread and for several. What other
settings need is compiled at the start, and kept in TORCHINDUCTOR_CACHE_DIR.
"""

import errno
import logging
import os
import platform
import shutil
import tempfile
from pathlib import Path

import torch

from nerf_contract import names
from nerf_contract.training import (
    CPU_BACKGROUND_SAMPLES,
    ModelConfig,
    TrainerConfig,
    TrainingConfig,
)
from nerf_trainer.models import create_model
from nerf_trainer.rays import Rays
from nerf_trainer.schedule import chunk_rays, settings_at

log = logging.getLogger(__name__)

CACHE_DIR = "TORCHINDUCTOR_CACHE_DIR"
#: Bits of a vector register in kernels for x86-64, whatever the machine has: nodes of all kinds
#: share the image's kernels.
AVX2_BITS = 256


def set_up() -> None:
    """To be called before anything is compiled, once the number of threads is set."""
    import torch._functorch.config as functorch
    import torch._inductor.config as inductor

    # Torch 2.6 does not read this variable by itself.
    if os.environ.get("TORCHINDUCTOR_VEC_ISA_OK") == "1":
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
    """Begin the cache with the image's kernels; one that exists already is left alone.

    Kernels only work at the path where they were compiled, and lie at that path in the folder that
    NERF_KERNELS names. Processes may do this at the same time.
    """
    root, cache = os.environ.get(names.ENV_KERNELS), os.environ.get(CACHE_DIR)
    if not root or not cache or Path(cache).exists() or platform.machine() != "x86_64":
        return
    source, parent = Path(f"{root}/{cache}"), Path(cache).parent
    if not source.is_dir():
        return
    try:
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            Path(shutil.copytree(source, Path(folder) / "kernels")).rename(cache)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):  # Another process was faster.
            log.warning("the image's kernels are not used, all are compiled: %s", error)


#: What most trainings on CPUs are: an object alone, and a scene with a background.
USUAL = (
    TrainerConfig(),
    TrainerConfig(
        model=ModelConfig(space="unbounded"),
        training=TrainingConfig(samples_per_ray=CPU_BACKGROUND_SAMPLES),
    ),
)


def compile_for(config: TrainerConfig) -> None:
    """Compile what a training needs, for one thread and for several."""
    count = chunk_rays(config.training, 0)
    rays = Rays(torch.zeros(count, 3), torch.ones(count, 3), torch.zeros(count, 3))
    for threads in (1, 2):
        torch.set_num_threads(threads)
        set_up()
        torch.compiler.reset()
        model = create_model(config, count)
        model.apply_settings(settings_at(config.training, 0))
        model.compile_parts()
        model(rays, torch.zeros(model.noise_rows(), count)).value.backward()
