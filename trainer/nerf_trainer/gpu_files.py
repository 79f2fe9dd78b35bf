"""The GPUs that this container was given, as far as device files and the environment tell."""

import os
from itertools import takewhile
from pathlib import Path

DEVICES = Path("/dev")


def numbered_gpus() -> int:
    """GPUs with a device file of their own."""
    return len(list(DEVICES.glob("nvidia[0-9]*")))


def visible(gpus: int) -> int:
    """How many of so many GPUs CUDA_VISIBLE_DEVICES lets a process see.

    As CUDA reads it: all where it is unset, else what stands before the first empty or negative
    entry.
    """
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return gpus
    entries = (entry.strip() for entry in listed.split(","))
    return min(gpus, len(list(takewhile(_names_a_gpu, entries))))


def _names_a_gpu(entry: str) -> bool:
    return entry != "" and not entry.startswith("-")
