"""Which device trains, and with how many threads. Never a CPU where a GPU was promised."""

import logging
import os

import torch

from nerf_contract.reasons import CUDA_UNAVAILABLE
from nerf_trainer.cpus import usable_cpus
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.gpu_files import numbered_gpus, visible

log = logging.getLogger(__name__)


def choose_device(wanted: str, local_rank: int) -> torch.device:
    """The device for `training.device`; `auto` is CUDA where GPUs were given.

    Raises TrainerFailure (CudaUnavailable) with the versions where CUDA is due and does not work.
    """
    if wanted == "cpu" or (wanted == "auto" and not gpus_given()):
        return torch.device("cpu")
    why = _cuda_problem(local_rank)
    if why:
        asked = "training.device is cuda" if wanted == "cuda" else "GPUs were given to this worker"
        raise TrainerFailure(
            CUDA_UNAVAILABLE,
            f"{asked}, but {why} ({versions()}). Use the CUDA image and a working driver, or set "
            "training.device to cpu.",
        )
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


def repeat_exactly(device: torch.device) -> None:
    """From now on the same operations give the same bits, as a CPU's do by themselves.

    torch warns of an operation that a GPU cannot do so.
    """
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)


def gpus_given() -> bool:
    """Whether this worker was given GPUs, working or not, and may use one."""
    given = os.environ.get("NVIDIA_VISIBLE_DEVICES", "")
    promised = given not in ("", "void", "none", "all")
    there = promised or numbered_gpus() > 0 or torch.cuda.is_available()
    return visible(int(there)) > 0


def _cuda_problem(local_rank: int) -> str | None:
    """Why CUDA cannot be used, or None."""
    if not torch.backends.cuda.is_built():
        return "this image's torch is built without CUDA"
    if not torch.cuda.is_available():
        return "torch finds no working CUDA device"
    if local_rank >= torch.cuda.device_count():
        return f"process {local_rank} finds only {torch.cuda.device_count()} CUDA device(s)"
    try:
        torch.ones(1, device=f"cuda:{local_rank}").sum().item()
    except RuntimeError as error:
        return f"a first CUDA operation failed: {str(error).splitlines()[0]}"
    return None


def versions() -> str:
    """Versions of torch, its CUDA and the driver, for messages."""
    return f"torch {torch.__version__}, CUDA {torch.version.cuda or 'none'}, driver {_driver()}"


def _driver() -> str:
    try:
        import pynvml

        pynvml.nvmlInit()
        return str(pynvml.nvmlSystemGetDriverVersion())
    except Exception:  # nvidia-ml-py is missing, or one of its many errors: no driver to tell of
        return "none"


def training_threads(wanted: int, device: torch.device) -> int:
    """Intra-op threads of a process that trains, for `training.threads`."""
    if wanted:
        return wanted
    if device.type == "cpu":
        return 1
    return max(1, usable_cpus() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
